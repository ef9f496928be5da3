"""The log of a running attempt: stored as it comes, and never in the attempt's way."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from uuid import UUID, uuid4

import pytest

from cloacina.db import Database
from cloacina.errors import DatabaseUnavailable
from cloacina.executions import claims, finishing, logs
from cloacina.executions.attempt_log import AttemptLog
from cloacina.executions.log_sink import FLUSH_S, TRY_AGAIN_S, LogSink
from cloacina.lifecycle.tenants import create_tenant
from tests.cloacina.executions.runs import Runs, chain
from tests.removal import delete_tenant

MAX_BYTES = 1000


class Clock:
    """A clock that is set by hand."""

    moment = 50.0

    def __call__(self) -> float:
        return self.moment


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def execution_id(runs: Runs) -> UUID:
    """An execution of one task."""
    return runs.start(runs.workflow(*chain("a")))


@pytest.fixture
def sink(runs: Runs, execution_id: UUID, clock: Clock) -> LogSink:
    return open_sink(runs, execution_id, clock)


def open_sink(runs: Runs, execution_id: UUID, clock: Clock) -> LogSink:
    log = AttemptLog(MAX_BYTES, clock)
    return LogSink(runs.database, runs.tenant, execution_id, "a", 1, log=log, clock=clock)


def stored(runs: Runs, execution_id: UUID) -> list[str]:
    with runs.database.tenant(runs.tenant) as session:
        return [line.line for line in logs.list_lines(session, execution_id, "acme")]


@pytest.fixture
def outage(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], AbstractContextManager[None]]:
    """Gives a block in which the database is away."""

    @contextmanager
    def away() -> Iterator[None]:
        def refuse(scope: object) -> object:
            raise DatabaseUnavailable

        with monkeypatch.context() as patch:
            patch.setattr(runs.database, "unit", refuse)
            yield

    return away


def test_finished_lines_are_stored_while_the_attempt_runs(
    runs: Runs, execution_id: UUID, sink: LogSink, clock: Clock
) -> None:
    sink.feed("stdout", b"one\ntwo\nthr")
    sink.flush_if_due()
    assert stored(runs, execution_id) == []
    clock.moment += FLUSH_S
    sink.flush_if_due()
    assert stored(runs, execution_id) == ["one", "two"]
    sink.feed("stdout", b"ee\n")
    sink.flush_if_due()
    assert stored(runs, execution_id) == ["one", "two"]
    clock.moment += FLUSH_S
    sink.flush_if_due()
    assert stored(runs, execution_id) == ["one", "two", "three"]


def test_the_rest_is_stored_with_the_end_of_the_task_or_not_at_all(
    runs: Runs, execution_id: UUID, sink: LogSink
) -> None:
    sink.feed("stderr", b"one\nno end")
    with runs.unit() as unit:
        unit.ask(*sink.rest_calls())
    assert stored(runs, execution_id) == []
    with runs.unit() as unit:
        unit.commit(*sink.rest_calls())
    assert stored(runs, execution_id) == ["one", "no end"]


def test_the_last_lines_are_there_when_the_execution_has_ended(
    runs: Runs, execution_id: UUID, sink: LogSink
) -> None:
    claim = runs.must_claim(execution_id)
    sink.feed("stdout", b"done\n")
    with runs.unit() as unit:
        finished = finishing.finish(
            unit,
            runs.graphs,
            runs.terms(),
            claim,
            claims.Completed("{}"),
            tenant_id=runs.tenant.id,
            also=sink.rest_calls(),
        )
    assert finished.ended
    assert runs.get(execution_id).status == "Completed"
    assert stored(runs, execution_id) == ["done"]


def test_the_rest_is_stored_by_itself_where_the_end_of_the_task_is_not(
    runs: Runs, execution_id: UUID, sink: LogSink
) -> None:
    sink.feed("stdout", b"x" * 999 + b"\n" + b"y" * 7)
    sink.close()
    note = "[log cut: 7 bytes over the limit of 1,000 bytes were not kept]"
    assert stored(runs, execution_id) == ["x" * 999, note]
    sink.close()
    assert len(stored(runs, execution_id)) == 2


def test_an_outage_only_delays_the_lines(
    runs: Runs, execution_id: UUID, sink: LogSink, clock: Clock, outage
) -> None:
    sink.feed("stdout", b"one\n")
    with outage():
        clock.moment += FLUSH_S
        sink.flush_if_due()
    sink.feed("stdout", b"two\n")
    clock.moment += FLUSH_S
    # a try may take seconds, which the attempt does not have
    sink.flush_if_due()
    assert stored(runs, execution_id) == []
    clock.moment += TRY_AGAIN_S
    sink.flush_if_due()
    assert stored(runs, execution_id) == ["one", "two"]


def test_lines_that_wait_out_an_outage_stay_within_the_limit(
    runs: Runs, execution_id: UUID, sink: LogSink, clock: Clock, outage
) -> None:
    with outage():
        for _ in range(50):
            sink.feed("stdout", b"x" * 99 + b"\n")
            clock.moment += TRY_AGAIN_S
            sink.flush_if_due()
    sink.close()
    assert stored(runs, execution_id) == [
        *["x" * 99] * 10,
        "[log cut: 4,000 bytes over the limit of 1,000 bytes were not kept]",
    ]


def test_lines_that_nobody_could_store_are_told_as_lost(
    sink: LogSink, outage, caplog: pytest.LogCaptureFixture
) -> None:
    sink.feed("stdout", b"one\ntwo\n")
    with outage():
        sink.close()
    assert "2 lines of its log are lost" in caplog.text


def test_lines_of_an_execution_that_is_gone_are_dropped_quietly(
    runs: Runs, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    sink = open_sink(runs, uuid4(), clock)
    for _ in range(2):
        sink.feed("stdout", b"one\n")
        clock.moment += FLUSH_S
        sink.flush_if_due()
    assert sink.rest_calls() == []
    sink.close()
    assert caplog.text == ""


def test_lines_of_a_tenant_that_is_gone_raise_nothing(
    database: Database, tenant_name: str, clock: Clock
) -> None:
    runs = Runs(database, create_tenant(database, tenant_name))
    sink = open_sink(runs, runs.start(runs.workflow(*chain("a"))), clock)
    delete_tenant(database, tenant_name)
    sink.feed("stdout", b"one\n")
    clock.moment += FLUSH_S
    sink.flush_if_due()
    sink.close()


def test_an_attempt_that_writes_nothing_costs_no_transaction(
    sink: LogSink, runs: Runs, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs.database, "unit", None)
    clock.moment += FLUSH_S
    sink.flush_if_due()
    sink.close()
