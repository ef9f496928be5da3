"""A database is made ready, or its administrator is told what to run."""

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import psycopg
import pytest
from sqlalchemy import delete, exc, select, text, update

from cloacina import schema
from cloacina.db import Database, execute_ddl, identifier, now
from cloacina.embedded import EmbeddedPostgres
from cloacina.errors import ConfigurationError, DatabaseUnavailable
from cloacina.executions.models import LogLineRow
from cloacina.lifecycle import installation
from cloacina.lifecycle.tenants import create_tenant
from cloacina.tenants import services
from cloacina.tenants.models import Tenant, TenantRow
from tests.cloacina.executions.runs import Runs, chain
from tests.cloacina.tenants.logins import admin, rows


@pytest.fixture
def bare(postgres: EmbeddedPostgres) -> Iterator[Database]:
    """A database with nothing in it."""
    yield from _bare_in(postgres)


@pytest.fixture
def any_bare(any_postgres: EmbeddedPostgres) -> Iterator[Database]:
    """A database with nothing in it, in a PostgreSQL of each version."""
    yield from _bare_in(any_postgres)


def _bare_in(server: EmbeddedPostgres) -> Iterator[Database]:
    name = f"bare_{uuid.uuid4().hex[:12]}"
    database = Database(server.create_database(name))
    yield database
    database.close()
    server.drop_database(name)


def is_ready(database: Database) -> bool:
    with database.platform() as session:
        public = services.find(session, "public")
        assert services.hint_key(session)
    with database.tenant(public) as session:
        assert session.scalar(text("SELECT count(*) FROM packages")) == 0
    return installation.is_migrated(database)


def test_a_new_database_is_made_ready(any_bare: Database) -> None:
    assert not installation.is_migrated(any_bare)
    installation.migrate(any_bare)
    assert is_ready(any_bare)


def test_a_new_sqlite_file_is_made_ready(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/new.db")
    assert not installation.is_migrated(database)
    installation.migrate(database)
    assert is_ready(database)
    installation.migrate(database)
    assert is_ready(database)
    database.close()


def test_making_ready_again_changes_nothing(postgres: EmbeddedPostgres, bare: Database) -> None:
    installation.migrate(bare)
    with bare.platform() as session:
        key, public = services.hint_key(session), services.find(session, "public")
    with admin(postgres, bare) as superuser:
        rights = "SELECT nspname, nspacl::text FROM pg_namespace ORDER BY 1"
        before = superuser.execute(rights).fetchall()

        installation.migrate(bare)

        assert superuser.execute(rights).fetchall() == before
    with bare.platform() as session:
        assert services.hint_key(session) == key
        assert services.find(session, "public") == public


def test_several_servers_that_start_together_make_it_ready_once(bare: Database) -> None:
    start = Barrier(4)
    url = bare.engine.url.render_as_string(hide_password=False)

    def migrate(_: int) -> None:
        database = Database(url, pool_size=1)
        start.wait(10)
        installation.migrate(database)
        database.close()

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(migrate, range(4)))
    assert is_ready(bare)


def test_nobody_else_may_use_the_database_or_its_schema_public(
    any_postgres: EmbeddedPostgres, any_bare: Database
) -> None:
    installation.migrate(any_bare)
    query = (
        "SELECT has_database_privilege('public', current_database(), what)::text"
        " FROM unnest(ARRAY['CONNECT', 'CREATE', 'TEMP']) what"
        " UNION ALL SELECT has_schema_privilege('public', 'public', what)::text"
        " FROM unnest(ARRAY['USAGE', 'CREATE']) what"
    )
    assert rows(any_postgres, any_bare, query) == ["false"] * 5


def test_a_database_from_an_older_server_whose_schema_public_is_open_is_refused(
    any_postgres: EmbeddedPostgres, any_bare: Database
) -> None:
    # so it is in PostgreSQL 14, and in what pg_upgrade made of it
    with admin(any_postgres, any_bare) as superuser:
        superuser.execute("ALTER SCHEMA public OWNER TO CURRENT_USER")
        superuser.execute("GRANT USAGE, CREATE ON SCHEMA public TO PUBLIC")
        with pytest.raises(ConfigurationError) as caught:
            installation.migrate(any_bare)
        _run_what_it_says(superuser, caught.value.message)
    installation.migrate(any_bare)
    assert is_ready(any_bare)


def test_a_role_that_may_make_no_roles_is_told_what_to_run(
    postgres: EmbeddedPostgres, bare: Database
) -> None:
    with admin(postgres, bare) as superuser:
        superuser.execute(f'ALTER ROLE "{bare.service_role}" NOCREATEROLE')
        with pytest.raises(ConfigurationError) as caught:
            installation.migrate(bare)
        assert bare.service_role in caught.value.message
        _run_what_it_says(superuser, caught.value.message)
    installation.migrate(bare)
    assert is_ready(bare)


def test_a_role_that_does_not_own_its_database_is_told_what_to_run(
    any_postgres: EmbeddedPostgres, any_bare: Database
) -> None:
    with admin(any_postgres, any_bare) as superuser:
        superuser.execute(f'ALTER DATABASE "{any_bare.service_role}" OWNER TO CURRENT_USER')
        superuser.execute(
            f'GRANT ALL ON DATABASE "{any_bare.service_role}" TO "{any_bare.service_role}"'
        )
        with pytest.raises(ConfigurationError) as caught:
            installation.migrate(any_bare)
        _run_what_it_says(superuser, caught.value.message)
    installation.migrate(any_bare)
    assert is_ready(any_bare)


def test_a_role_that_would_inherit_the_tenants_rights_does_not_or_is_told_what_to_run(
    any_postgres: EmbeddedPostgres, any_bare: Database
) -> None:
    with admin(any_postgres, any_bare) as superuser:
        superuser.execute(f'ALTER ROLE "{any_bare.service_role}" INHERIT')
        # from 16 on each membership says for itself that nothing is inherited
        if superuser.info.server_version < 160_000:
            with pytest.raises(ConfigurationError, match="NOINHERIT") as caught:
                installation.migrate(any_bare)
            _run_what_it_says(superuser, caught.value.message)
    installation.migrate(any_bare)
    with (
        pytest.raises(exc.ProgrammingError, match="InsufficientPrivilege"),
        any_bare.platform() as own,
    ):
        own.execute(text("SELECT 1 FROM tenant_public.packages"))


def test_a_superuser_is_warned_that_nothing_keeps_it_out(
    postgres: EmbeddedPostgres, bare: Database, caplog: pytest.LogCaptureFixture
) -> None:
    with admin(postgres, bare) as superuser:
        superuser.execute(f'ALTER ROLE "{bare.service_role}" SUPERUSER')
    installation.migrate(bare)
    assert f"the role '{bare.service_role}' is a superuser" in caplog.text
    assert is_ready(bare)


def test_an_owner_role_of_somebody_else_is_refused_and_never_adopted(
    any_postgres: EmbeddedPostgres, any_bare: Database
) -> None:
    with admin(any_postgres, any_bare) as superuser:
        superuser.execute(f'CREATE ROLE "{any_bare.owner_role}" NOLOGIN')
        try:
            with pytest.raises(ConfigurationError, match=any_bare.owner_role) as caught:
                installation.migrate(any_bare)
            _run_what_it_says(superuser, caught.value.message)
            installation.migrate(any_bare)
            assert is_ready(any_bare)
        finally:
            superuser.execute(f'DROP OWNED BY "{any_bare.owner_role}" CASCADE')


def _run_what_it_says(superuser: psycopg.Connection, message: str) -> None:
    """Do what an administrator does with the message: run the SQL at its end."""
    _, _, statements = message.partition("run: ")
    assert statements.endswith(";"), message
    superuser.execute(statements)


def test_a_database_that_is_away_is_said_to_be_away() -> None:
    away = Database("postgresql://nobody@127.0.0.1:1/nothing")
    with pytest.raises(DatabaseUnavailable):
        installation.migrate(away)
    with pytest.raises(DatabaseUnavailable):
        installation.is_migrated(away)
    away.close()


def test_each_tenant_that_is_behind_is_upgraded(bare: Database) -> None:
    installation.migrate(bare)
    tenant = create_tenant(bare, f"t_{uuid.uuid4().hex[:12]}")
    with bare.platform() as session:
        # a tenant that is at no revision: all of them are run
        bare.act_as_owner(session, tenant.schema)
        execute_ddl(session, "DROP SCHEMA {} CASCADE", identifier(tenant.schema))
        execute_ddl(session, "CREATE SCHEMA {}", identifier(tenant.schema))
        bare.act_as_platform(session)
        row = session.get(TenantRow, tenant.id)
        assert row is not None
        row.schema_version = "0000"

    installation.migrate(bare)

    with bare.platform() as session:
        assert services.find(session, tenant.name).schema_version == schema.head("tenant")


NEW_IN_0003 = ("rerun_of", "failed_tasks", "skipped_tasks", "deadline_at", "paused_at")


def _put_back_to_0001(database: Database, tenant: Tenant) -> None:
    """Leave a tenant as a server left it that knew no more than the first revision."""
    with database.platform() as session:
        database.act_as_owner(session, tenant.schema)
        session.execute(text("DROP TABLE task_logs"))
        session.execute(text("DROP INDEX ix_workflow_executions_deadline"))
        for column in NEW_IN_0003:
            execute_ddl(session, "ALTER TABLE workflow_executions DROP {}", identifier(column))
        session.execute(text("UPDATE alembic_version_tenant SET version_num = '0001'"))
        database.act_as_platform(session)
        session.execute(
            update(TenantRow).where(TenantRow.id == tenant.id).values(schema_version="0001")
        )


def test_the_role_of_an_upgraded_tenant_may_use_the_new_tables(any_bare: Database) -> None:
    installation.migrate(any_bare)
    tenant = create_tenant(any_bare, f"t_{uuid.uuid4().hex[:12]}")
    _put_back_to_0001(any_bare, tenant)

    installation.migrate(any_bare)

    _write_and_read_a_log(any_bare, tenant)
    with any_bare.tenant(tenant) as session:
        assert session.scalar(text("SELECT current_user")) == tenant.role
    with (
        pytest.raises(exc.ProgrammingError, match="InsufficientPrivilege"),
        any_bare.tenant(tenant) as session,
    ):
        session.execute(text("ALTER TABLE task_logs ADD COLUMN more text"))


def test_an_sqlite_file_of_the_first_revision_is_upgraded(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/old.db")
    installation.migrate(database)
    with database.platform() as session:
        public = services.find(session, "public")
    _put_back_to_0001(database, public)

    installation.migrate(database)

    _write_and_read_a_log(database, public)
    database.close()


def _write_and_read_a_log(database: Database, tenant: Tenant) -> None:
    runs = Runs(database, tenant)
    execution_id = runs.start(runs.workflow(*chain("a")))
    with database.tenant(tenant) as session:
        session.add(
            LogLineRow(
                execution_id=execution_id,
                task_id="a",
                attempt=1,
                stream="stdout",
                at=now(),
                line="hello",
            )
        )
        session.flush()
        assert session.scalars(select(LogLineRow.line)).all() == ["hello"]
        session.execute(delete(LogLineRow))
