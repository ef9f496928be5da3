"""What acme gets of globex, of the platform and of the machine, whatever it says: nothing."""

from collections.abc import Iterator, Sequence
from typing import Any

import psycopg
import pytest
from psycopg.pq import TransactionStatus

from cloacina.db import Database
from cloacina.embedded import EmbeddedPostgres
from cloacina.tenants import services as tenants
from tests.cloacina.tenants.attacks import NO_RIGHT, OTHERWISE, REFUSED
from tests.cloacina.tenants.logins import rows
from tests.cloacina.tenants.neighbours import PASSWORD, SECRET, Neighbours, neighbours

WAYS = ("login", "assumed")


@pytest.fixture(scope="module")
def both(any_postgres: EmbeddedPostgres, any_database: Database) -> Iterator[Neighbours]:
    with neighbours(any_postgres, any_database) as found:
        yield found


@pytest.fixture(params=WAYS)
def acme(request: pytest.FixtureRequest, both: Neighbours) -> psycopg.Connection[Any]:
    """A connection that is acme, by each way of becoming it."""
    return both.ways[request.param]


def state_of(connection: psycopg.Connection[Any], statement: str) -> str:
    """Give the state that a statement is refused with; empty: it was not."""
    try:
        connection.execute(statement)
    except psycopg.Error as error:
        return error.sqlstate or "?"
    finally:
        if connection.info.transaction_status != TransactionStatus.IDLE:
            connection.execute("ROLLBACK")
    return ""


def test_every_attack_is_refused_and_changes_nothing(
    both: Neighbours, acme: psycopg.Connection[Any]
) -> None:
    before = both.untouched()
    path = acme.execute("SHOW search_path").fetchone()
    got = {
        statement: state_of(acme, both.spelt(statement))
        for statement in REFUSED
        if not is_unknown(acme, statement)
    }
    assert {statement: state for statement, state in got.items() if state != NO_RIGHT} == {}
    for statement, states in OTHERWISE:
        assert state_of(acme, both.spelt(statement)) in states, statement
        acme.execute("SELECT set_config('search_path', %s, false)", path)
    assert both.untouched() == before
    assert acme.execute("SELECT current_user").fetchone() == (both.acme.role,)


def is_unknown(connection: psycopg.Connection[Any], statement: str) -> bool:
    return connection.info.server_version < 150_000 and statement.startswith(("MERGE", "CHECKP"))


def test_a_login_cannot_become_anybody_else(both: Neighbours) -> None:
    login = both.ways["login"]
    others = (both.globex.role, both.database.service_role, both.database.owner_role)
    for role in (*others, "pg_read_all_data", "pg_database_owner"):
        for statement in (
            f'SET ROLE "{role}"',
            f"SELECT set_config('role', '{role}', false)",
            f'SET SESSION AUTHORIZATION "{role}"',
            f"SELECT set_config('session_authorization', '{role}', false)",
        ):
            assert state_of(login, statement) == NO_RIGHT
    for statement in ("RESET ROLE", "SET ROLE NONE", "RESET SESSION AUTHORIZATION", "RESET ALL"):
        login.execute(statement)
        found = login.execute("SELECT current_user, session_user, current_schema()").fetchone()
        assert found == (both.acme.role, both.acme.role, both.acme.schema)


RELATIONS = (
    "SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace"
    " WHERE relkind IN ('r', 'v') AND nspname IN ('pg_catalog', 'information_schema') ORDER BY 1"
)
FUNCTIONS = (
    "SELECT format('%I', proname), a.typ::regtype::text FROM pg_proc, LATERAL"
    " (SELECT proargtypes[0] AS typ) a WHERE pronargs = 1 AND NOT proretset AND prokind = 'f'"
    " AND a.typ IN ('oid'::regtype, 'regclass'::regtype)"
    " AND pronamespace = 'pg_catalog'::regnamespace"
)


def test_nothing_in_the_catalogs_shows_anothers_rows_queries_or_passwords(
    both: Neighbours, acme: psycopg.Connection[Any], any_postgres: EmbeddedPostgres
) -> None:
    # what others ran last stands in the list of processes
    both.as_globex.execute(f"SELECT '{SECRET}'")
    for place in ("pg_stats", "pg_stat_activity", "pg_largeobject"):
        query = f"SELECT 1 FROM {place} t WHERE strpos(t::text, %s) > 0"  # noqa: S608
        found = (SECRET, SECRET.encode().hex())
        assert any(rows(any_postgres, both.database, query, each) for each in found), place
    relations = [row[0] for row in acme.execute(RELATIONS)]
    assert len(relations) > 150
    for relation in relations:
        assert_silent(acme, f"SELECT t::text FROM {relation} t")  # noqa: S608


def test_no_function_of_the_catalog_tells_of_anothers_rows(
    both: Neighbours, acme: psycopg.Connection[Any]
) -> None:
    functions = acme.execute(FUNCTIONS).fetchall()
    assert len(functions) > 50
    theirs = acme.execute(
        "SELECT oid FROM pg_class WHERE relnamespace = (SELECT oid FROM pg_namespace"
        " WHERE nspname = %s) AND relname IN ('packages', 'workflow_executions')",
        (both.globex.schema,),
    ).fetchall()
    for (oid,) in (*theirs, (int(both.names["b_large_object"]),)):
        for name, kind in functions:
            assert_silent(acme, f"SELECT pg_catalog.{name}({oid}::oid::{kind})::text")


def assert_silent(connection: psycopg.Connection[Any], statement: str) -> None:
    try:
        rows: Sequence[Any] = connection.execute(statement).fetchall()
    except psycopg.Error as error:
        rows = [(str(error),)]
    told = str(rows)
    assert SECRET not in told, statement
    assert "SCRAM-SHA-256" not in told, statement


def test_what_the_catalogs_do_show_is_names_and_counts(
    both: Neighbours, acme: psycopg.Connection[Any]
) -> None:
    # as docs/architecture.md says: whoever logs in sees who else is there, and how busy
    def names(query: str) -> set[str]:
        return {row[0] for row in acme.execute(query)}

    assert {both.globex.role, both.database.service_role} <= names("SELECT rolname FROM pg_roles")
    assert both.globex.schema in names("SELECT nspname FROM pg_namespace")
    assert both.globex.schema in names("SELECT schemaname FROM pg_stat_user_tables")
    processes = acme.execute(
        "SELECT DISTINCT query, state, client_addr, application_name, backend_start"
        " FROM pg_stat_activity WHERE usename = %s",
        (both.globex.role,),
    ).fetchall()
    assert processes == [("<insufficient privilege>", None, None, "", None)]
    shown = names("SELECT table_schema FROM information_schema.tables")
    assert shown == {both.acme.schema, "pg_catalog", "information_schema"}
    last = "SELECT last_value FROM pg_sequences WHERE schemaname = %s AND last_value IS NOT NULL"
    assert acme.execute(last, (both.globex.schema,)).fetchall() == []


def test_own_rights_cannot_be_handed_on(both: Neighbours, acme: psycopg.Connection[Any]) -> None:
    # PostgreSQL warns, and grants nothing
    for what in ("packages", f'SCHEMA "{both.acme.schema}"', "ALL TABLES IN SCHEMA {a}"):
        for to in ("{b}", "PUBLIC"):
            state_of(acme, both.spelt(f"GRANT ALL ON {what} TO {to}"))
    state_of(acme, "ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC")
    for table in ("packages", "schedules"):
        query = f'SELECT 1 FROM "{both.acme.schema}".{table}'  # noqa: S608
        assert state_of(both.as_globex, query) == NO_RIGHT
    acme.execute("ALTER DEFAULT PRIVILEGES REVOKE ALL ON TABLES FROM PUBLIC")


def test_what_a_login_may_change_of_itself_is_its_password_and_its_own_settings(
    both: Neighbours,
) -> None:
    login = both.ways["login"]
    login.execute("ALTER ROLE CURRENT_USER SET statement_timeout = '1min'")
    login.execute("ALTER ROLE CURRENT_USER SET search_path = pg_catalog")
    login.execute("ALTER ROLE CURRENT_USER SET role = 'none'")
    try:
        # none of it reaches the service, which sets what it needs in each transaction
        with both.database.tenant(both.acme) as session:
            found = session.connection().exec_driver_sql(
                "SELECT current_user, current_schema(), current_setting('statement_timeout')"
            )
            assert tuple(found.one()) == (both.acme.role, both.acme.schema, "30s")
        with both.database.platform() as session:
            assert tenants.find(session, both.acme.name) == both.acme
    finally:
        login.execute("ALTER ROLE CURRENT_USER RESET ALL")
    login.execute(f"ALTER ROLE CURRENT_USER PASSWORD '{PASSWORD}'")


def test_no_prepared_transaction_outlives_its_session(
    both: Neighbours, acme: psycopg.Connection[Any]
) -> None:
    acme.execute("BEGIN")
    acme.execute("SELECT count(*) FROM packages")
    # PostgreSQL has them off
    assert state_of(acme, "PREPARE TRANSACTION 'mine'") == "55000"
    acme.execute("ROLLBACK")
