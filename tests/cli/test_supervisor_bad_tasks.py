"""What people see, at the command line, of tasks that behaved badly in a whole server."""

import sys
from pathlib import Path

import pytest

from cloacina.embedded import temporary_data_root
from cloacina.packages.pack import pack
from tests.cli.test_supervisor_tasks import client, wait_for_end
from tests.cli.test_supervisor_whole import service
from tests.workers.fleet import MANIFEST

TASKS = """
import os, pathlib, time
import cloaca

@cloaca.task(retry_attempts=1)
def dies(context):
    print("a whole line")
    print("a line without an end", end="", flush=True)
    os._exit(3)

@cloaca.task(retry_attempts=1)
def fills(context):
    print("fills")
    for number in range(6):
        pathlib.Path(str(number)).write_bytes(bytes(1024 * 1024))
    time.sleep(1000)

@cloaca.task(retry_attempts=1, timeout_s=1)
def hangs(context):
    print("hangs", end="", flush=True)
    time.sleep(1000)

@cloaca.task(retry_attempts=1)
def returns(context):
    return 5

@cloaca.task(dependencies=["dies", "fills", "hangs", "returns"])
def after(context):
    return cloaca.Context({"after": True})
"""

REASONS = {
    "dies": "process_died: the process that ran the code ended with exit code 3 before it answered",
    "fills": "scratch_full: the task's scratch folder held more than 4194304 bytes",
    "hangs": "timeout: the task took longer than 1 s and was killed",
    "returns": "TypeError: Task 'returns' returned int: return the context, or None",
    "after": "-",
}


def make_package(folder: Path) -> Path:
    """Pack a package of tasks that behave badly."""
    modules = folder / "source" / "workflow" / "badly"
    modules.mkdir(parents=True)
    (folder / "source" / "package.toml").write_text(MANIFEST.format(name="badly"))
    (modules / "__init__.py").touch()
    (modules / "tasks.py").write_text(TASKS)
    return pack(folder / "source", folder)


@pytest.mark.skipif(sys.platform != "linux", reason="nothing else finds what runs below")
def test_the_reasons_and_the_last_words_of_bad_tasks_are_shown() -> None:
    with temporary_data_root() as root:
        folder = root / "tasks"
        folder.mkdir()
        limit = {"CLOACINA_MAX_SCRATCH_BYTES": str(4 * 1024 * 1024)}
        with service(root / "home", "server", "start", **limit) as server:
            server.wait_for_log("ready: http")
            client(server, "package", "upload", str(make_package(folder)), "--wait")
            run = client(server, "workflow", "run", "badly")
            ended = wait_for_end(server, run)
            assert (ended["status"], ended["context"]) == ("Failed", {"after": True})
            assert "4 task(s) failed, 1 completed, 0 skipped" in client(
                server, "execution", "status", run
            )
            _, *rows = client(server, "execution", "tasks", run).splitlines()
            shown = {row.split()[0]: row for row in rows}
            assert shown.keys() == REASONS.keys()
            for name, reason in REASONS.items():
                assert shown[name].rstrip().endswith(f" {reason}")
            lines = client(server, "execution", "logs", run).splitlines()
            # the time, the task's name, its stream, the line
            assert sorted(line.split(None, 1)[1].split(None, 1)[0] for line in lines) == [
                "dies",
                "dies",
                "fills",
                "hangs",
            ]
            said = [line.partition(" | ")[2] for line in lines]
            assert sorted(said) == ["a line without an end", "a whole line", "fills", "hangs"]
