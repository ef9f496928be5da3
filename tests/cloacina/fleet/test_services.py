"""Workers on duty."""

from uuid import uuid4

import pytest
from sqlalchemy import func, select, update

from cloacina.db import Database, after
from cloacina.fleet import services as fleet
from cloacina.fleet.assignment import Server
from cloacina.fleet.models import WorkerRow
from cloacina.fleet.services import GONE_S, Worker


def worker(name: str, *tenant_names: str, in_flight: int = 0) -> Worker:
    return Worker(
        id=uuid4(),
        name=name,
        tenant_names=tenant_names,
        concurrency=4,
        in_flight=in_flight,
        seconds_since_heartbeat=0,
    )


def beat(database: Database, *workers: Worker) -> None:
    with database.platform() as session:
        for each in workers:
            fleet.beat(session, each)


def live(database: Database) -> list[Worker]:
    with database.platform() as session:
        return list(fleet.list_live(session))


def be_silent_for(database: Database, silent: Worker, seconds: float) -> None:
    with database.platform() as session:
        session.execute(
            update(WorkerRow).where(WorkerRow.id == silent.id).values(heartbeat_at=after(-seconds)),
            execution_options={"synchronize_session": False},
        )


@pytest.fixture(autouse=True)
def nobody(either_database: Database) -> None:
    with either_database.platform() as session:
        session.query(WorkerRow).delete()


def test_workers_that_report_are_on_duty_by_name(either_database: Database) -> None:
    second, first = worker("b", "acme", "globex"), worker("a", in_flight=3)
    beat(either_database, second, first)
    found = live(either_database)
    assert [(each.id, each.name) for each in found] == [(first.id, "a"), (second.id, "b")]
    assert [each.tenant_names for each in found] == [(), ("acme", "globex")]
    assert [each.in_flight for each in found] == [3, 0]
    assert all(0 <= each.seconds_since_heartbeat < 5 for each in found)


def test_a_worker_that_reports_again_is_the_same_one(either_database: Database) -> None:
    one = worker("a")
    beat(either_database, one)
    be_silent_for(either_database, one, 5)
    (found,) = live(either_database)
    assert found.seconds_since_heartbeat == pytest.approx(5, abs=2)
    beat(either_database, one)
    (found,) = live(either_database)
    assert found.seconds_since_heartbeat < 2


def test_a_silent_worker_is_on_duty_no_more_and_in_time_forgotten(
    either_database: Database,
) -> None:
    silent, loud = worker("a"), worker("b")
    beat(either_database, silent, loud)
    be_silent_for(either_database, silent, GONE_S + 1)
    assert [each.id for each in live(either_database)] == [loud.id]

    def count_after_clearing() -> int:
        with either_database.platform() as session:
            fleet.forget_gone(session)
            return session.scalars(select(func.count()).select_from(WorkerRow)).one()

    assert count_after_clearing() == 2
    be_silent_for(either_database, silent, 10 * GONE_S + 1)
    assert count_after_clearing() == 1


def test_a_worker_that_signs_off_is_gone_at_once(either_database: Database) -> None:
    one = worker("a")
    beat(either_database, one)
    with either_database.platform() as session:
        fleet.leave(session, one.id)
        fleet.leave(session, uuid4())
    assert live(either_database) == []


def test_a_worker_that_retires_is_gone_at_once_and_its_row_stays_for_its_queue(
    either_database: Database,
) -> None:
    one, other = worker("a"), worker("b", "acme")
    beat(either_database, one, other)
    with either_database.platform() as session:
        fleet.retire(session, one.id)
        assert fleet.list_servers(session) == {Server(other.id, ("acme",), 4)}
        assert fleet.forget_gone(session) == []
    assert [each.id for each in live(either_database)] == [other.id]
