"""What processes cost, from /proc: CPU seconds and memory, by the part that they belong to."""

import os
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

Kind = str
KindOf = Callable[[list[str], Kind | None, list[str]], Kind]

_TICKS = os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")
# where the CPU time of processes that ended is put: what a slot waited for were children
_REAPED = {"worker main": "slots", "slots": "children"}


@dataclass(frozen=True)
class Process:
    """A process as it was when it was looked at.

    Parameters:
        pid, kind: which it is.
        cpu_s: its own CPU seconds, in user and kernel mode.
        reaped_s: those of its children that ended.
    """

    pid: int
    kind: Kind
    cpu_s: float
    reaped_s: float


@dataclass(frozen=True)
class Memory:
    """Memory in MiB: PSS counts a shared page once over all who share it, RSS for each of them."""

    pss: float
    rss: float


class Tree:
    """A process and all that descend from it.

    Parameters:
        root: the process.
        kind_of: names the part that a process belongs to; it is given the process's command line,
            its parent's part and its parent's command line.
    """

    def __init__(self, root: int, kind_of: KindOf) -> None:
        self._root = root
        self._kind_of = kind_of

    def look(self) -> list[Process]:
        """Find the processes as they are now."""
        children = defaultdict(list)
        for entry in _PROC.iterdir():
            if entry.name.isdecimal():
                with suppress(OSError):
                    children[_parent(int(entry.name))].append(int(entry.name))
        found: list[Process] = []
        open_ends: list[tuple[int, Kind | None, list[str]]] = [(self._root, None, [])]
        while open_ends:
            pid, parents_kind, parents_command = open_ends.pop()
            with suppress(OSError):
                command = _command(pid)
                kind = self._kind_of(command, parents_kind, parents_command)
                found.append(Process(pid, kind, *_cpu_seconds(pid)))
                open_ends += [(child, kind, command) for child in children[pid]]
        return found

    def pids(self, kind: Kind) -> list[int]:
        """Give the processes of a part."""
        return [process.pid for process in self.look() if process.kind == kind]

    def memory(self) -> dict[Kind, Memory]:
        """Give the memory of each part."""
        sums: dict[Kind, Memory] = {}
        for process in self.look():
            with suppress(OSError):
                pss, rss = _memory(process.pid)
                before = sums.get(process.kind, Memory(0, 0))
                sums[process.kind] = Memory(before.pss + pss, before.rss + rss)
        return sums


def cpu_seconds(before: list[Process], after: list[Process]) -> dict[Kind, float]:
    """Give the CPU seconds that each part spent between two looks, also in processes that ended."""
    earlier = {process.pid: process for process in before}
    sums: dict[Kind, float] = defaultdict(float)
    for process in after:
        known = earlier.pop(process.pid, None)
        sums[process.kind] += process.cpu_s - (known.cpu_s if known else 0)
        reaped = process.reaped_s - (known.reaped_s if known else 0)
        sums[_REAPED.get(process.kind, process.kind)] += reaped
    for ended in earlier.values():
        # its parent's sum now holds all of its life
        sums[ended.kind] -= ended.cpu_s + ended.reaped_s
    return {kind: max(seconds, 0.0) for kind, seconds in sums.items()}


def _stat(pid: int) -> list[str]:
    # the name, in brackets, may hold anything
    return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()


def _parent(pid: int) -> int:
    return int(_stat(pid)[1])


def _cpu_seconds(pid: int) -> tuple[float, float]:
    user, system, reaped_user, reaped_system = (int(ticks) for ticks in _stat(pid)[11:15])
    return (user + system) / _TICKS, (reaped_user + reaped_system) / _TICKS


def _command(pid: int) -> list[str]:
    text = (_PROC / str(pid) / "cmdline").read_bytes().decode(errors="replace")
    return text.rstrip("\0").split("\0")


def _memory(pid: int) -> tuple[float, float]:
    lines = (_PROC / str(pid) / "smaps_rollup").read_text().splitlines()
    kib = {line.split(":")[0]: int(line.split()[1]) for line in lines[1:]}
    return kib["Pss"] / 1024, kib["Rss"] / 1024
