"""Names that a tenant may have."""

import psycopg
import pytest
from sqlalchemy import text

from cloacina.db import Database, execute_ddl, identifier
from cloacina.embedded import EmbeddedPostgres
from cloacina.lifecycle import installation
from cloacina.lifecycle.tenants import create_tenant
from cloacina.tenants import services
from cloacina.tenants.errors import TenantCreationFailed
from tests.removal import delete_tenant


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Acme",
        "ACME",
        "a" * 64,
        "1st",
        "a-b",
        "a b",
        "acme ",
        "acme\n",
        'a"; drop',
        "a'; drop schema public; --",
        "a\x00b",
        "ünïcode",
        "a.b",
        "../etc",
        "a$b",
    ],
)
def test_a_name_that_postgresql_would_fold_cut_or_quote_is_refused(
    database: Database, name: str
) -> None:
    with pytest.raises(TenantCreationFailed, match=r"use 1 to 63 of a-z, 0-9 and _"):
        create_tenant(database, name)


@pytest.mark.parametrize(
    "name", ["public", "tenant_public", "postgres", "information_schema", "none", "pg_x", "pg_"]
)
def test_a_reserved_name_is_refused(database: Database, name: str) -> None:
    with pytest.raises(TenantCreationFailed, match="is a reserved name"):
        create_tenant(database, name)


def test_the_services_own_names_are_refused(database: Database) -> None:
    for name in (database.service_role, database.owner_role):
        with pytest.raises(TenantCreationFailed, match="is a reserved name"):
            create_tenant(database, name)


def test_the_longest_name_and_odd_ones_can_be_used(database: Database, tenant_name: str) -> None:
    for name in (tenant_name.ljust(63, "x"), f"_{tenant_name}", f"{tenant_name}__0"):
        assert create_tenant(database, name).schema == name
        assert delete_tenant(database, name).removed


def test_a_role_of_the_cluster_is_refused_and_never_adopted(
    postgres: EmbeddedPostgres, database: Database, tenant_name: str
) -> None:
    with psycopg.connect(postgres.admin_url, autocommit=True) as admin:
        admin.execute(f'CREATE ROLE "{tenant_name}" NOLOGIN')
        try:
            with pytest.raises(TenantCreationFailed, match="is taken: a role of that name exists"):
                create_tenant(database, tenant_name)
            assert delete_tenant(database, tenant_name).removed is False
            query = "SELECT rolcanlogin FROM pg_roles WHERE rolname = %s"
            assert admin.execute(query, (tenant_name,)).fetchone() == (False,)
        finally:
            admin.execute(f'DROP ROLE "{tenant_name}"')


def test_a_tenant_of_another_database_of_the_cluster_keeps_its_name(
    postgres: EmbeddedPostgres, database: Database, tenant_name: str
) -> None:
    other = Database(postgres.create_database(f"other_{tenant_name}"))
    try:
        installation.migrate(other)
        create_tenant(other, tenant_name)
        with pytest.raises(TenantCreationFailed, match="is taken: a role of that name exists"):
            create_tenant(database, tenant_name)
        with other.platform() as session:
            assert services.find(session, tenant_name).name == tenant_name
    finally:
        other.close()
        postgres.drop_database(f"other_{tenant_name}")


def test_a_schema_of_the_database_is_refused_and_left_alone(
    database: Database, tenant_name: str
) -> None:
    with database.platform() as session:
        execute_ddl(session, "CREATE SCHEMA {}", identifier(tenant_name))
        execute_ddl(session, "CREATE TABLE {}.precious (i int)", identifier(tenant_name))
    with pytest.raises(TenantCreationFailed, match="is taken: a schema of that name exists"):
        create_tenant(database, tenant_name)
    assert delete_tenant(database, tenant_name).removed is False
    with database.platform() as session:
        session.execute(text(f'SELECT count(*) FROM "{tenant_name}".precious'))  # noqa: S608


def test_a_tenants_own_name_is_taken(database: Database, tenant_name: str) -> None:
    create_tenant(database, tenant_name)
    with pytest.raises(TenantCreationFailed, match="is taken"):
        create_tenant(database, tenant_name)
