"""Whatever a task does ends that task alone, in words, and its worker serves the next at once."""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest

from cloacina.db import Database
from cloacina.dispatch import Dispatcher
from cloacina.executions.services import TaskInfo
from cloacina.lifecycle.tenants import create_tenant
from tests.workers.badly import BADLY
from tests.workers.fleet import (
    Engineer,
    Fleet,
    descendants,
    fleet_at,
    is_running,
    slots_of,
    wait_for,
)
from tests.workers.modules import QUICK

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

MIB = 1024 * 1024


@dataclass(frozen=True)
class Post:
    """A tenant's engineer, and the one slot that serves it."""

    engineer: Engineer
    fleet: Fleet
    slot: int

    def run(self, how: str, pids: Path) -> tuple[UUID, TaskInfo]:
        """Run one bad task, followed at once by a good one; gives what came of the bad one."""
        bad = self.engineer.start("badly", {"how": how, "pids": str(pids)})
        good = self.engineer.start("quick", {})
        self.engineer.wait_for_end(bad)
        assert self.engineer.wait_for_end(good).status == "Completed"
        assert self.slot_now() == self.slot
        return bad, self.task(bad, how)

    def task(self, execution_id: UUID, how: str) -> TaskInfo:
        """Look at the one task of an execution that was to run."""
        (task,) = [
            each
            for each in self.engineer.tasks(execution_id)
            if each.task_name.endswith(f"::{how}")
        ]
        return task

    def slot_now(self) -> int:
        """Give the process that serves the tenant."""
        (slot,) = slots_of(self.fleet.processes[0].pid)
        return slot


@pytest.fixture(scope="module")
def post(
    database: Database,
    empty_database_url: str,
    broker_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Post]:
    """A worker with one slot, and a tenant with a bad and a good package.

    There is no scheduler: nobody would find what its own hint did not lead to.
    """
    limits = {"concurrency": 1, "max_scratch_bytes": 4 * MIB}
    home = tmp_path_factory.mktemp("home")
    with fleet_at(home, empty_database_url, broker_url, **limits) as fleet:
        worker = fleet.start("workers")
        tenant = create_tenant(database, "bad_tasks")
        engineer = Engineer(database, Dispatcher(database, broker_url), tenant)
        folder = tmp_path_factory.mktemp("packages")
        engineer.upload(folder, "badly", BADLY)
        engineer.upload(folder, "quick", QUICK)
        (slot,) = slots_of(worker.pid)
        yield Post(engineer, fleet, slot)
        below = descendants(worker.pid)
    assert not any(map(is_running, below))


@pytest.fixture
def pids(tmp_path: Path) -> Path:
    """Where tasks tell their processes."""
    return tmp_path / "pids"


def wait_none_is_left(pids: Path, count: int) -> None:
    """Wait until the processes that a task told of have ended; there were `count` of them."""
    told = [int(pid) for pid in pids.read_text().split()]
    assert len(told) == count
    wait_for(lambda: not any(map(is_running, told)))


TOO_DEEP = "ValueError: the value nests too deep, or contains itself"
BYTES = (
    "TypeError: unsupported type bytes: use None, bool, int, float, str, "
    "or a list, tuple, set or dict of these"
)


@pytest.mark.parametrize(
    ("how", "attempts", "reason"),
    [
        ("puts_out_bytes", 1, BYTES),
        ("puts_out_10_000_levels", 1, TOO_DEEP),
        ("puts_out_what_contains_itself", 1, TOO_DEEP),
        ("puts_out_300_levels", 1, "the context nests deeper than 200 levels"),
        (
            "forges_a_number_that_is_none",
            2,
            "ValueError: Out of range float values are not JSON compliant",
        ),
        (
            "puts_out_10_mib",
            1,
            # the text itself, and what the context held before
            "context_too_large: the context is {size} bytes, over the limit of 1048576 bytes."
            " Keep large data elsewhere and hand on where it is.",
        ),
        (
            "returns_a_text",
            1,
            "TypeError: Task 'returns_a_text' returned str: return the context, or None",
        ),
        (
            "returns_a_dict",
            1,
            "TypeError: Task 'returns_a_dict' returned dict: return the context, or None",
        ),
        ("raises_keyboard_interrupt", 1, "KeyboardInterrupt"),
        ("exits", 1, "SystemExit: no more"),
        (
            "writes_a_large_file",
            1,
            "OSError: [Errno 27] File too large (a file that a task writes may hold 4194304 bytes)",
        ),
    ],
)
def test_a_task_that_fails_says_why(
    post: Post, pids: Path, how: str, attempts: int, reason: str
) -> None:
    _, task = post.run(how, pids)
    assert (task.status, task.attempt) == ("Failed", attempts)
    context = {"how": how, "pids": str(pids), "text": "x" * 10 * MIB}
    assert task.last_error == reason.format(size=len(json.dumps(context, separators=(",", ":"))))


@pytest.mark.parametrize("how", ["recurses_for_ever", "forges_10_000_levels"])
def test_a_task_that_recurses_too_deep_says_so(post: Post, pids: Path, how: str) -> None:
    _, task = post.run(how, pids)
    assert (task.status, task.attempt) == ("Failed", 1)
    assert task.last_error is not None
    # how it goes on is another with each Python
    assert task.last_error.startswith("RecursionError: maximum recursion depth exceeded")


DIED = "process_died: the process that ran the code"


@pytest.mark.parametrize(
    ("how", "attempts", "told", "reason"),
    [
        ("forks_and_exits", 1, 3, f"{DIED} ended with exit code 3 before it answered"),
        ("ends_its_process", 2, 2, f"{DIED} ended with exit code 3 before it answered"),
        (
            "closes_all_and_returns",
            2,
            2,
            f"{DIED} ended with exit code 74 before it answered,"
            " perhaps since it closed its channel to the worker",
        ),
        ("closes_all_and_stays", 1, 1, f"{DIED} closed its channel to the worker"),
        ("ends_by_a_signal", 1, 1, f"{DIED} ended by SIGSEGV before it answered"),
        (
            "ends_by_sigkill",
            1,
            1,
            f"{DIED} ended by SIGKILL before it answered, perhaps for want of memory",
        ),
        ("writes_noise_into_its_channel", 1, 1, f"{DIED} sent more than it may"),
        (
            "fills_its_folder",
            1,
            1,
            "scratch_full: the task's scratch folder held more than 4194304 bytes",
        ),
        ("never_returns", 1, 1, "timeout: the task took longer than 1 s and was killed"),
        ("spins", 1, 1, "timeout: the task took longer than 1 s and was killed"),
        ("ignores_sigterm", 1, 2, "timeout: the task took longer than 1 s and was killed"),
        ("stops_itself", 1, 1, "timeout: the task took longer than 1 s and was killed"),
    ],
)
def test_a_task_that_is_killed_or_ends_its_process_says_why_and_leaves_none(
    post: Post, pids: Path, how: str, attempts: int, told: int, reason: str
) -> None:
    _, task = post.run(how, pids)
    assert (task.status, task.attempt) == ("Failed", attempts)
    assert task.last_error == reason
    wait_none_is_left(pids, told)


def test_a_number_that_json_has_not_is_put_out_as_null(post: Post, pids: Path) -> None:
    execution_id, task = post.run("puts_out_a_number_that_is_none", pids)
    assert (task.status, task.last_error) == ("Completed", None)
    assert post.engineer.look_at(execution_id).context == {"nan": None, "inf": [None]}


def test_a_task_that_writes_100_mb_is_done_and_its_log_is_cut(post: Post, pids: Path) -> None:
    execution_id, task = post.run("writes_100_mb", pids)
    assert (task.status, task.attempt, task.last_error) == ("Completed", 1, None)
    *_, last = post.engineer.lines(execution_id)
    assert last.startswith("[log cut: ")
    assert last.endswith("bytes over the limit of 1,048,576 bytes were not kept]")


def test_processes_that_a_task_leaves_running_end_with_it(post: Post, pids: Path) -> None:
    _, task = post.run("forks_and_returns", pids)
    assert (task.status, task.attempt) == ("Completed", 1)
    wait_none_is_left(pids, 2)


def test_folders_inside_each_other_harm_nobody(post: Post, pids: Path) -> None:
    _, task = post.run("nests_folders", pids)
    assert (task.status, task.attempt) == ("Completed", 1)


def test_an_error_of_any_length_is_told_shortened(post: Post, pids: Path) -> None:
    _, task = post.run("raises_100_000_characters", pids)
    assert task.last_error is not None
    assert task.last_error.startswith("ValueError: xxx")
    assert "90000 characters left out" in task.last_error


def test_a_task_that_ignores_sigterm_is_killed_when_its_execution_is_cancelled(
    post: Post, pids: Path
) -> None:
    how = "ignores_sigterm_for_long"
    engineer = post.engineer
    bad = engineer.start("badly", {"how": how, "pids": str(pids)})
    wait_for(lambda: pids.exists() and len(pids.read_text().split()) == 2)
    engineer.steer().cancel(engineer.tenant, bad)
    good = engineer.start("quick", {})
    assert engineer.wait_for_end(good).status == "Completed"
    assert post.task(bad, how).status == "Skipped"
    wait_none_is_left(pids, 2)


@pytest.mark.parametrize(
    ("how", "lines"),
    [
        ("ends_its_process", ["a line", "without an end", "an error"] * 2),
        ("exits", ["is about to leave"]),
        ("never_returns", ["waits"]),
        ("closes_all_and_stays", ["closes"]),
        ("fills_its_folder", ["begins"]),
    ],
)
def test_the_log_holds_what_a_task_wrote_before_it_died(
    post: Post, pids: Path, how: str, lines: list[str]
) -> None:
    execution_id, _ = post.run(how, pids)
    assert sorted(post.engineer.lines(execution_id)) == sorted(lines)
