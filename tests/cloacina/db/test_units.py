"""Units of few round trips: together or not at all, as one tenant, on a connection that works."""

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from cloacina.db import AS_PLATFORM, Call, Database, Unit, as_tenant
from cloacina.db.sql_file import make_statement
from cloacina.db.units import PostgresUnit
from cloacina.embedded import EmbeddedPostgres
from cloacina.errors import DatabaseUnavailable
from cloacina.lifecycle.tenants import create_tenant
from tests.cloacina.tenants.logins import admin

INSERT = "INSERT INTO workers (id, name, concurrency, in_flight, started_at, heartbeat_at)"
WORKERS = "SELECT name FROM workers ORDER BY name"


def call(text: str, sqlite: str = "", **parameters: object) -> Call:
    return Call(make_statement("test", text, sqlite or text), parameters)


def add(name: str) -> Call:
    return call(
        f"{INSERT} VALUES (:id, :name, 1, 0, now(), now())",
        f"{INSERT} VALUES (:id, :name, 1, 0, '2026', '2026')",
        id=uuid4(),
        name=name,
    )


def names(database: Database) -> list[str]:
    with database.unit(AS_PLATFORM) as unit:
        return [row.name for row in unit.ask(call(WORKERS))[0]]


@pytest.fixture
def workers(either_database: Database) -> Iterator[Database]:
    """A database with no workers in it."""
    yield either_database
    with either_database.unit(AS_PLATFORM) as unit:
        unit.commit(call("DELETE FROM workers"))


def test_statements_sent_together_see_each_other_and_give_each_ones_rows(
    workers: Database,
) -> None:
    with workers.unit(AS_PLATFORM) as unit:
        none, _, one = unit.ask(call(WORKERS), add("a"), call(WORKERS))
        assert (none, [row.name for row in one]) == ([], ["a"])
        assert unit.ask() == []
        (two,) = unit.ask(call(WORKERS))
        assert [row.name for row in two] == ["a"]


def test_what_is_committed_stays_and_what_is_not_is_rolled_back(workers: Database) -> None:
    with workers.unit(AS_PLATFORM) as unit:
        unit.ask(add("a"))
        assert unit.commit(add("b"), call(WORKERS))[1][1].name == "b"
    with workers.unit(AS_PLATFORM) as unit:
        unit.ask(add("never"))
    assert names(workers) == ["a", "b"]


def test_what_raises_is_rolled_back(workers: Database) -> None:
    with pytest.raises(ZeroDivisionError), workers.unit(AS_PLATFORM) as unit:  # noqa: PT012
        unit.ask(add("never"))
        raise ZeroDivisionError
    assert names(workers) == []


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_statement_that_is_refused_takes_all_others_with_it(
    workers: Database, place: int
) -> None:
    calls = [add("a"), add("b")]
    calls.insert(place, call("INSERT INTO workers (id) VALUES (NULL)"))
    with (
        pytest.raises((psycopg.errors.NotNullViolation, sqlite3.IntegrityError)),
        workers.unit(AS_PLATFORM) as unit,
    ):
        unit.commit(*calls)
    assert names(workers) == []


def test_a_unit_that_asks_nothing_opens_nothing(workers: Database) -> None:
    with workers.unit(AS_PLATFORM) as unit:
        assert unit.opened == ()


def test_after_a_commit_the_unit_may_go_on_with_another_transaction(workers: Database) -> None:
    with workers.unit(AS_PLATFORM) as unit:
        unit.commit(add("a"))
        unit.commit(add("b"))
        unit.ask(add("never"))
    assert names(workers) == ["a", "b"]


def test_values_of_all_kinds_come_back_as_they_went(workers: Database) -> None:
    task_uuid = uuid4()
    asked = call(
        "SELECT :task_uuid::uuid AS task_uuid, now() AS moment, true AS active, :word AS word",
        "SELECT :task_uuid AS task_uuid, '2026-01-02T03:04:05.000006+00:00' AS moment,"
        " 1 AS active, :word AS word",
        task_uuid=task_uuid,
        word="ü\n'%s",
    )
    with workers.unit(AS_PLATFORM) as unit:
        ((row,),) = unit.ask(asked)
    assert (row.task_uuid, row.active, row.word) == (task_uuid, True, "ü\n'%s")
    assert row.moment.utcoffset() is not None


def one_connection(database: Database) -> Database:
    url = database.engine.url.render_as_string(hide_password=False)
    return Database(url, pool_size=1)


@pytest.fixture
def single(database: Database) -> Iterator[Database]:
    """A pool of one connection."""
    single = one_connection(database)
    yield single
    single.close()


PID = "SELECT pg_backend_pid() AS pid, current_user AS who, current_schema() AS path"


def state(unit: Unit) -> Any:
    ((row,),) = unit.ask(call(PID))
    return row


def end_backend(server: EmbeddedPostgres, database: Database, pid: int) -> None:
    with admin(server, database) as killer:
        killer.execute("SELECT pg_terminate_backend(%s, 10000)", (pid,))


def test_a_connection_serves_one_unit_after_the_other(single: Database) -> None:
    pids = set()
    for _ in range(3):
        with single.unit(AS_PLATFORM) as unit:
            pids.add(state(unit).pid)
    assert len(pids) == 1


def test_many_statements_take_one_round_trip(
    single: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchanges: list[int] = []
    exchange = PostgresUnit._exchange

    def counted(unit: PostgresUnit, calls: Any) -> Any:
        exchanges.append(len(calls))
        return exchange(unit, calls)

    monkeypatch.setattr(PostgresUnit, "_exchange", counted)
    with single.unit(AS_PLATFORM) as unit:
        rows = unit.ask(*(call("SELECT :n::int AS n", n=n) for n in range(500)))
        unit.commit(call("SELECT 1 AS n"))
    assert [found[0].n for found in rows] == list(range(500))
    # BEGIN and the role come with the first statements, COMMIT with the last
    assert exchanges == [502, 2]


def test_a_refusal_among_many_is_told_as_what_it_is(single: Database) -> None:
    calls = [call("SELECT 1 AS n") for _ in range(500)]
    calls[3] = call("SELECT 1 / 0 AS n")
    with pytest.raises(psycopg.errors.DivisionByZero), single.unit(AS_PLATFORM) as unit:
        unit.ask(*calls)
    with single.unit(AS_PLATFORM) as unit:
        assert state(unit).who == single.service_role


def test_a_connection_that_was_ended_between_two_units_is_replaced_without_a_word(
    single: Database, postgres: EmbeddedPostgres
) -> None:
    with single.unit(AS_PLATFORM) as unit:
        pid = state(unit).pid
    end_backend(postgres, single, pid)
    with single.unit(AS_PLATFORM) as unit:
        assert state(unit).pid != pid


def test_all_stale_connections_of_a_pool_are_replaced(
    database: Database, postgres: EmbeddedPostgres
) -> None:
    several = Database(database.engine.url.render_as_string(hide_password=False), pool_size=3)
    units = [several.unit(AS_PLATFORM) for _ in range(3)]
    pids = {state(unit.__enter__()).pid for unit in units}
    for unit in units:
        unit.__exit__(None, None, None)
    for pid in pids:
        end_backend(postgres, several, pid)
    for _ in range(3):
        with several.unit(AS_PLATFORM) as unit:
            assert state(unit).pid not in pids
    several.close()


def test_a_connection_that_ends_within_a_unit_is_told_and_nothing_is_stored(
    single: Database, postgres: EmbeddedPostgres
) -> None:
    with pytest.raises(DatabaseUnavailable), single.unit(AS_PLATFORM) as unit:  # noqa: PT012
        pid = state(unit).pid
        unit.ask(add("never"))
        end_backend(postgres, single, pid)
        unit.commit()
    assert single.was_away_within(60)
    assert names(single) == []


def test_a_server_that_is_gone_is_unavailable_until_it_is_back(data_root: Path) -> None:
    with EmbeddedPostgres(data_root / "units-postgres") as server:
        database = Database(server.create_database("units"), pool_size=2)
        with database.unit(AS_PLATFORM) as unit:
            state(unit)
        server.stop()
        for _ in range(3):
            with pytest.raises(DatabaseUnavailable), database.unit(AS_PLATFORM) as unit:
                state(unit)
        server.start()
        with database.unit(AS_PLATFORM) as unit:
            assert state(unit).who == database.service_role
        database.close()


def test_an_sqlite_file_that_is_gone_is_unavailable(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/there/is/none.db")
    with pytest.raises((DatabaseUnavailable, sqlite3.OperationalError)):
        names(database)
    database.close()


def test_a_pool_that_is_used_up_is_unavailable(
    single: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(single._pool, "_timeout", 0.05)
    with single.unit(AS_PLATFORM) as unit:
        state(unit)
        with pytest.raises(DatabaseUnavailable), single.unit(AS_PLATFORM) as other:
            state(other)
    with single.unit(AS_PLATFORM) as unit:
        state(unit)


def test_no_role_is_left_to_the_next_unit_of_a_connection(
    single: Database, tenant_name: str, database: Database
) -> None:
    acme, globex = (create_tenant(database, f"{tenant_name}_{x}") for x in "ag")
    nobody = Call(make_statement("nobody", "SELECT 1 AS done", "SELECT 1 AS done"))
    seen = []
    for opening in (as_tenant(acme), nobody, as_tenant(globex), nobody, AS_PLATFORM, nobody):
        with single.unit(opening) as unit:
            found = state(unit)
            seen.append((found.who, found.path))
            if opening is not AS_PLATFORM:
                unit.commit()
    service = single.service_role
    assert seen == [
        (acme.role, acme.schema),
        (service, "public"),
        (globex.role, globex.schema),
        (service, "public"),
        (service, "public"),
        (service, "public"),
    ]


def test_units_of_several_threads_do_not_meet(workers: Database) -> None:
    first_has_asked, second_is_done = Event(), Event()

    def first() -> None:
        with workers.unit(AS_PLATFORM) as unit:
            unit.ask(add("first"))
            first_has_asked.set()
            # SQLite has one writer: there the second waits for the first
            assert workers.is_sqlite or second_is_done.wait(20)
            unit.commit()

    def second() -> list[str]:
        assert first_has_asked.wait(20)
        with workers.unit(AS_PLATFORM) as unit:
            rows = unit.commit(add("second"), call(WORKERS))[1]
        second_is_done.set()
        return [row.name for row in rows]

    with ThreadPoolExecutor(2) as threads:
        done = threads.submit(first)
        seen = threads.submit(second).result(30)
        done.result(30)
    assert seen == (["first", "second"] if workers.is_sqlite else ["second"])
    assert names(workers) == ["first", "second"]
