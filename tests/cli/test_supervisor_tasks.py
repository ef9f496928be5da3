"""The whole server, told to stop while a task runs."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cloacina.embedded import temporary_data_root
from cloacina.packages.pack import pack
from cloacina.processes import wait_until
from tests.cli.test_supervisor_whole import Running, service
from tests.cloacina.embedded.owners import is_running
from tests.workers.fleet import MANIFEST
from tests.workers.modules import WAITS

GRACE_S = 2
START = ("server", "start", "--workers", "2")


def client(server: Running, *words: str) -> str:
    """Run a command against the server and give what it prints."""
    flags = ("--server", f"http://{server.address}", "--api-key", "file:bootstrap-key")
    done = subprocess.run(
        [sys.executable, "-m", "cli", "--home", str(server.home), *flags, *words],
        check=True,
        capture_output=True,
        text=True,
        cwd=server.home,
        env={"PYTHONPATH": str(Path(__file__).parents[2])},
        timeout=60,
    )
    return done.stdout.strip()


def begun(folder: Path) -> int:
    """Give how often the task has begun."""
    file = folder / "begun"
    return len(file.read_text().split()) if file.exists() else 0


def make_package(folder: Path) -> Path:
    """Pack a package whose task waits for a file."""
    modules = folder / "source" / "workflow" / "waits"
    modules.mkdir(parents=True)
    (folder / "source" / "package.toml").write_text(MANIFEST.format(name="waits"))
    (modules / "__init__.py").touch()
    (modules / "tasks.py").write_text(WAITS)
    return pack(folder / "source", folder)


@pytest.mark.skipif(sys.platform != "linux", reason="nothing else finds what runs below")
def test_a_task_that_outlasts_a_stop_runs_again_at_the_next_start() -> None:
    with temporary_data_root() as root:
        folder = root / "tasks"
        folder.mkdir(mode=0o777)
        grace = {"CLOACINA_WORKER_STOP_GRACE_S": str(GRACE_S)}
        with service(root / "home", *START, **grace) as server:
            server.wait_for_log("ready: http")
            client(server, "package", "upload", str(make_package(folder)), "--wait")
            run = client(server, "workflow", "run", "waits", "--param", f"folder={folder}")
            server.wait_for(lambda: begun(folder) == 1, "the task begins")
            pids = [*server.started(), server.process.pid]
            asked = time.monotonic()
            server.process.terminate()
            assert server.process.wait(30) == 0
            assert time.monotonic() - asked >= GRACE_S
            assert not any(is_running(pid) for pid in pids)
            assert "given back: worker_stopped" in server.log()
            assert "killing" not in server.log()
        with service(root / "home", *START) as server:
            server.wait_for_log("ready: http")
            server.wait_for(lambda: begun(folder) == 2, "the task begins again")
            (folder / "go").touch()
            shown = wait_for_end(server, run)
            assert shown["status"] == "Completed"
            events = client(server, "execution", "events", run)
            assert events.count("task_reset") == 1
            assert '{"reason": "worker_stopped"}' in events


def wait_for_end(server: Running, run: str) -> dict[str, object]:
    """Wait until an execution has ended, and give it."""
    found: dict[str, object] = {}

    def has_ended() -> bool:
        found.update(json.loads(client(server, "execution", "status", run, "--json")))
        return bool(found["completed_at"])

    assert wait_until(has_ended, 60, 0.2)
    return found
