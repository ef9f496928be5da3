"""Whatever a tenant's role has made, was given or gave away, it can be dropped."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from cloacina.db import Database
from cloacina.dispatch import Dispatcher
from cloacina.embedded import EmbeddedPostgres
from cloacina.lifecycle.residue import scan
from cloacina.lifecycle.tenants import create_tenant
from cloacina.tenants.errors import TenantRemovalFailed
from cloacina.tenants.models import Tenant
from tests.cloacina.tenants.logins import admin, login
from tests.removal import delete_tenant

PASSWORD = "a-tenants-own"

# whatever may be said in a login of its own
BY_THE_TENANT = (
    "SELECT lo_from_bytea(0, 'mine')",
    "GRANT SELECT ON LARGE OBJECT {made} TO {other}",
    "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO {other}",
    "ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON ROUTINES FROM PUBLIC",
    "ALTER ROLE {role} SET work_mem = '1MB'",
    # what an administrator let it
    "CREATE TABLE place.own AS SELECT 1 AS one",
    "GRANT SELECT ON place.own TO {other}",
    "GRANT SELECT ON place.given TO {other}",
    "GRANT {group} TO {other}",
)
BY_AN_ADMINISTRATOR = (
    # as in a cluster that nobody has closed
    "GRANT EXECUTE ON FUNCTION lo_from_bytea(oid, bytea) TO PUBLIC",
    "CREATE ROLE {group}",
    "CREATE ROLE {other}",
    "CREATE SCHEMA place AUTHORIZATION {owner}",
    "SET ROLE {owner}",
    "CREATE TABLE place.given (one int, two int)",
    "CREATE FUNCTION place.called(int) RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE TYPE place.kind AS ENUM ('one')",
    "CREATE SEQUENCE place.counter",
    "GRANT USAGE, CREATE ON SCHEMA place TO {role}",
    "GRANT SELECT ON place.given TO {role} WITH GRANT OPTION",
    "GRANT UPDATE (two) ON place.given TO {role}",
    "GRANT USAGE ON SEQUENCE place.counter TO {role}",
    "GRANT USAGE ON TYPE place.kind TO {role}",
    "GRANT EXECUTE ON FUNCTION place.called TO {role}",
    "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO {role}",
    "ALTER DEFAULT PRIVILEGES IN SCHEMA place GRANT USAGE ON SEQUENCES TO {role}",
    "ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON ROUTINES TO {role}",
    "RESET ROLE",
    "GRANT {group} TO {role} WITH ADMIN OPTION",
    "CREATE POLICY own ON place.given TO {role}",
)


def told(connection: psycopg.Connection, statements: tuple[str, ...], **names: str) -> None:
    """Say several things; `made` is what the first has made."""
    made = None
    for statement in statements:
        known = {name: sql.Identifier(value) for name, value in names.items()}
        known["made"] = sql.Literal(made)
        done = connection.execute(sql.SQL(statement).format(**known))
        if made is None and done.description:
            made = done.fetchone()[0]


@pytest.fixture
def tenant(any_database: Database) -> Tenant:
    return create_tenant(any_database, f"t_{uuid.uuid4().hex[:12]}", password=PASSWORD)


@pytest.fixture
def lavish(
    any_postgres: EmbeddedPostgres, any_database: Database, tenant: Tenant
) -> Iterator[dict[str, str]]:
    """A tenant that owns, was given and has given away what it can; gives the names."""
    names = {
        "role": tenant.role,
        "owner": any_database.owner_role,
        "group": f"{tenant.name}_group",
        "other": f"{tenant.name}_other",
    }
    with admin(any_postgres, any_database) as administrator:
        told(administrator, BY_AN_ADMINISTRATOR, **names)
        with login(any_database, tenant.role, PASSWORD) as own:
            told(own, BY_THE_TENANT, **names)
        yield names
        told(administrator, ("DROP SCHEMA place CASCADE", "DROP ROLE {other}, {group}"), **names)


@pytest.mark.usefixtures("lavish")
def test_a_role_goes_with_all_that_it_owns_was_given_and_gave_away(
    any_postgres: EmbeddedPostgres, any_database: Database, tenant: Tenant, tmp_path: Path
) -> None:
    with login(any_database, tenant.role, PASSWORD) as session:
        assert delete_tenant(any_database, tenant.name).removed
        with pytest.raises(psycopg.OperationalError):
            session.execute("SELECT 1")
    dispatcher = Dispatcher(any_database, any_postgres.url)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dispatcher, "keys_of", lambda *_: [])
        assert scan(any_database, dispatcher, tmp_path, tenant.id, tenant.name) == []


def test_what_only_others_can_take_away_is_told_to_the_operator(
    any_postgres: EmbeddedPostgres, any_database: Database, tenant: Tenant
) -> None:
    name = sql.Identifier(tenant.role)
    with admin(any_postgres, any_database) as administrator:
        administrator.execute("CREATE TABLE public.strange (one int)")
        administrator.execute(sql.SQL("GRANT SELECT ON public.strange TO {}").format(name))
        with pytest.raises(TenantRemovalFailed, match="privileges for table strange"):
            delete_tenant(any_database, tenant.name)
        administrator.execute("DROP TABLE public.strange")
    assert delete_tenant(any_database, tenant.name).removed
