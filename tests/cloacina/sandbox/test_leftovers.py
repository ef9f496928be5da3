"""Whatever a task starts ends with it, and whatever it does to its process harms it alone."""

import os
import signal
import sys
from pathlib import Path

import pytest

from cloacina.processes import wait_until
from cloacina.sandbox import Host, Sandbox
from cloacina.sandbox.errors import ChildDied
from tests.cloacina.embedded.owners import is_running
from tests.cloacina.sandbox.codes import result, run, start, write_code
from tests.cloacina.sandbox.trees import descendants, nannies, wait_all_gone

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs a parent for orphans")

LEAVES = """
import os, pathlib, signal, subprocess, sys, threading, time

def tell(context):
    with open(context["pids"], "a") as file:
        file.write(f"{os.getpid()} ")

def sleeps(context):
    tell(context)
    time.sleep(1000)

def forked(what):
    pid = os.fork()
    if not pid:
        try:
            what()
        finally:
            os._exit(0)
    return pid

def forks(context):
    forked(lambda: sleeps(context))

def leaves_its_session(context):
    forked(lambda: (os.setsid(), sleeps(context)))

def forks_twice(context):
    os.waitpid(forked(lambda: (os.setsid(), forked(lambda: sleeps(context)))), 0)

def ignores_signals(context):
    def stubborn():
        signal.pthread_sigmask(signal.SIG_SETMASK, signal.valid_signals())
        sleeps(context)
    forked(lambda: (os.setsid(), forked(stubborn)))

def forks_many(context):
    for _ in range(20):
        forked(lambda: (os.setsid(), [forked(lambda: sleeps(context)) for _ in range(2)]))

def wait_for(context, count):
    while len(pathlib.Path(context["pids"]).read_text().split()) < count:
        time.sleep(0.01)

@cloaca.task()
def pid(context):
    return cloaca.Context({"found": os.getpid()})

@cloaca.task()
def it(context):
    pathlib.Path(context["pids"]).touch()
    globals()[context["how"]](context)
    wait_for(context, context["count"])
    if context["then"] == "exit":
        os._exit(3)
    if context["then"] == "hang":
        pathlib.Path(context["pids"]).rename(context["pids"] + ".all")
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(1000)
"""

WAYS = [
    ("forks", 1),
    ("leaves_its_session", 1),
    ("forks_twice", 1),
    ("ignores_signals", 1),
    ("forks_many", 40),
]
each_way = pytest.mark.parametrize(("how", "count"), WAYS)


def read_pids(file: Path) -> list[int]:
    return [int(pid) for pid in file.read_text().split()]


@each_way
def test_processes_that_a_task_leaves_are_gone_and_its_child_goes_on(
    sandbox: Sandbox, tmp_path: Path, how: str, count: int
) -> None:
    code, pids = write_code(tmp_path, LEAVES), tmp_path / "pids"
    child = result(sandbox, code, "pid")
    run(sandbox, code, pids=str(pids), how=how, count=count, then="return")
    assert result(sandbox, code, "pid") == child
    assert len(read_pids(pids)) == count
    assert not any(map(is_running, read_pids(pids)))


@each_way
def test_they_are_gone_as_well_where_the_child_is_given_back(
    sandbox: Sandbox, tmp_path: Path, how: str, count: int
) -> None:
    code, pids = write_code(tmp_path, LEAVES), tmp_path / "pids"
    run(sandbox, code, pids=str(pids), how=how, count=count, then="return")
    sandbox.rest()
    wait_all_gone(read_pids(pids))


@each_way
def test_they_are_gone_where_the_task_ends_its_process(
    sandbox: Sandbox, tmp_path: Path, how: str, count: int
) -> None:
    code, pids = write_code(tmp_path, LEAVES), tmp_path / "pids"
    with pytest.raises(ChildDied, match="ended with exit code 3"):
        run(sandbox, code, pids=str(pids), how=how, count=count, then="exit")
    wait_all_gone(read_pids(pids), 2)
    result(sandbox, code, "pid")


@each_way
def test_they_are_gone_where_the_task_is_killed(
    sandbox: Sandbox, tmp_path: Path, how: str, count: int
) -> None:
    code, pids = write_code(tmp_path, LEAVES), tmp_path / "pids"
    attempt = start(sandbox, code, pids=str(pids), how=how, count=count, then="hang")
    told = tmp_path / "pids.all"
    assert wait_until(told.exists, 20)
    assert attempt.wait(0.01) is None
    attempt.kill()
    assert len(read_pids(told)) == count
    assert not any(map(is_running, [attempt.pid, *read_pids(told)]))
    result(sandbox, code, "pid")


SPOILS = """
import ctypes, os, pathlib, signal, threading, time
@cloaca.task()
def pid(context):
    return cloaca.Context({"found": os.getpid()})

@cloaca.task()
def left(context):
    return cloaca.Context({"found": os.listdir(".")})

@cloaca.task()
def it(context):
    LINE
"""


def spoils(folder: Path, line: str):
    return write_code(folder, SPOILS.replace("LINE", line))


@pytest.mark.parametrize(
    "line",
    [
        "threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()",
        "threading.Thread(target=time.sleep, args=(1000,)).start()",
        "os.chmod('.', 0o700); os.rename(os.getcwd(), os.getcwd() + '-away')",
    ],
)
def test_a_child_that_cannot_be_restored_is_done_and_thrown_away(
    sandbox: Sandbox, root: Path, tmp_path: Path, line: str
) -> None:
    code = spoils(tmp_path, line)
    child = result(sandbox, code, "pid")
    assert run(sandbox, code)["ok"] is True
    assert result(sandbox, code, "pid") != child
    assert not is_running(child)
    for away in root.glob("*-away"):
        away.rmdir()


def test_a_thread_that_a_task_waited_for_costs_it_nothing(sandbox: Sandbox, tmp_path: Path) -> None:
    joins = "[t.start() or t.join() for t in [threading.Thread(target=int) for _ in range(20)]]"
    code = spoils(tmp_path, joins)
    child = result(sandbox, code, "pid")
    run(sandbox, code)
    assert result(sandbox, code, "pid") == child


def test_a_task_that_stops_its_own_process_is_killed_like_any_other(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    code = spoils(tmp_path, "os.kill(os.getpid(), signal.SIGSTOP)")
    attempt = start(sandbox, code)
    assert attempt.wait(0.3) is None
    attempt.kill()
    assert not is_running(attempt.pid)
    result(sandbox, code, "pid")


def test_a_scratch_folder_that_was_filled_is_emptied(
    sandbox: Sandbox, root: Path, tmp_path: Path
) -> None:
    fills = (
        "[pathlib.Path(f'a/{i}').mkdir(parents=True) for i in range(300)]\n"
        "    [pathlib.Path(f'{i}').write_bytes(bytes(100_000)) for i in range(300)]\n"
        "    os.chmod('a/1', 0); os.chmod('a', 0)"
    )
    code = spoils(tmp_path, fills)
    run(sandbox, code)
    assert result(sandbox, code, "left") == []
    sandbox.rest()
    (scratch,) = root.glob("scratch-*")
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize("victim", ["nanny", "child"])
def test_a_child_whose_processes_are_killed_is_replaced(
    sandbox: Sandbox, host: Host, tmp_path: Path, victim: str
) -> None:
    code, pids = write_code(tmp_path, LEAVES), tmp_path / "pids"
    attempt = start(sandbox, code, pids=str(pids), how="forks_twice", count=1, then="hang")
    assert wait_until((tmp_path / "pids.all").exists, 20)
    (nanny,) = nannies(host)
    below = descendants(nanny)
    assert len(below) == 2
    os.kill(nanny if victim == "nanny" else attempt.pid, signal.SIGKILL)
    with pytest.raises(ChildDied):
        attempt.wait(20)
    wait_all_gone({nanny, *below}, 2)
    assert result(sandbox, code, "pid") != attempt.pid
