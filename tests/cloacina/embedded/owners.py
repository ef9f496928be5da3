"""Processes that own others, to be killed and looked after."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from cloacina.processes import wait_until

DEADLINE_S = 20.0


@contextmanager
def owner(script: str, *arguments: object) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run a script that prints one line once what it owns runs, and ends with its stdin.

    Gives the script's process and the line.
    """
    argv = [sys.executable, "-c", script, *(str(argument) for argument in arguments)]
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().strip()
            process.stdin.close()
            process.wait(DEADLINE_S)
        finally:
            process.kill()


def is_running(pid: int) -> bool:
    state = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], check=False, capture_output=True, text=True
    ).stdout.strip()
    return bool(state) and not state.startswith("Z")


def command_lines() -> list[str]:
    listing = subprocess.run(["ps", "-A", "-ww", "-o", "args="], check=True, capture_output=True)
    return listing.stdout.decode(errors="replace").splitlines()


def wait_gone(*pids: int) -> None:
    assert wait_until(lambda: not any(is_running(pid) for pid in pids), DEADLINE_S)
