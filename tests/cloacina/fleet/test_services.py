"""Workers report for duty, are listed while they do, and sign off."""

from uuid import uuid4

from sqlalchemy import update

from cloacina.db import Database, after
from cloacina.fleet import services as fleet
from cloacina.fleet.models import WorkerRow
from cloacina.fleet.services import Worker


def a_worker(name: str, *tenants: str) -> Worker:
    return Worker(
        id=uuid4(),
        name=name,
        tenant_names=tenants,
        concurrency=4,
        in_flight=1,
        seconds_since_heartbeat=0,
    )


def live_names(database: Database) -> list[str]:
    with database.platform() as session:
        return [worker.name for worker in fleet.list_live(session)]


def beat(database: Database, *workers: Worker) -> None:
    with database.platform() as session:
        for worker in workers:
            fleet.beat(session, worker)


def silence(database: Database, worker: Worker, seconds: float) -> None:
    with database.platform() as session:
        session.execute(
            update(WorkerRow).where(WorkerRow.id == worker.id).values(heartbeat_at=after(-seconds))
        )


def test_a_worker_that_reports_is_listed_as_it_reported(either_database: Database) -> None:
    worker = a_worker("first", "acme", "globex")
    beat(either_database, worker, worker)

    with either_database.platform() as session:
        (found,) = [one for one in fleet.list_live(session) if one.id == worker.id]

    assert (found.tenant_names, found.concurrency, found.in_flight) == (("acme", "globex"), 4, 1)
    assert 0 <= found.seconds_since_heartbeat < fleet.GONE_S


def test_a_silent_worker_is_not_listed_and_in_the_end_forgotten(
    either_database: Database,
) -> None:
    silent, gone = a_worker("silent"), a_worker("gone")
    beat(either_database, silent, gone)
    silence(either_database, silent, 2 * fleet.GONE_S)
    silence(either_database, gone, 20 * fleet.GONE_S)
    assert not {"silent", "gone"} & set(live_names(either_database))

    with either_database.platform() as session:
        fleet.forget_gone(session)
        assert session.get(WorkerRow, silent.id) is not None
        assert session.get(WorkerRow, gone.id) is None

    beat(either_database, silent)
    assert "silent" in live_names(either_database)


def test_a_worker_that_signs_off_is_gone_at_once(either_database: Database) -> None:
    worker = a_worker("leaving")
    beat(either_database, worker)
    with either_database.platform() as session:
        fleet.leave(session, worker.id)
    assert "leaving" not in live_names(either_database)
