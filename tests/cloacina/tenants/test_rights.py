"""Who may do what, read from the catalog: so that it holds for every table there will be."""

from uuid import uuid4

import pytest

from cloacina.db import Database
from cloacina.embedded import EmbeddedPostgres
from cloacina.lifecycle.tenants import create_tenant
from cloacina.tenants.models import Tenant
from tests.cloacina.tenants.logins import admin, rows

ROWS = {"SELECT", "INSERT", "UPDATE", "DELETE"}

# an object without rights of its own has its owner's alone
RELATIONS = (
    "SELECT relname, relkind, a.privilege_type,"
    " CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END FROM pg_class,"
    " LATERAL aclexplode(COALESCE(relacl, acldefault(CASE relkind WHEN 'S' THEN 's'::\"char\""
    " ELSE 'r'::\"char\" END, relowner))) a"
    " WHERE relkind IN ('r', 'v', 'm', 'f', 'p', 'S') AND relnamespace = %s::regnamespace"
)
SCHEMA = (
    "SELECT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END || ' '"
    " || a.privilege_type FROM pg_namespace, LATERAL aclexplode(nspacl) a WHERE nspname = %s"
)
DATABASE = (
    "SELECT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END || ' '"
    " || a.privilege_type FROM pg_database, LATERAL aclexplode(datacl) a"
    " WHERE datname = current_database()"
)


@pytest.fixture(scope="module")
def acme(any_database: Database) -> Tenant:
    return create_tenant(any_database, f"t_{uuid4().hex[:12]}")


def rights(server: EmbeddedPostgres, database: Database, schema: str) -> dict[str, dict[str, set]]:
    """Give, for each relation of a schema, who may do what with it."""
    found: dict[str, dict[str, set]] = {}
    with admin(server, database) as superuser:
        for name, kind, what, who in superuser.execute(RELATIONS, (f'"{schema}"',)):
            label = f"sequence {name}" if kind == "S" else name
            found.setdefault(label, {}).setdefault(who, set()).add(what)
    return found


def test_of_a_tenants_relations_its_role_has_the_rows_and_nobody_else_anything(
    any_postgres: EmbeddedPostgres, any_database: Database, acme: Tenant
) -> None:
    found = rights(any_postgres, any_database, acme.schema)
    assert len(found) >= 8
    for name, by_role in found.items():
        allowed = {"USAGE", "SELECT"} if name.startswith("sequence") else ROWS
        others = {role: what for role, what in by_role.items() if role != any_database.owner_role}
        expected = {} if name == "alembic_version_tenant" else {acme.role: allowed}
        assert others == expected, name


def test_of_the_platforms_relations_the_service_has_the_rows_and_nobody_else_anything(
    any_postgres: EmbeddedPostgres, any_database: Database, acme: Tenant
) -> None:
    found = rights(any_postgres, any_database, "public")
    assert len(found) >= 7
    for name, by_role in found.items():
        others = set(by_role) - {any_database.owner_role}
        assert others <= {any_database.service_role}, name
        assert by_role.get(any_database.service_role, set()) <= ROWS, name


def test_a_tenant_may_use_its_schema_and_connect_and_that_is_all(
    any_postgres: EmbeddedPostgres, any_database: Database, acme: Tenant
) -> None:
    assert set(rows(any_postgres, any_database, SCHEMA, acme.schema)) == {
        f"{acme.role} USAGE",
        f"{any_database.owner_role} USAGE",
        f"{any_database.owner_role} CREATE",
    }
    in_public = rows(any_postgres, any_database, SCHEMA, "public")
    of_database = rows(any_postgres, any_database, DATABASE)
    assert not [each for each in in_public if each.startswith(("PUBLIC ", f"{acme.role} "))]
    assert not [each for each in of_database if each.startswith("PUBLIC ")]
    assert [each for each in of_database if each.startswith(f"{acme.role} ")] == [
        f"{acme.role} CONNECT"
    ]


def test_a_tenants_role_is_no_member_of_any_and_only_the_service_may_become_it(
    any_postgres: EmbeddedPostgres, any_database: Database, acme: Tenant
) -> None:
    of = "SELECT roleid::regrole::text FROM pg_auth_members WHERE member = %s::regrole"
    members = (
        "SELECT DISTINCT member::regrole::text FROM pg_auth_members WHERE roleid = %s::regrole"
    )
    assert rows(any_postgres, any_database, of, acme.role) == []
    assert rows(any_postgres, any_database, members, acme.role) == [any_database.service_role]
    with admin(any_postgres, any_database) as superuser:
        if superuser.info.server_version >= 160_000:
            inherits = superuser.execute(
                "SELECT bool_or(inherit_option) FROM pg_auth_members WHERE roleid = %s::regrole",
                (acme.role,),
            )
            assert inherits.fetchone() == (False,)


def test_nothing_can_be_called_in_the_schemas_and_no_rights_wait_for_new_things(
    any_postgres: EmbeddedPostgres, any_database: Database, acme: Tenant
) -> None:
    functions = (
        "SELECT oid::regprocedure::text FROM pg_proc"
        " WHERE pronamespace IN (SELECT oid FROM pg_namespace WHERE nspname IN ('public', %s))"
    )
    assert rows(any_postgres, any_database, functions, acme.schema) == []
    waiting = (
        "SELECT DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END"
        " FROM pg_default_acl, LATERAL aclexplode(defaclacl) a"
        " WHERE defaclnamespace = %s::regnamespace"
    )
    # what the owner makes in it later is the tenant's too, rows and no more
    assert rows(any_postgres, any_database, waiting, f'"{acme.schema}"') == [acme.role]


def test_here_nobody_is_left_a_function_that_reaches_beyond_his_tables(
    any_postgres: EmbeddedPostgres, any_database: Database, acme: Tenant
) -> None:
    # as the SQL for administrators does it, see docs/architecture.md
    open_to_all = (
        "SELECT proname FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace"
        " AND (proname ~ '^pg_(try_)?advisory_' OR proname IN ('lo_creat', 'lo_create',"
        " 'lo_from_bytea', 'lo_import', 'lo_export', 'pg_logical_emit_message'))"
        " AND has_function_privilege(%s, oid, 'EXECUTE')"
    )
    assert rows(any_postgres, any_database, open_to_all, acme.role) == []
    assert rows(any_postgres, any_database, "SHOW temp_file_limit") == ["1GB"]
