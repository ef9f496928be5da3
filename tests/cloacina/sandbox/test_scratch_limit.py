"""A task that fills its scratch folder ends alone, and the disk is free again."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cloacina.processes import wait_until
from cloacina.sandbox import Host, Sandbox
from cloacina.sandbox.errors import ChildDied, ScratchFull
from tests.cloacina.embedded.owners import is_running
from tests.cloacina.sandbox.codes import finding, result, run, start, write_code

MIB = 1024 * 1024
LIMIT = 4 * MIB

FILLS = (
    finding("os.getpid()", task_id="pid")
    + """
import os, pathlib, time

def write(number):
    pathlib.Path(f"{number}").write_bytes(bytes(1024 * 1024))

def many(context):
    for number in range(6):
        write(number)
    time.sleep(1000)

def by_another(context):
    if not os.fork():
        os.setsid()
        many(context)
    time.sleep(1000)

def one(context):
    with open("one", "wb") as file:
        for _ in range(6):
            file.write(bytes(1024 * 1024))

def deep(context):
    for _ in range(3000):
        os.mkdir("a")
        os.chdir("a")

@cloaca.task()
def it(context):
    globals()[context["how"]](context)
"""
)


@pytest.fixture
def host(root: Path) -> Iterator[Host]:
    host = Host(root, max_scratch_bytes=LIMIT)
    host.start()
    yield host
    host.close()


@pytest.mark.parametrize("how", ["many", "by_another"])
def test_a_task_that_fills_its_scratch_folder_is_killed_and_the_folder_removed(
    sandbox: Sandbox, root: Path, tmp_path: Path, how: str
) -> None:
    code = write_code(tmp_path, FILLS)
    attempt = start(sandbox, code, how=how)
    with pytest.raises(ScratchFull) as caught:
        attempt.wait(20)
    assert caught.value.message == "the task's scratch folder held more than 4194304 bytes"
    assert not is_running(attempt.pid)
    assert wait_until(lambda: not list(root.glob("scratch-*")), 20)
    assert result(sandbox, code, "pid") != attempt.pid


def test_a_file_cannot_outgrow_the_limit_and_says_which_that_is(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    code = write_code(tmp_path, FILLS)
    child = result(sandbox, code, "pid")
    error = run(sandbox, code, how="one")["error"]
    assert (error["type"], error["message"]) == (
        "OSError",
        "[Errno 27] File too large (a file that a task writes may hold 4194304 bytes)",
    )
    assert result(sandbox, code, "pid") == child


def test_a_lease_that_ends_is_kept_to_while_the_folder_is_looked_at(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    code = write_code(
        tmp_path,
        "import pathlib, time\n@cloaca.task()\ndef it(context):\n"
        "    [pathlib.Path(str(n)).symlink_to('x') for n in range(5000)]\n"
        "    time.sleep(1000)\n",
    )
    attempt = start(sandbox, code, lease_s=2.5)
    with pytest.raises(ChildDied, match="its worker did not respond"):
        attempt.wait(20)
    assert not is_running(attempt.pid)


def test_folders_inside_each_other_harm_neither_child_nor_host(
    sandbox: Sandbox, host: Host, root: Path, tmp_path: Path
) -> None:
    code, pid = write_code(tmp_path, FILLS), host.pid
    for _ in range(2):
        assert run(sandbox, code, how="deep")["ok"] is True
        sandbox.rest()
    assert wait_until(lambda: not any(list(each.iterdir()) for each in root.glob("scratch-*")), 20)
    result(sandbox, code, "pid")
    host.ensure_running()
    assert host.pid == pid
