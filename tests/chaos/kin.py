"""Processes of the harness's own, and the only way in which it sends signals.

A process is known by its number and its time of birth, so that a later process of the same number
is never taken for it.
"""

import ctypes
import os
import signal
from dataclasses import dataclass
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True)
class Ident:
    """A process that was seen.

    Parameters:
        pid: its number.
        born: its time of birth, in the kernel's ticks.
    """

    pid: int
    born: int


@dataclass(frozen=True)
class Seen:
    """What the kernel says of a process."""

    who: Ident
    parent: int
    group: int
    state: str


def look(pid: int) -> Seen | None:
    """Look at a process; None when there is none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return Seen(Ident(pid, int(fields[19])), int(fields[1]), int(fields[2]), fields[0])


def ident(pid: int) -> Ident:
    """Identify a process that is there."""
    seen = look(pid)
    if seen is None:
        raise ProcessLookupError(pid)
    return seen.who


def below(pid: int) -> list[Seen]:
    """Give all processes below one, zombies too."""
    children: dict[int, list[Seen]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        seen = look(int(folder.name))
        if seen is not None:
            children.setdefault(seen.parent, []).append(seen)
    found: list[Seen] = []
    pending = [pid]
    while pending:
        under = children.get(pending.pop(), [])
        found += under
        pending += [seen.who.pid for seen in under]
    return found


def slots_of(worker: int) -> list[Ident]:
    """Give the slots of a worker: they are in its group; tenants' code is in groups of its own."""
    return [
        seen.who
        for seen in below(worker)
        if seen.parent == worker and seen.group == worker and seen.state != "Z"
    ]


def children_of(pid: int) -> set[int]:
    """Give a process's children, fast enough to see one just as it is born."""
    try:
        listed = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return set()
    return {int(child) for child in listed.split()}


def send(who: Ident, number: signal.Signals) -> bool:
    """Signal a process that this one started, or that came of one that it started.

    Parameters:
        who: the process.
        number: the signal.

    Returns:
        False when it is gone; nothing was signalled then.

    Raises:
        PermissionError: the process did not come of this one. That is a mistake of the harness.
    """
    try:
        descriptor = os.pidfd_open(who.pid)
    except ProcessLookupError:
        return False
    try:
        # looked at while the descriptor is held, so what is signalled is what was looked at
        seen = look(who.pid)
        if seen is None or seen.who != who:
            return False
        if not _is_ours(seen):
            raise PermissionError(f"process {who.pid} is none of the harness's")
        signal.pidfd_send_signal(descriptor, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(descriptor)
    return True


def _is_ours(seen: Seen) -> bool:
    me, at = os.getpid(), seen
    while at.parent > 1:
        if at.parent == me:
            return True
        above = look(at.parent)
        # a parent is older than its child; a younger one took over its number
        if above is None or above.who.born > at.who.born:
            return False
        at = above
    return False


def adopt_orphans() -> None:
    """Become the parent of whatever loses its own below us, so that nothing gets out of sight."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def bury_orphans(known: set[int]) -> None:
    """Take note of the end of adopted processes.

    Parameters:
        known: our own children, whose end somebody else takes note of.
    """
    me = os.getpid()
    for seen in below(me):
        if seen.parent == me and seen.state == "Z" and seen.who.pid not in known:
            os.waitpid(seen.who.pid, os.WNOHANG)


def marked(marker: str) -> list[int]:
    """Give the processes whose environment holds a text, wherever they are."""
    found = []
    for file in Path("/proc").glob("[0-9]*/environ"):
        try:
            environ = file.read_bytes()
        except OSError:
            continue
        if marker.encode() in environ:
            found.append(int(file.parent.name))
    return found
