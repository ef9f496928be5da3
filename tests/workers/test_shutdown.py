"""Workers that are told to stop, and others that take over; here nobody else is at work."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
import redis
from sqlalchemy import func, select

from cloacina.db import Database
from cloacina.dispatch import Dispatcher
from cloacina.embedded import EmbeddedValkey
from cloacina.executions import services as executions
from cloacina.fleet.models import WorkerRow
from cloacina.lifecycle.tenants import create_tenant
from tests.workers.fleet import (
    Engineer,
    Fleet,
    begun,
    descendants,
    fleet_at,
    is_running,
    wait_for,
)
from tests.workers.modules import CHAIN, DEFERS, QUICK, WAITS

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.fixture
def workers(empty_database_url: str, broker: EmbeddedValkey, tmp_path: Path) -> Iterator[Fleet]:
    """No worker yet, and no scheduler: whatever runs elsewhere does so for the hint about it."""
    with fleet_at(tmp_path / "home", empty_database_url, broker.url, concurrency=2) as fleet:
        yield fleet


def wait_for_takers(fleet: Fleet, engineer: Engineer, count: int) -> None:
    """Wait until so many workers serve a tenant."""
    line = f"takes up the queue tenant.{engineer.tenant.name}"
    wait_for(lambda: fleet.log_path.read_text().count(line) == count)


def workers_of(engineer: Engineer, execution_id: UUID) -> list[str]:
    """Give who started tasks of an execution."""
    with engineer.database.tenant(engineer.tenant) as session:
        events = executions.list_events(session, execution_id, engineer.tenant.name)
    started = [event.event_data for event in events if event.event_type == "task_started"]
    return [json.loads(data or "")["worker"] for data in started]


def assert_nothing_is_left(
    fleet: Fleet, worker: subprocess.Popen[bytes], below: set[int], broker: EmbeddedValkey
) -> None:
    """Hold that a worker that has ended has cleared up after itself."""
    wait_for(lambda: not any(is_running(pid) for pid in below))
    assert not (fleet.settings.home / "work" / f"worker-{worker.pid}").exists()
    database = Database(fleet.settings.database_url, pool_size=1)
    with database.platform() as session:
        named = select(func.count()).where(WorkerRow.name.like(f"%-{worker.pid}"))
        assert session.scalars(named).one() == 0
        alive = set(session.scalars(select(WorkerRow.id)))
    database.close()
    with redis.Redis.from_url(broker.url) as direct:
        queues = {name.decode().removeprefix("worker.") for name in direct.scan_iter("worker.*")}
    assert queues <= {str(worker_id) for worker_id in alive}


def test_a_worker_that_is_told_to_stop_finishes_what_it_runs_and_leaves_nothing(
    workers: Fleet, engineer: Engineer, broker: EmbeddedValkey, tmp_path: Path
) -> None:
    worker = workers.start("workers")
    engineer.upload(tmp_path, "waits", WAITS)
    execution_id = engineer.start("waits", {"folder": str(tmp_path)})
    wait_for(lambda: begun(tmp_path))
    (child,) = begun(tmp_path)
    below = descendants(worker.pid)

    try:
        worker.send_signal(signal.SIGTERM)
        workers.wait_for_line("Warm shutdown")
        assert is_running(child)
    finally:
        (tmp_path / "go").touch()

    assert worker.wait(30) == 0
    assert engineer.look_at(execution_id).status == "Completed"
    assert begun(tmp_path) == [child]
    assert_nothing_is_left(workers, worker, below, broker)


def test_a_worker_that_stops_claims_nothing_more_and_others_do(
    workers: Fleet, engineer: Engineer, tmp_path: Path
) -> None:
    first = workers.start("workers", CLOACINA_CONCURRENCY="1")
    engineer.upload(tmp_path, "waits", WAITS)
    engineer.upload(tmp_path, "chain", CHAIN)
    running = engineer.start("waits", {"folder": str(tmp_path)})
    wait_for(lambda: begun(tmp_path))
    left = [engineer.start("chain", {}) for _ in range(3)]

    first.send_signal(signal.SIGTERM)
    workers.wait_for_line("Warm shutdown")
    late = engineer.start("chain", {})
    (tmp_path / "go").touch()
    assert first.wait(30) == 0
    assert engineer.look_at(running).status == "Completed"
    assert [engineer.look_at(one).status for one in (*left, late)] == ["Pending"] * 4

    second = workers.start("workers", CLOACINA_CONCURRENCY="1")
    for execution_id in (*left, late):
        assert engineer.wait_for_end(execution_id).status == "Completed"
        assert {name.rpartition("-")[2] for name in workers_of(engineer, execution_id)} == {
            str(second.pid)
        }


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_a_task_that_outlasts_the_grace_is_given_back_and_runs_elsewhere_at_once(
    workers: Fleet,
    engineer: Engineer,
    broker: EmbeddedValkey,
    tmp_path: Path,
    sent: signal.Signals,
) -> None:
    first = workers.start("workers", CLOACINA_WORKER_STOP_GRACE_S="1")
    engineer.upload(tmp_path, "waits", WAITS)
    execution_id = engineer.start("waits", {"folder": str(tmp_path)})
    wait_for(lambda: begun(tmp_path))
    below = descendants(first.pid)
    workers.start("workers")
    wait_for_takers(workers, engineer, 2)

    first.send_signal(sent)
    wait_for(lambda: engineer.reasons(execution_id))
    wait_for(lambda: len(begun(tmp_path)) == 2)

    assert first.wait(30) == 0
    assert_nothing_is_left(workers, first, below, broker)
    (tmp_path / "go").touch()
    assert engineer.wait_for_end(execution_id).status == "Completed"
    assert engineer.reasons(execution_id) == ["worker_stopped"]
    assert engineer.attempts(execution_id) == [1]


def test_what_waits_without_a_slot_is_given_back_and_runs_elsewhere_at_once(
    workers: Fleet, engineer: Engineer, broker: EmbeddedValkey, tmp_path: Path
) -> None:
    first = workers.start("workers")
    engineer.upload(tmp_path, "defers", DEFERS)
    context = {"folder": str(tmp_path), "files": ["a"]}
    waiting = [engineer.start("defers", context) for _ in range(5)]
    wait_for(lambda: all(engineer.sub_statuses(one) == ["Deferred"] for one in waiting))
    below = descendants(first.pid)
    workers.start("workers")
    wait_for_takers(workers, engineer, 2)

    first.send_signal(signal.SIGTERM)
    wait_for(lambda: all(map(engineer.reasons, waiting)))
    wait_for(lambda: len(begun(tmp_path)) == 10)

    assert first.wait(30) == 0
    assert_nothing_is_left(workers, first, below, broker)
    (tmp_path / "a").touch()
    for execution_id in waiting:
        assert engineer.wait_for_end(execution_id).status == "Completed"
        assert engineer.reasons(execution_id) == ["worker_stopped"]
        assert engineer.attempts(execution_id) == [1]


def test_a_worker_without_work_ends_within_seconds(
    workers: Fleet, engineer: Engineer, broker: EmbeddedValkey, tmp_path: Path
) -> None:
    worker = workers.start("workers")
    engineer.upload(tmp_path, "quick", QUICK)
    assert engineer.wait_for_end(engineer.start("quick", {})).status == "Completed"
    below = descendants(worker.pid)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(10) == 0
    assert_nothing_is_left(workers, worker, below, broker)


def test_a_worker_that_finds_no_broker_waits_for_it(
    database: Database, empty_database_url: str, data_root: Path, tmp_path: Path, tenant_name: str
) -> None:
    broker = EmbeddedValkey(data_root / "late-valkey")
    with broker:
        url = broker.url
    engineer = Engineer(database, Dispatcher(database, url), create_tenant(database, tenant_name))
    with fleet_at(tmp_path / "home", empty_database_url, url, concurrency=1) as fleet:
        fleet.start("workers")
        fleet.start("workers.scheduler")
        fleet.wait_for_line("Cannot connect to ")
        with broker:
            assert broker.url == url
            engineer.upload(tmp_path, "chain", CHAIN)
            assert engineer.wait_for_end(engineer.start("chain", {})).status == "Completed"
            fleet.stop()
    assert [process.returncode for process in fleet.processes] == [0, 0]
