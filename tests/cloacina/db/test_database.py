"""Units of work."""

import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import delete, exc, select, text

from cloacina.db import Database, execute_ddl, identifier, literal, now, rows_changed
from cloacina.db.database import STATEMENT_TIMEOUT_MS
from cloacina.embedded import EmbeddedPostgres
from cloacina.errors import ConfigurationError, DatabaseUnavailable
from cloacina.fleet.models import WorkerRow
from cloacina.lifecycle import installation
from tests.cloacina.tenants.logins import admin


def a_worker(name: str) -> WorkerRow:
    return WorkerRow(
        id=uuid4(), name=name, concurrency=1, in_flight=0, started_at=now(), heartbeat_at=now()
    )


def names(database: Database) -> set[str]:
    with database.platform() as session:
        return set(session.scalars(select(WorkerRow.name)))


def test_a_unit_of_work_is_stored_at_its_end(either_database: Database) -> None:
    with either_database.platform() as session:
        session.add(a_worker("stored"))
    assert "stored" in names(either_database)


def test_a_unit_of_work_that_raises_stores_nothing(either_database: Database) -> None:
    with pytest.raises(ValueError), either_database.platform() as session:  # noqa: PT012
        session.add(a_worker("lost"))
        session.flush()
        raise ValueError("no more")
    assert "lost" not in names(either_database)


@pytest.mark.parametrize(
    "url", ["", "acme", "mysql://host/db", "postgresql+psycopg2://host/db", "sqlite+aiosqlite://"]
)
def test_a_url_of_another_database_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"use postgresql://… or sqlite:///path"):
        Database(url)


def test_a_password_in_a_url_is_not_shown() -> None:
    for url in ("mysql://user:hidden@host/db", "user:hidden@host/db"):
        with pytest.raises(ConfigurationError) as caught:
            Database(url)
        assert "hidden" not in caught.value.message


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_the_usual_schemes_of_postgresql_are_taken(database: Database, scheme: str) -> None:
    url = database.engine.url.set(drivername=scheme).render_as_string(hide_password=False)
    same = Database(url)
    assert same.service_role == database.service_role
    assert same.owner_role == f"{database.service_role}_owner"
    same.close()


def test_a_server_that_is_not_there_is_unavailable() -> None:
    away = Database("postgresql://nobody@127.0.0.1:1/nothing")
    with pytest.raises(DatabaseUnavailable), away.platform():
        pass


def test_a_server_that_accepts_and_says_nothing_is_unavailable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("cloacina.db.database.CONNECT_TIMEOUT_S", 2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        away = Database(f"postgresql://nobody@127.0.0.1:{silent.getsockname()[1]}/nothing")
        with pytest.raises(DatabaseUnavailable), away.platform():
            pass


def test_a_session_that_is_ended_is_unavailable_and_the_next_one_works(
    postgres: EmbeddedPostgres, database: Database
) -> None:
    with pytest.raises(DatabaseUnavailable), database.platform() as session:  # noqa: PT012
        pid = session.scalar(text("SELECT pg_backend_pid()"))
        with admin(postgres, database) as killer:
            killer.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))
        session.execute(text("SELECT 1"))
    with database.platform() as session:
        assert session.scalar(text("SELECT 1")) == 1


def test_a_pooled_session_that_ended_meanwhile_is_replaced_unseen(
    postgres: EmbeddedPostgres, database: Database
) -> None:
    with admin(postgres, database) as killer:
        for _ in range(2):
            with database.platform() as session:
                pid = session.scalar(text("SELECT pg_backend_pid()"))
            killer.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))


def test_a_pool_that_is_used_up_is_unavailable(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloacina.db.database.POOL_TIMEOUT_S", 0.1)
    small = Database(database.engine.url.render_as_string(hide_password=False), pool_size=1)
    with small.platform(), pytest.raises(DatabaseUnavailable), small.platform():
        pass
    small.close()


def test_a_mistake_in_sql_is_not_taken_for_an_outage(either_database: Database) -> None:
    with pytest.raises(exc.DBAPIError), either_database.platform() as session:
        session.execute(text("SELECT nothing FROM nowhere"))


def test_a_statement_has_an_end(database: Database) -> None:
    with database.platform() as session:
        limit = session.scalar(
            text("SELECT setting FROM pg_settings WHERE name = :name"),
            {"name": "statement_timeout"},
        )
    assert limit == str(STATEMENT_TIMEOUT_MS)


def test_parameters_stand_in_no_error(either_database: Database) -> None:
    with pytest.raises(exc.DBAPIError) as caught, either_database.platform() as session:
        session.execute(text("SELECT :secret FROM nowhere"), {"secret": "xyzzy"})
    assert "xyzzy" not in str(caught.value)


def test_names_and_values_in_statements_are_quoted(database: Database) -> None:
    name, value = 'odd" name', "it's"
    with database.platform() as session:
        database.act_as_owner(session, "public")
        execute_ddl(
            session, "CREATE TABLE {} (t text DEFAULT {})", identifier(name), literal(value)
        )
        session.execute(text('INSERT INTO "odd"" name" DEFAULT VALUES'))
        assert session.scalar(text('SELECT t FROM "odd"" name"')) == value
        session.rollback()


def test_writers_of_an_sqlite_file_wait_for_one_another(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/busy.db"
    database = Database(url)
    WorkerRow.metadata.create_all(database.engine)
    databases = [database, *(Database(url) for _ in range(3))]

    def write(number: int) -> None:
        for _ in range(10):
            with databases[number % 4].platform() as session:
                count = len(session.scalars(select(WorkerRow.id)).all())
                session.add(a_worker(str(count)))

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(write, range(8)))
    # each saw all that was there before it
    assert names(database) == {str(number) for number in range(80)}
    for each in databases:
        each.close()


def test_a_change_says_how_many_rows_it_found(either_database: Database) -> None:
    with either_database.platform() as session:
        session.add(a_worker("one"))
        session.flush()
        gone = delete(WorkerRow).where(WorkerRow.name == "one")
        assert rows_changed(session, gone) == 1
        assert rows_changed(session, gone) == 0


def test_an_sqlite_file_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "one.db"
    database = Database(f"sqlite:///{path}")
    installation.migrate(database)
    assert {file.stat().st_mode & 0o777 for file in tmp_path.iterdir()} == {0o600}
    database.close()
