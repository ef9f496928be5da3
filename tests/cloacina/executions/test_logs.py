"""Stored logs of tasks: in order, at the right time, by page, and never another execution's."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from uuid import UUID, uuid4

import pytest
from sqlalchemy import delete, select, text

from cloacina.db import Call, Database, now
from cloacina.executions import logs
from cloacina.executions.attempt_log import AttemptLog, Line
from cloacina.executions.logs import LogLine
from cloacina.executions.models import ExecutionRow, LogLineRow
from cloacina.executions.transition import SQL
from cloacina.lifecycle.tenants import create_tenant
from tests.cloacina.executions.runs import Runs, chain

DEADLINE_S = 20


@pytest.fixture
def execution_id(runs: Runs) -> UUID:
    """An execution of the tasks a and b."""
    return runs.start(runs.workflow(*chain("a", "b")))


def still() -> float:
    """A clock that stands still."""
    return 100.0


def line(text: str, stream: str = "stdout", age_s: float = 0.0) -> Line:
    return Line(stream, text, still() - age_s)


def add(runs: Runs, execution_id: UUID, *lines: Line, task: str = "a", attempt: int = 1) -> bool:
    with runs.unit() as unit:
        return logs.append(unit, execution_id, task, attempt, lines, still())


def stored(runs: Runs, execution_id: UUID, **query) -> list[LogLine]:
    with runs.database.tenant(runs.tenant) as session:
        return list(logs.list_lines(session, execution_id, "acme", **query))


def texts(runs: Runs, execution_id: UUID, **query) -> list[str]:
    return [each.line for each in stored(runs, execution_id, **query)]


def test_lines_are_told_in_order_with_full_names(runs: Runs, execution_id: UUID) -> None:
    assert add(runs, execution_id, line("one"), line("two", "stderr"))
    assert add(runs, execution_id, line(""), line("ü😀\t\x1b[31m"), task="b", attempt=2)
    found = stored(runs, execution_id)
    prefix = runs_prefix(runs, execution_id)
    assert [(x.task_name, x.attempt, x.stream, x.line) for x in found] == [
        (f"{prefix}a", 1, "stdout", "one"),
        (f"{prefix}a", 1, "stderr", "two"),
        (f"{prefix}b", 2, "stdout", ""),
        (f"{prefix}b", 2, "stdout", "ü😀\t\x1b[31m"),
    ]
    sequences = [each.sequence for each in found]
    assert sequences == sorted(set(sequences))


def runs_prefix(runs: Runs, execution_id: UUID) -> str:
    execution = runs.get(execution_id)
    return f"acme::{execution.package_name}::{execution.workflow_name}::"


def test_a_lines_time_is_the_databases_less_its_age(runs: Runs, execution_id: UUID) -> None:
    with runs.database.tenant(runs.tenant) as session:
        before = session.scalars(select(now())).one()
    add(runs, execution_id, line("old", age_s=3600.5), line("young"))
    with runs.database.tenant(runs.tenant) as session:
        end = session.scalars(select(now())).one()
    old, young = stored(runs, execution_id)
    assert (young.at - old.at).total_seconds() == 3600.5
    assert before <= young.at <= end


def test_lines_are_told_by_task_by_time_and_by_page(runs: Runs, execution_id: UUID) -> None:
    add(runs, execution_id, line("1", age_s=60), line("2"))
    add(runs, execution_id, line("3"), line("4"), task="b")
    found = stored(runs, execution_id)
    full_name = f"{runs_prefix(runs, execution_id)}b"
    assert texts(runs, execution_id, task="b") == ["3", "4"]
    assert texts(runs, execution_id, task=full_name) == ["3", "4"]
    assert texts(runs, execution_id, task="acme::other::other::b") == []
    assert texts(runs, execution_id, task="c") == texts(runs, execution_id, task="") == []
    assert texts(runs, execution_id, since=found[1].at) == ["2", "3", "4"]
    assert texts(runs, execution_id, limit=3) == ["1", "2", "3"]
    assert texts(runs, execution_id, after=found[1].sequence, limit=1) == ["3"]
    assert texts(runs, execution_id, after=found[3].sequence) == []
    assert texts(runs, execution_id, task="a", after=found[0].sequence) == ["2"]


def test_a_page_ends_early_when_its_lines_are_long(
    runs: Runs, execution_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "MOST_CHARACTERS", 10)
    add(runs, execution_id, line("x" * 6), line("y" * 6), line("z" * 60), line(""), line("w"))
    read: list[str] = []
    sizes, after = [], None
    while page := stored(runs, execution_id, after=after):
        after = page[-1].sequence
        read += [each.line[:1] for each in page]
        sizes.append(len(page))
    assert read == ["x", "y", "z", "", "w"]
    assert sizes == [2, 1, 2]


def test_what_an_attempt_log_gives_can_be_stored(runs: Runs, execution_id: UUID) -> None:
    log = AttemptLog(100_000)
    log.feed("stdout", bytes(range(256)) * 300)
    lines = log.take(final=True)
    with runs.unit() as unit:
        assert logs.append(unit, execution_id, "a", 1, lines, time.monotonic())
    assert texts(runs, execution_id) == [each.text for each in lines]


def test_an_execution_that_is_not_there_has_no_lines_and_takes_none(
    runs: Runs, execution_id: UUID
) -> None:
    unknown = uuid4()
    assert not add(runs, unknown, line("lost"))
    assert stored(runs, unknown) == []
    assert add(runs, execution_id)
    assert stored(runs, execution_id) == []


def test_the_lines_go_with_their_execution(runs: Runs, execution_id: UUID) -> None:
    add(runs, execution_id, line("one"))
    with runs.database.tenant(runs.tenant) as session:
        session.execute(delete(ExecutionRow).where(ExecutionRow.id == execution_id))
        assert session.scalars(select(LogLineRow)).all() == []


def test_nothing_is_seen_of_another_execution_or_tenant(
    database: Database, tenant_name: str
) -> None:
    acme, globex = (Runs(database, create_tenant(database, f"{tenant_name}_{x}")) for x in "ag")
    package = acme.workflow(*chain("a"))
    mine, other = acme.start(package), acme.start(package)
    add(acme, mine, line("secret"))
    assert stored(acme, other) == stored(globex, mine) == []
    assert not add(globex, mine, line("forged"))
    assert texts(acme, mine) == ["secret"]


def happens(condition: Callable[[], bool]) -> bool:
    """Say whether something comes true before the deadline."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        if time.monotonic() > deadline:
            return False
    return True


def waits_for_a_lock(database: Database) -> bool:
    """Say whether a connection to the database waits for a lock."""
    query = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    with database.platform() as session:
        return bool(session.scalar(text(query)))


def test_a_follower_never_misses_a_line_that_is_committed_later(
    database: Database, tenant_name: str
) -> None:
    runs = Runs(database, create_tenant(database, tenant_name))
    execution_id = runs.start(runs.workflow(*chain("a", "b")))
    written, commit = Event(), Event()

    def slow() -> None:
        with runs.unit() as unit:
            unit.ask(
                Call(SQL.lock_for_log, {"execution_id": execution_id}),
                logs.append_call(execution_id, "a", 1, [line("first")], still()),
            )
            written.set()
            assert commit.wait(DEADLINE_S)
            unit.commit()

    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(slow)
        assert written.wait(DEADLINE_S)
        second = threads.submit(add, runs, execution_id, line("second"), task="b")
        assert happens(lambda: second.done() or waits_for_a_lock(database))
        # whatever can be read now must not have a higher number than what comes after it
        seen = stored(runs, execution_id)
        commit.set()
        first.result(DEADLINE_S)
        assert second.result(DEADLINE_S)
    after = seen[-1].sequence if seen else None
    rest = texts(runs, execution_id, after=after)
    assert [each.line for each in seen] + rest == ["first", "second"]
