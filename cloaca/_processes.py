"""What runs below this process: found and ended, wherever it has gone.

A process that leaves its session, or whose parent ends, still lands on the nearest ancestor that
asked for orphans (Linux). Other systems have no such thing: there a process group is all that ends.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container, Iterator

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_LINUX = sys.platform == "linux"

_PAUSE_S = 0.001


def take_orphans() -> None:
    """Become the parent of every process below whose own parent ends."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when its parent ends, in whichever way.

    Parameters:
        parent: the parent's pid, as known before the fork: it may be gone already.
    """
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _prctl(option: int, value: int) -> None:
    if _LINUX:
        import ctypes

        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


class Stat:
    """How a process stands.

    Attributes:
        state: one letter, as in /proc/<pid>/stat.
        parent: its parent's pid.
        threads: how many it has.
    """

    __slots__ = ("parent", "state", "threads")

    def __init__(self, text: bytes) -> None:
        # the name before it is the process's own choice, brackets and spaces included
        fields = text.rpartition(b")")[2].split()
        self.state = fields[0].decode()
        self.parent = int(fields[1])
        self.threads = int(fields[17])

    @property
    def is_dead(self) -> bool:
        """Whether nothing of it runs; it only waits for its parent to look."""
        return self.state in "ZX" and self.threads <= 1


def stat(pid: int) -> Stat | None:
    """Look at a process; None where it is gone, or the system does not tell."""
    try:
        with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:  # noqa: PTH123 - pathlib is slow
            return Stat(file.read(4096))
    except OSError:
        return None


def children_of(pid: int) -> list[int]:
    """Give the processes that a process is the parent of, dead ones included."""
    found: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208 - pathlib is slow
            path = f"/proc/{pid}/task/{thread}/children"
            with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - pathlib is slow
                while piece := file.read(65536):
                    found += map(int, piece.split())
    except OSError:
        # a thread that ended meanwhile, or a kernel that keeps no such lists
        return _children_by_search(pid) if stat(pid) else []
    return found


def _children_by_search(pid: int) -> list[int]:
    found = []
    for name in os.listdir("/proc"):  # noqa: PTH208 - pathlib is slow
        if name.isdecimal() and (status := stat(int(name))) and status.parent == pid:
            found.append(int(name))
    return found


def below(pid: int, stop: Container[int] = ()) -> Iterator[tuple[int, int]]:
    """Give (parent, process) of everything that runs below a process.

    Parameters:
        pid: the process.
        stop: processes that are left out, with what is below them.
    """
    pending = [pid]
    while pending:
        parent = pending.pop()
        for child in children_of(parent):
            status = stat(child) if child not in stop else None
            if status is not None and not status.is_dead:
                pending.append(child)
                yield parent, child


def kill(pid: int, parent: int) -> None:
    """Kill a process, if it is still a child of `parent`: its number may be another's by now."""
    if sys.platform != "linux":
        return
    with suppress(OSError):
        fd = os.pidfd_open(pid)
        try:
            status = stat(pid)
            if status is not None and status.parent == parent:
                signal.pidfd_send_signal(fd, signal.SIGKILL)
        finally:
            os.close(fd)


class Family:
    """A child of this process, and everything that comes of it.

    Parameters:
        child: the child's pid.

    Attributes:
        status: how the child ended, as `os.waitpid` gives it; None while it runs.
    """

    def __init__(self, child: int) -> None:
        self.child = child
        self.status: int | None = None

    def reap(self) -> bool:
        """Take note of who has ended; tell whether anybody is left."""
        try:
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if not pid:
                    return True
                if pid == self.child:
                    self.status = status
        except ChildProcessError:
            return False

    def end(self, within_s: float) -> bool:
        """Kill everybody; tell whether nobody is left."""
        until = time.monotonic() + within_s
        while self.reap():
            if time.monotonic() >= until:
                return False
            self._kill_group()
            for parent, pid in list(below(os.getpid())):
                kill(pid, parent)
            if self.reap():
                time.sleep(_PAUSE_S)
        return True

    def end_others(self, within_s: float) -> bool:
        """Kill everybody but the child; tell whether nobody else is left."""
        until = time.monotonic() + within_s
        while others := [(up, pid) for up, pid in below(os.getpid()) if pid != self.child]:
            if time.monotonic() >= until:
                return False
            for parent, pid in others:
                kill(pid, parent)
            self.reap()
            time.sleep(_PAUSE_S)
        self.reap()
        return True

    def _kill_group(self) -> None:
        """Kill the child's process group, which is all that can be found outside Linux."""
        if not _LINUX and self.status is None:
            with suppress(OSError):
                os.killpg(self.child, signal.SIGKILL)
