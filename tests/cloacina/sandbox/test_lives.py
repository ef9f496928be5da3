"""Slots and hosts that end, or stand still: nothing that they started goes on."""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cloacina.processes import wait_until
from cloacina.sandbox import Host, Sandbox
from cloacina.sandbox.errors import ChildDied
from tests.cloacina.embedded.owners import is_running, owner
from tests.cloacina.sandbox.codes import finding, result, start, write_code
from tests.cloacina.sandbox.trees import descendants, nannies, wait_all_gone

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs a parent for orphans")

PID = finding("os.getpid()", task_id="pid")
# never ends, and has a process below it that has left its session and its parent
HANGS = """
import os, pathlib, time
@cloaca.task()
def it(context):
    child = os.getpid()
    if not os.fork():
        os.setsid()
        if os.fork():
            os._exit(0)
        pathlib.Path(context["pids"] + ".new").write_text(f"{child} {os.getpid()}")
        os.rename(context["pids"] + ".new", context["pids"])
    time.sleep(1000)
"""

# a main process with a host, and a slot that is forked from it, as a worker's are
WORKER = """
import json, os, pathlib, signal, sys, time
from uuid import UUID
from cloacina.sandbox import Code, Host, Sandbox
root, path, pids, lease_s = sys.argv[1:]
until = time.monotonic() + float(lease_s)
host = Host(pathlib.Path(root))
host.start()
slot = os.fork()
if not slot:
    host.enter_slot()
    code = Code(UUID(int=1), "one", "acme", "demo", "flow", "demo.tasks", (pathlib.Path(path),))
    attempt = Sandbox(host).start(
        code, "it", json.dumps({"pids": pids}), lease=lambda: until,
        on_output=lambda *_: None, still_wanted=lambda: True,
    )
    attempt.wait(1000)
    os._exit(1)
print(slot, host.pid, flush=True)
sys.stdin.read()
os.kill(slot, signal.SIGKILL)
host.close()
"""


@contextmanager
def worker(folder: Path, root: Path, lease_s: float) -> Iterator[tuple[int, int, int, set[int]]]:
    """Run a worker whose task hangs: gives the pids of its main process, its slot and its host,
    and of all that was started for the task."""
    code, pids = write_code(folder, HANGS), folder / "pids"
    with owner(WORKER, root, code.paths[0], pids, lease_s) as (main, line):
        slot, host = map(int, line.split())
        assert wait_until(pids.exists, 20)
        child, grandchild = map(int, pids.read_text().split())
        started = descendants(host)
        assert {child, grandchild} < started
        yield main.pid, slot, host, started


def test_a_killed_slot_takes_all_that_it_runs_with_it(root: Path, tmp_path: Path) -> None:
    with worker(tmp_path, root, 60) as (_main, slot, host, started):
        os.kill(slot, signal.SIGKILL)
        wait_all_gone(started, 1)
        assert is_running(host)
        assert [path.name for path in root.iterdir()] == ["sdk"]


def test_what_a_stopped_slot_runs_ends_with_its_lease(root: Path, tmp_path: Path) -> None:
    with worker(tmp_path, root, 1.5) as (_main, slot, host, started):
        os.kill(slot, signal.SIGSTOP)
        wait_all_gone(started, 1.5 + 1)
        assert is_running(slot)
        assert is_running(host)


def test_a_killed_worker_takes_everything_with_it(root: Path, tmp_path: Path) -> None:
    with worker(tmp_path, root, 60) as (main, slot, host, started):
        os.kill(main, signal.SIGKILL)
        os.kill(slot, signal.SIGKILL)
        wait_all_gone({host, *started}, 2)


@pytest.fixture
def hanging(sandbox: Sandbox, tmp_path: Path):
    """A task that never ends; gives its attempt and the pid below it."""
    code, pids = write_code(tmp_path, HANGS + PID), tmp_path / "pids"
    attempt = start(sandbox, code, pids=str(pids))
    assert wait_until(pids.exists, 20)
    return code, attempt, int(pids.read_text().split()[1])


def test_a_killed_host_takes_everything_with_it_and_is_started_again(
    sandbox: Sandbox, host: Host, hanging, tmp_path: Path
) -> None:
    code, attempt, _below = hanging
    assert host.pid is not None
    # its children's orphans come to whoever is next above
    started = {host.pid, *descendants(host.pid)}
    os.kill(host.pid, signal.SIGKILL)
    wait_all_gone(started, 2)
    with pytest.raises(ChildDied):
        attempt.wait(20)
    host.ensure_running()
    assert is_running(host.pid)
    assert result(sandbox, code, "pid") != attempt.pid


def test_what_is_asked_while_there_is_no_host_waits_for_the_next(
    sandbox: Sandbox, host: Host, tmp_path: Path
) -> None:
    assert host.pid is not None
    os.kill(host.pid, signal.SIGSTOP)
    code = write_code(tmp_path, PID)
    found: list[int] = []
    asks = threading.Thread(target=lambda: found.append(result(sandbox, code, "pid")))
    asks.start()
    os.kill(host.pid, signal.SIGKILL)
    assert wait_until(lambda: host._process.poll() is not None, 10)
    host.ensure_running()
    asks.join(20)
    assert len(found) == 1


def test_a_lease_may_be_extended_and_then_ends(sandbox: Sandbox, hanging, tmp_path: Path) -> None:
    _code, attempt, below = hanging
    began = time.monotonic()
    attempt.extend(began + 0.2)
    attempt.extend(began + 1.2)
    assert attempt.wait(0.6) is None
    with pytest.raises(ChildDied, match="was killed: its worker did not respond"):
        attempt.wait(20)
    assert time.monotonic() - began > 1
    wait_all_gone([attempt.pid, below], 1)


def test_only_so_many_idle_children_are_kept(root: Path, tmp_path: Path) -> None:
    host = Host(root, most_idle=2)
    host.start()
    sandbox = Sandbox(host)
    codes = [write_code(tmp_path, PID, content_hash=str(number)) for number in range(4)]

    def use(number: int) -> int:
        pid = result(sandbox, codes[number], "pid")
        sandbox.rest()
        return pid

    first = [use(number) for number in range(4)]
    wait_all_gone(first[:2])
    assert use(2) == first[2]
    # used again, the third is the youngest
    assert use(0) != first[0]
    wait_all_gone([first[3]])
    assert use(2) == first[2]
    assert wait_until(lambda: len(nannies(host)) == 2, 10)
    sandbox.close()
    host.close()
    assert [path.name for path in root.iterdir()] == ["sdk"]


def test_children_that_nobody_used_for_long_end(root: Path, tmp_path: Path) -> None:
    host = Host(root, idle_s=0.2)
    host.start()
    sandbox = Sandbox(host)
    pid = result(sandbox, write_code(tmp_path, PID), "pid")
    sandbox.rest()
    wait_all_gone([pid], 5)
    host.close()


def test_a_slot_gets_back_the_child_that_it_gave_back(sandbox: Sandbox, tmp_path: Path) -> None:
    code = write_code(tmp_path, PID)
    pids = []
    for _ in range(5):
        pids.append(result(sandbox, code, "pid"))
        sandbox.rest()
    assert len(set(pids)) == 1


def test_slots_share_idle_children(sandbox: Sandbox, host: Host, tmp_path: Path) -> None:
    code = write_code(tmp_path, PID)
    other = Sandbox(host)
    pids = {result(slot, code, "pid") for slot in (sandbox, other)}
    assert len(pids) == 2
    sandbox.rest()
    other.rest()

    def third_gets_one() -> bool:
        attempt = start(Sandbox(host), code, "pid")
        attempt.wait(20)
        attempt.kill()
        return attempt.pid in pids

    assert wait_until(third_gets_one, 10)
