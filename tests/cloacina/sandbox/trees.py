"""Processes below others, as the kernel tells of them."""

import os
import subprocess
from collections.abc import Iterable

from cloacina.processes import wait_until
from cloacina.sandbox import Host
from tests.cloacina.embedded.owners import DEADLINE_S, is_running


def parents() -> dict[int, int]:
    """Give the parent of every process."""
    listing = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], check=True, capture_output=True)
    pairs = [line.split() for line in listing.stdout.decode().splitlines()]
    return {int(pid): int(parent) for pid, parent in pairs}


def descendants(pid: int) -> set[int]:
    """Give the processes below one, of whatever session."""
    up = parents()
    found: set[int] = set()
    while added := {p for p, parent in up.items() if parent in found | {pid}} - found:
        found |= added
    return {p for p in found if is_running(p)}


def nannies(host: Host) -> set[int]:
    """Give the processes that a host is the parent of."""
    return {pid for pid, parent in parents().items() if parent == host.pid and is_running(pid)}


def wait_all_gone(pids: Iterable[int], within_s: float = DEADLINE_S) -> None:
    """Wait until processes have ended."""
    left = list(pids)
    assert wait_until(lambda: not any(map(is_running, left)), within_s), left
    assert os.getpid() not in left
