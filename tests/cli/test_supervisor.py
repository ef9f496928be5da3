"""The supervisor with small real processes in the place of its parts."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cli import supervisor
from cli.supervisor import Part, Step
from cloacina.processes import spawn, wait_until
from tests.cloacina.embedded.owners import DEADLINE_S, is_running, wait_gone

# each part is a shell script, whose process id is its $$
SUPERVISE = """
import json, logging, signal, sys
from cli.signals import Signals
from cli.supervisor import Part, Step, Supervisor
from cloacina.processes import spawn

logging.basicConfig(level="INFO", format="%(message)s")
step = None

def make(kind, name, script):
    global step
    def launch():
        return spawn(["/bin/sh", "-c", script], death_signal=signal.SIGKILL, environ={})
    made = Step(name, launch) if kind == "step" else Part(name, launch, needs=step)
    step = made if kind == "step" else step
    return made

parts, servers = ([make(*row) for row in rows] for rows in json.loads(sys.argv[1]))
with Signals() as signals:
    Supervisor(signals, parts, servers).run()
"""
FOREVER = "echo $$ >> pids; exec sleep 600"
STUBBORN = "trap '' TERM; echo $$ >> pids; while :; do sleep 0.05; done"


class Supervised:
    """A running supervisor, in a folder that its parts write to."""

    def __init__(self, folder: Path, process: subprocess.Popen[bytes]) -> None:
        self.folder = folder
        self.process = process

    def lines(self, name: str) -> list[str]:
        path = self.folder / name
        return path.read_text().splitlines() if path.exists() else []

    def wait_for_lines(self, name: str, count: int) -> list[str]:
        assert wait_until(lambda: len(self.lines(name)) >= count, DEADLINE_S), self.lines("log")
        return self.lines(name)

    def wait_for_pids(self, count: int) -> list[int]:
        return [int(line) for line in self.wait_for_lines("pids", count)]

    def wait_for_log(self, text: str) -> None:
        assert wait_until(lambda: text in self.lines("log"), DEADLINE_S), self.lines("log")


@contextmanager
def supervised(
    folder: Path, *scripts: str, steps: tuple[str, ...] = (), servers: tuple[str, ...] = ()
) -> Iterator[Supervised]:
    parts = [("step", f"step {n}", script) for n, script in enumerate(steps)]
    parts += [("part", f"part {n}", script) for n, script in enumerate(scripts)]
    rows = (parts, [("part", f"server {n}", script) for n, script in enumerate(servers)])
    argv = [sys.executable, "-c", SUPERVISE, json.dumps(rows)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(argv, cwd=folder, stderr=log)
    try:
        yield Supervised(folder, process)
    finally:
        process.kill()
        process.wait()


def test_a_part_that_ends_is_started_again(tmp_path: Path) -> None:
    with supervised(tmp_path, FOREVER) as run:
        (first,) = run.wait_for_pids(1)
        os.kill(first, signal.SIGKILL)
        again = run.wait_for_pids(2)[1]
        assert again != first
        assert "part 0 ended (killed by SIGKILL); starting it again in 0.5 s" in run.lines("log")


def test_a_part_that_keeps_ending_is_started_later_each_time(tmp_path: Path) -> None:
    with supervised(tmp_path, "exit 3") as run:
        for delay in ("0.5", "1", "2"):
            run.wait_for_log(f"part 0 ended (exit code 3); starting it again in {delay} s")


def test_a_part_that_lived_long_is_started_again_as_soon_as_at_first(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(supervisor, "STEADY_AFTER_S", 0.0)
    monkeypatch.setattr(supervisor, "FIRST_DELAY_S", 0.01)

    def launch() -> subprocess.Popen[bytes]:
        return spawn(["/bin/sh", "-c", "exit 1"], death_signal=signal.SIGKILL, environ={})

    part = Part("part", launch)
    part.look_after()

    def has_ended_thrice() -> bool:
        part.look_after()
        return len(caplog.messages) >= 3

    assert wait_until(has_ended_thrice, DEADLINE_S)
    part.kill()
    assert set(caplog.messages) == {"part ended (exit code 1); starting it again in 0.01 s"}


def test_a_part_that_cannot_be_started_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    def launch() -> subprocess.Popen[bytes]:
        return spawn(["/no/such/program"], death_signal=signal.SIGKILL, environ={})

    part = Part("part", launch)
    assert 0 < part.look_after() <= supervisor.FIRST_DELAY_S
    assert "part cannot be started: " in caplog.text


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_request_to_stop_ends_everything(tmp_path: Path, number: signal.Signals) -> None:
    with supervised(tmp_path, FOREVER, FOREVER, servers=(FOREVER,)) as run:
        pids = run.wait_for_pids(3)
        run.process.send_signal(number)
        assert run.process.wait(10) == 0
        assert not any(is_running(pid) for pid in pids)


def test_servers_are_stopped_after_the_parts_that_use_them(tmp_path: Path) -> None:
    def script(name: str, last_work: str) -> str:
        end = f"{last_work}; echo {name} >> order; exit 0"
        return f"trap '{end}' TERM; echo $$ >> pids; while :; do sleep 0.05; done"

    parts = (script("slow", "sleep 0.5"), script("quick", "true"))
    with supervised(tmp_path, *parts, servers=(script("server", "true"),)) as run:
        run.wait_for_pids(3)
        run.process.terminate()
        assert run.process.wait(10) == 0
        assert run.lines("order") == ["quick", "slow", "server"]


def test_a_second_request_kills_what_does_not_end(tmp_path: Path) -> None:
    with supervised(tmp_path, STUBBORN) as run:
        (pid,) = run.wait_for_pids(1)
        run.process.terminate()
        run.wait_for_log("stopping; once more to kill")
        assert is_running(pid)
        run.process.terminate()
        assert run.process.wait(10) == 0
        assert not is_running(pid)


def test_the_terminals_interrupt_reaches_no_part(tmp_path: Path) -> None:
    with supervised(tmp_path, FOREVER) as run:
        (pid,) = run.wait_for_pids(1)
        assert os.getpgid(pid) == os.getsid(pid) == pid
        assert os.getsid(run.process.pid) != pid


def test_nothing_outlives_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    with supervised(tmp_path, FOREVER, STUBBORN, servers=(FOREVER,)) as run:
        pids = run.wait_for_pids(3)
        run.process.kill()
        wait_gone(*pids)


def test_what_a_part_leaves_behind_is_killed_before_it_is_started_again(tmp_path: Path) -> None:
    script = "sleep 600 & echo $! >> children; echo $$ >> pids; wait"
    with supervised(tmp_path, script) as run:
        (parent,) = run.wait_for_pids(1)
        child = int(run.lines("children")[0])
        os.kill(parent, signal.SIGKILL)
        run.wait_for_pids(2)
        wait_gone(child)


def test_parts_wait_for_a_step_that_is_repeated_until_it_succeeds(tmp_path: Path) -> None:
    step = "echo try >> tries; test -e may_succeed"
    needy = "cp tries tries_before; echo $$ >> pids; exec sleep 600"
    with supervised(tmp_path, needy, steps=(step,)) as run:
        run.wait_for_lines("tries", 2)
        assert run.lines("pids") == []
        (tmp_path / "may_succeed").touch()
        run.wait_for_pids(1)
        run.wait_for_log("step 0: done")
        assert run.lines("tries") == run.lines("tries_before")


def test_a_step_that_succeeded_is_not_run_again() -> None:
    def launch() -> subprocess.Popen[bytes]:
        return spawn(["/bin/sh", "-c", "exit 0"], death_signal=signal.SIGKILL, environ={})

    step = Step("step", launch)
    step.look_after()

    def has_succeeded() -> bool:
        step.look_after()
        return step.succeeded

    assert wait_until(has_succeeded, DEADLINE_S)
    assert step.look_after() == supervisor.IDLE_S
    assert step.process is None
