"""What a tenant's role, the service's role and the owner's may do, on every PostgreSQL here."""

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from psycopg import errors
from sqlalchemy import exc, text

from cloacina.db import Database
from cloacina.embedded import EmbeddedPostgres
from cloacina.lifecycle.deletion import Removal
from cloacina.lifecycle.tenants import create_tenant
from cloacina.processes import wait_until
from cloacina.tenants.models import Tenant
from tests.cloacina.tenants.logins import admin, login, rows
from tests.removal import delete_tenant

PASSWORD = "a 'quoted' pass\\word with ünïcode"
TENANT_TABLES = ("packages", "workflow_executions", "task_executions", "execution_events")
PLATFORM_TABLES = ("tenants", "api_keys", "tenant_wakeups", "server_keys", "workers")


def a_name() -> str:
    return f"t_{uuid.uuid4().hex[:12]}"


@pytest.fixture(scope="module")
def acme(any_database: Database) -> Tenant:
    return create_tenant(any_database, a_name(), password=PASSWORD)


@pytest.fixture(scope="module")
def globex(any_database: Database) -> Tenant:
    return create_tenant(any_database, a_name())


@pytest.fixture
def as_acme(any_database: Database, acme: Tenant) -> Iterator[psycopg.Connection]:
    with login(any_database, acme.role, PASSWORD) as connection:
        yield connection


def test_the_service_is_a_plain_role(any_database: Database, acme: Tenant) -> None:
    with any_database.platform() as session:
        plain = session.execute(
            text(
                "SELECT rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolbypassrls"
                " FROM pg_roles WHERE rolname = current_user"
            )
        ).one()
    assert tuple(plain) == (False, False, True, False, False)


def test_the_owner_of_schemas_and_tables_is_a_role_that_nobody_logs_in_as(
    any_database: Database, acme: Tenant
) -> None:
    owned = text(
        "SELECT nspowner::regrole::text, o.rolcanlogin, o.rolsuper, o.rolcreaterole"
        " FROM pg_namespace JOIN pg_roles o ON o.oid = nspowner WHERE nspname = :schema"
    )
    tables = text(
        "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname IN (:schema, 'public')"
    )
    with any_database.platform() as session:
        found = session.execute(owned, {"schema": acme.schema}).one()
        owners = session.scalars(tables, {"schema": acme.schema}).all()
    assert tuple(found) == (any_database.owner_role, False, False, False)
    assert owners == [any_database.owner_role]


def test_a_tenant_works_with_its_own_rows(any_database: Database, acme: Tenant) -> None:
    with any_database.tenant(acme) as session:
        assert session.scalar(text("SELECT current_user")) == acme.role
        for table in TENANT_TABLES:
            session.execute(text(f"SELECT count(*) FROM {table}"))  # noqa: S608
            session.execute(text(f"DELETE FROM {table}"))  # noqa: S608


@pytest.mark.parametrize("table", TENANT_TABLES)
def test_the_service_itself_may_not_touch_a_tenants_table(
    any_database: Database, acme: Tenant, table: str
) -> None:
    for statement in ("SELECT 1 FROM {}", "DELETE FROM {}", "TRUNCATE {}", "DROP TABLE {}"):
        with pytest.raises(exc.ProgrammingError) as caught, any_database.platform() as session:
            session.execute(text(statement.format(f'"{acme.schema}"."{table}"')))
        assert isinstance(caught.value.orig, errors.InsufficientPrivilege)


def test_a_transaction_that_forgot_its_role_reads_nothing(
    any_database: Database, acme: Tenant
) -> None:
    with any_database.engine.begin() as connection:
        connection.exec_driver_sql(f'SET LOCAL search_path = "{acme.schema}"')
        # whoever may not use the schema does not even find the table
        with pytest.raises(exc.ProgrammingError, match="UndefinedTable"):
            connection.exec_driver_sql("SELECT 1 FROM packages")


@pytest.mark.parametrize("table", TENANT_TABLES)
def test_one_tenant_may_not_touch_anothers_table(
    any_database: Database, acme: Tenant, globex: Tenant, table: str
) -> None:
    for statement in ("SELECT 1 FROM {}", "DELETE FROM {}", "TRUNCATE {}", "DROP TABLE {}"):
        with pytest.raises(exc.ProgrammingError) as caught, any_database.tenant(acme) as session:
            session.execute(text(statement.format(f'"{globex.schema}"."{table}"')))
        assert isinstance(caught.value.orig, errors.InsufficientPrivilege)


@pytest.mark.parametrize("table", PLATFORM_TABLES)
def test_a_tenant_may_not_touch_the_platforms_tables(
    any_database: Database, acme: Tenant, table: str
) -> None:
    for statement in ("SELECT 1 FROM {}", "DELETE FROM {}", "DROP TABLE {}"):
        with pytest.raises(exc.ProgrammingError) as caught, any_database.tenant(acme) as session:
            session.execute(text(statement.format(f"public.{table}")))
        assert isinstance(caught.value.orig, errors.InsufficientPrivilege)


def test_a_direct_login_finds_its_own_tables(as_acme: psycopg.Connection, acme: Tenant) -> None:
    assert as_acme.execute("SELECT current_schema()").fetchone() == (acme.schema,)
    assert as_acme.execute("SHOW statement_timeout").fetchone() == ("2s",)
    for table in TENANT_TABLES:
        as_acme.execute(f"SELECT count(*) FROM {table}")  # noqa: S608


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE mine (i int)",
        "CREATE TABLE public.mine (i int)",
        "CREATE TEMP TABLE mine (i int)",
        "CREATE SCHEMA mine",
        "CREATE ROLE mine",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE VIEW v AS SELECT 1",
        "TRUNCATE packages",
        "DROP TABLE packages",
        "ALTER TABLE packages ADD COLUMN mine int",
        "CREATE INDEX ON packages (version)",
        "SELECT 1 FROM alembic_version_tenant",
        "UPDATE alembic_version_tenant SET version_num = 'x'",
        "SELECT 1 FROM public.tenants",
        "SELECT 1 FROM public.api_keys",
        "SELECT rolpassword FROM pg_authid",
        "SELECT nextval('packages_upload_order_seq'), setval('packages_upload_order_seq', 9)",
        "ALTER ROLE CURRENT_USER CONNECTION LIMIT 100",
        "ALTER ROLE CURRENT_USER CREATEROLE",
        "COPY packages TO PROGRAM 'cat'",
        "SELECT pg_read_file('PG_VERSION')",
    ],
)
def test_a_direct_login_may_do_nothing_else(as_acme: psycopg.Connection, statement: str) -> None:
    with pytest.raises(errors.InsufficientPrivilege):
        as_acme.execute(statement)


def test_a_direct_login_may_not_hand_on_its_rights(
    as_acme: psycopg.Connection, any_database: Database, acme: Tenant, globex: Tenant
) -> None:
    # refused with a warning only
    as_acme.execute("GRANT ALL ON packages TO PUBLIC")
    as_acme.execute(f'GRANT ALL ON SCHEMA "{acme.schema}" TO "{globex.role}"')
    with pytest.raises(exc.ProgrammingError) as caught, any_database.tenant(globex) as session:
        session.execute(text(f'SELECT 1 FROM "{acme.schema}".packages'))  # noqa: S608
    assert isinstance(caught.value.orig, errors.InsufficientPrivilege)


def test_a_direct_login_may_not_become_anybody_else(
    as_acme: psycopg.Connection, any_database: Database, globex: Tenant
) -> None:
    for role in (any_database.service_role, any_database.owner_role, globex.role):
        with pytest.raises(errors.InsufficientPrivilege):
            as_acme.execute(f'SET ROLE "{role}"')


def test_a_direct_login_reaches_no_other_database(any_database: Database, acme: Tenant) -> None:
    for name in ("postgres", "template1", "cloacina"):
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            login(any_database, acme.role, PASSWORD, dbname=name)


def test_a_fourth_direct_login_is_refused(any_database: Database, acme: Tenant) -> None:
    opened = [login(any_database, acme.role, PASSWORD) for _ in range(3)]
    try:
        with pytest.raises(psycopg.OperationalError, match="too many connections for role"):
            login(any_database, acme.role, PASSWORD)
    finally:
        for connection in opened:
            connection.close()


def test_a_wrong_password_is_refused(any_database: Database, acme: Tenant, globex: Tenant) -> None:
    for role, password in ((acme.role, "wrong"), (globex.role, ""), (globex.role, PASSWORD)):
        with pytest.raises(psycopg.OperationalError):
            login(any_database, role, password)


def test_of_a_password_only_a_salted_hash_is_stored(
    any_postgres: EmbeddedPostgres, any_database: Database, acme: Tenant
) -> None:
    query = "SELECT rolpassword FROM pg_authid WHERE rolname = %s"
    (stored,) = rows(any_postgres, any_database, query, acme.role)
    assert stored.startswith("SCRAM-SHA-256$")
    assert PASSWORD not in stored


def test_no_password_reaches_the_servers_log(
    any_postgres: EmbeddedPostgres, any_database: Database
) -> None:
    name, password = a_name(), uuid.uuid4().hex
    database_name = any_database.engine.url.database
    with admin(any_postgres, any_database) as connection:
        connection.execute(f"ALTER DATABASE \"{database_name}\" SET log_statement = 'all'")
    chatty = Database(any_database.engine.url.render_as_string(hide_password=False))
    try:
        tenant = create_tenant(chatty, name, password=password)
        login(chatty, tenant.role, password).close()
    finally:
        chatty.close()
        with admin(any_postgres, any_database) as connection:
            connection.execute(f'ALTER DATABASE "{database_name}" RESET log_statement')
    log = any_postgres.folder.log_path.read_text()
    assert f'CREATE ROLE "{name}" LOGIN' in log
    assert password not in log


def test_a_tenants_role_ends_with_the_transaction(any_database: Database, acme: Tenant) -> None:
    single = Database(any_database.engine.url.render_as_string(hide_password=False), pool_size=1)
    pid = text("SELECT pg_backend_pid()")
    as_whom = text(
        "SELECT current_user, current_setting('search_path'), current_setting('statement_timeout')"
    )
    try:
        with single.tenant(acme) as session:
            tenants_pid = session.scalar(pid)
            assert session.execute(as_whom).one()[0] == acme.role
        with single.engine.connect() as connection:
            assert connection.scalar(pid) == tenants_pid
            assert tuple(connection.execute(as_whom).one()) == (
                single.service_role,
                '"$user", public',
                "0",
            )
    finally:
        single.close()


def test_a_failed_transaction_leaves_no_role_behind(any_database: Database, acme: Tenant) -> None:
    single = Database(any_database.engine.url.render_as_string(hide_password=False), pool_size=1)
    try:
        with pytest.raises(exc.DBAPIError), single.tenant(acme) as session:
            session.execute(text("SELECT 1 / 0"))
        with single.engine.connect() as connection:
            assert connection.scalar(text("SELECT current_user")) == single.service_role
    finally:
        single.close()


def test_deleting_a_tenant_ends_its_sessions_and_leaves_nothing(
    any_postgres: EmbeddedPostgres, any_database: Database
) -> None:
    tenant = create_tenant(any_database, a_name(), password=PASSWORD)
    session = login(any_database, tenant.role, PASSWORD)
    session.execute("SELECT count(*) FROM packages")

    assert delete_tenant(any_database, tenant.name) == Removal(revoked_keys=0, removed=True)

    with pytest.raises(errors.AdminShutdown):
        session.execute("SELECT 1")
    session.close()
    with pytest.raises(psycopg.OperationalError):
        login(any_database, tenant.role, PASSWORD)
    for query in LEFT_OVERS:
        assert rows(any_postgres, any_database, query, tenant.name) == [], query


LEFT_OVERS = (
    "SELECT rolname FROM pg_roles WHERE rolname = %s",
    "SELECT nspname FROM pg_namespace WHERE nspname = %s",
    "SELECT name FROM tenants WHERE name = %s",
    "SELECT datacl::text FROM pg_database WHERE datacl::text LIKE '%%' || %s || '%%'",
    "SELECT defaclacl::text FROM pg_default_acl WHERE defaclacl::text LIKE '%%' || %s || '%%'",
)


def test_a_tenant_in_the_midst_of_a_statement_is_deleted_all_the_same(
    any_postgres: EmbeddedPostgres, any_database: Database
) -> None:
    tenant = create_tenant(any_database, a_name(), password=PASSWORD)
    active = "SELECT pid FROM pg_stat_activity WHERE usename = %s AND wait_event = 'PgSleep'"
    with login(any_database, tenant.role, PASSWORD) as session, ThreadPoolExecutor(1) as thread:
        session.execute("SET statement_timeout = 0")
        session.execute("BEGIN")
        session.execute("LOCK TABLE packages IN ROW EXCLUSIVE MODE")
        sleeping = thread.submit(session.execute, "SELECT pg_sleep(60)")
        assert wait_until(lambda: rows(any_postgres, any_database, active, tenant.role), 10)

        assert delete_tenant(any_database, tenant.name).removed

        with pytest.raises(errors.AdminShutdown):
            sleeping.result(10)


@pytest.fixture(params=["select", "user", "table", "current_user", "session_user"])
def keyword(request: pytest.FixtureRequest, any_database: Database) -> Iterator[str]:
    yield request.param
    delete_tenant(any_database, request.param)


def test_words_of_sql_are_names_like_any_other(any_database: Database, keyword: str) -> None:
    tenant = create_tenant(any_database, keyword, password=PASSWORD)
    with any_database.tenant(tenant) as session:
        assert session.scalar(text("SELECT current_schema()")) == keyword
        assert session.scalar(text("SELECT count(*) FROM packages")) == 0
    with login(any_database, keyword, PASSWORD) as connection:
        connection.execute("SELECT count(*) FROM packages")
    assert delete_tenant(any_database, keyword).removed
