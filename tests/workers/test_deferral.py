"""Tasks that wait without a slot, at real workers."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from cloacina.db import Database
from cloacina.dispatch import worker_queue_name
from cloacina.embedded import EmbeddedValkey
from cloacina.fleet import services as fleet_services
from tests.workers.fleet import Engineer, Fleet, begun, fleet_at, is_running, wait_for
from tests.workers.modules import DEFERS, DEFERS_AND_FAILS, QUICK

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.fixture(scope="module")
def single(
    database: Database,  # it is migrated
    empty_database_url: str,
    broker: EmbeddedValkey,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Fleet]:
    """One worker with one slot, and a scheduler."""
    home = tmp_path_factory.mktemp("home")
    with fleet_at(home, empty_database_url, broker.url, concurrency=1) as fleet:
        fleet.start("workers")
        fleet.start("workers.scheduler")
        yield fleet


@pytest.mark.usefixtures("single")
def test_the_slot_is_free_while_a_task_waits(engineer: Engineer, tmp_path: Path) -> None:
    engineer.upload(tmp_path, "defers", DEFERS)
    engineer.upload(tmp_path, "quick", QUICK)
    waiting = engineer.start("defers", {"folder": str(tmp_path), "files": ["a"]})
    wait_for(lambda: engineer.sub_statuses(waiting) == ["Deferred"])

    for _ in range(3):
        assert engineer.wait_for_end(engineer.start("quick", {})).status == "Completed"
    assert engineer.sub_statuses(waiting) == ["Deferred"]
    (tmp_path / "a").touch()

    assert engineer.wait_for_end(waiting).context["done"] is True
    assert len(begun(tmp_path)) == 1
    assert engineer.events(waiting)[3:-2] == ["task_deferred", "task_resumed"]
    lines = engineer.lines(waiting)
    assert set(lines[:-1]) == {"looks for a"}
    assert lines[-1] == "found a"


@pytest.mark.usefixtures("single")
def test_what_a_waiting_task_writes_is_in_its_log_while_it_waits(
    engineer: Engineer, tmp_path: Path
) -> None:
    engineer.upload(tmp_path, "defers", DEFERS)
    waiting = engineer.start("defers", {"folder": str(tmp_path), "files": ["a"]})
    wait_for(lambda: engineer.sub_statuses(waiting) == ["Deferred"])
    seen = len(engineer.lines(waiting))
    wait_for(lambda: len(engineer.lines(waiting)) > seen)
    (tmp_path / "a").touch()
    assert engineer.wait_for_end(waiting).status == "Completed"


@pytest.mark.usefixtures("single")
def test_the_time_limit_does_not_count_the_wait(engineer: Engineer, tmp_path: Path) -> None:
    engineer.upload(tmp_path, "defers", DEFERS)
    waiting = engineer.start("defers", {"folder": str(tmp_path), "files": ["a"]})
    wait_for(lambda: engineer.sub_statuses(waiting) == ["Deferred"])
    # longer than the task's four seconds
    wait_for(lambda: len(engineer.lines(waiting)) > 100)
    (tmp_path / "a").touch()
    assert engineer.wait_for_end(waiting).status == "Completed"


@pytest.mark.usefixtures("single")
def test_a_task_may_wait_again_and_again(engineer: Engineer, tmp_path: Path) -> None:
    engineer.upload(tmp_path, "defers", DEFERS)
    files = ["a", "b", "c"]
    waiting = engineer.start("defers", {"folder": str(tmp_path), "files": files})
    for count, name in enumerate(files, start=1):
        wait_for(lambda: engineer.events(waiting).count("task_deferred") == count)  # noqa: B023
        (tmp_path / name).touch()
    assert engineer.wait_for_end(waiting).status == "Completed", engineer.tasks(waiting)
    assert engineer.events(waiting)[3:-2] == ["task_deferred", "task_resumed"] * 3
    found = [line for line in engineer.lines(waiting) if line.startswith("found")]
    assert found == ["found a", "found b", "found c"]


@pytest.mark.usefixtures("single")
def test_a_hint_that_comes_late_does_not_wake_a_task_that_waits_again(
    engineer: Engineer, broker: EmbeddedValkey, tmp_path: Path
) -> None:
    engineer.upload(tmp_path, "defers", DEFERS)
    engineer.upload(tmp_path, "quick", QUICK)
    waiting = engineer.start("defers", {"folder": str(tmp_path), "files": ["a"]})
    wait_for(lambda: engineer.sub_statuses(waiting) == ["Deferred"])
    with engineer.database.platform() as session:
        (worker,) = (one for one in fleet_services.list_live(session) if one.concurrency == 1)
    (task,) = engineer.tasks(waiting)
    for _ in range(3):
        assert engineer.dispatcher.resume(worker.id, engineer.tenant.id, task.id)
    with redis.Redis.from_url(broker.url) as direct:
        wait_for(lambda: not direct.llen(worker_queue_name(worker.id)))
    # the one slot has looked at them before it runs this
    assert engineer.wait_for_end(engineer.start("quick", {})).status == "Completed"
    assert engineer.sub_statuses(waiting) == ["Deferred"]
    (tmp_path / "a").touch()
    assert engineer.wait_for_end(waiting).status == "Completed"
    assert engineer.events(waiting)[3:-2] == ["task_deferred", "task_resumed"]


@pytest.mark.usefixtures("single")
def test_a_condition_that_is_met_at_once_hardly_waits(engineer: Engineer, tmp_path: Path) -> None:
    engineer.upload(tmp_path, "defers", DEFERS)
    (tmp_path / "a").touch()
    execution_id = engineer.start("defers", {"folder": str(tmp_path), "files": ["a"] * 5})
    assert engineer.wait_for_end(execution_id).status == "Completed"
    assert engineer.events(execution_id)[3:-2] == ["task_deferred", "task_resumed"] * 5


@pytest.mark.usefixtures("single")
def test_a_condition_that_raises_fails_the_task(engineer: Engineer, tmp_path: Path) -> None:
    engineer.upload(tmp_path, "fails", DEFERS_AND_FAILS)
    execution_id = engineer.start("fails", {})
    assert engineer.wait_for_end(execution_id).status == "Failed"
    (task,) = engineer.tasks(execution_id)
    assert task.last_error == "LookupError: nothing to look at"
    assert (task.sub_status, engineer.lines(execution_id)) == (None, ["looks"])


@linux_only
@pytest.mark.usefixtures("single")
def test_a_cancel_kills_what_waits(engineer: Engineer, tmp_path: Path) -> None:
    engineer.upload(tmp_path, "defers", DEFERS)
    waiting = engineer.start("defers", {"folder": str(tmp_path), "files": ["a"]})
    wait_for(lambda: engineer.sub_statuses(waiting) == ["Deferred"])
    (child,) = begun(tmp_path)
    engineer.steer().cancel(engineer.tenant, waiting)
    wait_for(lambda: not is_running(child))
    assert engineer.look_at(waiting).status == "Cancelled"
    (tmp_path / "a").touch()
    # the worker goes on
    assert (
        engineer.wait_for_end(
            engineer.start("defers", {"folder": str(tmp_path), "files": ["a"]})
        ).status
        == "Completed"
    )


@linux_only
@pytest.mark.usefixtures("single")
def test_the_end_of_a_child_that_waits_is_the_end_of_its_attempt(
    engineer: Engineer, tmp_path: Path
) -> None:
    engineer.upload(tmp_path, "defers", DEFERS)
    waiting = engineer.start("defers", {"folder": str(tmp_path), "files": ["a"]})
    wait_for(lambda: engineer.sub_statuses(waiting) == ["Deferred"])
    (child,) = begun(tmp_path)
    os.kill(child, signal.SIGKILL)
    assert engineer.wait_for_end(waiting).status == "Failed"
    (task,) = engineer.tasks(waiting)
    assert task.last_error is not None
    assert task.last_error.startswith("process_died")


@pytest.mark.usefixtures("single")
def test_a_hundred_tasks_wait_at_one_slot_and_all_go_on(engineer: Engineer, tmp_path: Path) -> None:
    engineer.upload(tmp_path, "defers", DEFERS)
    context = {"folder": str(tmp_path), "files": ["a"]}
    waiting = [engineer.start("defers", context) for _ in range(100)]
    wait_for(lambda: all(engineer.sub_statuses(one) == ["Deferred"] for one in waiting))
    (tmp_path / "a").touch()
    for execution_id in waiting:
        assert engineer.wait_for_end(execution_id).status == "Completed"
    assert len(begun(tmp_path)) == 100
    assert not [one for one in waiting if engineer.reasons(one)]


@linux_only
def test_what_waits_at_a_killed_worker_runs_elsewhere(
    single: Fleet, engineer: Engineer, tmp_path: Path
) -> None:
    engineer.upload(tmp_path, "defers", DEFERS)
    waiting = engineer.start("defers", {"folder": str(tmp_path), "files": ["a"]})
    wait_for(lambda: engineer.sub_statuses(waiting) == ["Deferred"])
    (child,) = begun(tmp_path)

    single.processes[0].kill()
    single.processes[0].wait()
    wait_for(lambda: not is_running(child))
    single.processes[0] = single.start("workers")

    wait_for(lambda: len(begun(tmp_path)) == 2)
    (tmp_path / "a").touch()
    assert engineer.wait_for_end(waiting).status == "Completed"
    assert engineer.reasons(waiting) == ["worker_lost"]
    assert engineer.attempts(waiting) == [1]
