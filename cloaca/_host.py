"""The sandbox host of a worker: `python -I -S .../cloaca/_host.py <fd> <most idle> <idle s>`.

It has loaded what children need, so that a fork is ready at once, and holds no credential. Over the
socket <fd> come datagrams, each with the descriptors (channel, stdout, stderr, leash):

    {"key", "scratch", "variables": {name: value}, "max_scratch_bytes",
     "after": <a nanny's pid, or 0>}

or, without descriptors,

    {"evict": <what stands before the first "/" of keys>}

It hands the descriptors to an idle nanny of that key, else to a new one; a nanny of one key never
serves another. The nanny `after` is being given back: it is waited for, since that is quicker. It
answers nothing: who borrowed hears from the nanny. Nannies of evicted keys end, also those that are
lent, and no other is lent for such a key. It ends, and all nannies with it, on SIGTERM and
when nobody holds the socket's other end.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from typing import Any, NoReturn

# what tasks use most; each costs a child more to import than being forked
PRELOADED = (
    "asyncio",
    "dataclasses",
    "datetime",
    "decimal",
    "inspect",
    "json",
    "logging",
    "pathlib",
    "random",
    "resource",
    "shutil",
    "subprocess",
    "tempfile",
    "traceback",
    "typing",
    "uuid",
    "cloaca",
    "cloaca._failure",
    "cloaca._serve",
    "cloaca._streams",
)

_END_WITHIN_S = 5.0

_PARKED_S = 0.5
"""Seconds that a request waits at most for a nanny that is being given back."""


class Lent:
    """A nanny, as its host sees it.

    Attributes:
        key: whom it may serve.
        control: its socket.
        scratch: its folder.
        idle_since: by the monotonic clock; None while it is lent.
    """

    __slots__ = ("control", "idle_since", "key", "scratch")

    def __init__(self, key: str, control: socket.socket, scratch: str) -> None:
        self.key = key
        self.control = control
        self.scratch = scratch
        self.idle_since: float | None = None

    @property
    def is_lent(self) -> bool:
        """Whether somebody has it, or is giving it back."""
        return self.idle_since is None


class Host:
    """Forks nannies, and keeps those that nobody uses at present.

    Parameters:
        requests: brings what slots want.
        most_idle: of them are kept; the least recently used go first.
        idle_s: seconds that one is kept.
    """

    def __init__(self, requests: socket.socket, most_idle: int, idle_s: float) -> None:
        import signal

        from cloaca._loop import Loop

        self._requests = requests
        self._most_idle = most_idle
        self._idle_s = idle_s
        self._nannies: dict[int, Lent] = {}
        self._parked: list[tuple[float, dict[str, Any], list[int]]] = []
        self._evicted: set[str] = set()
        self._ends = False
        requests.setblocking(False)
        self._loop = Loop()
        self._loop.watch_signals(self._signalled, signal.SIGCHLD, signal.SIGTERM)
        self._loop.watch(requests.fileno(), self._hear_slots)

    def run(self) -> None:
        """Serve until the end."""
        import time

        while not self._ends:
            self._loop.turn(self._until_next_is_due())
            self._lend_parked()
            self._end_idle_ones()
        for nanny in self._nannies.values():
            self._dismiss(nanny)
        until = time.monotonic() + _END_WITHIN_S
        self._loop.forget(self._requests.fileno())
        while self._nannies and time.monotonic() < until:
            self._loop.turn(until - time.monotonic())

    def _signalled(self, numbers: bytes) -> None:
        import signal

        from cloaca._processes import below, kill
        from cloaca._scratch import remove

        if signal.SIGTERM in numbers:
            self._ends = True
        try:
            while pid := os.waitpid(-1, os.WNOHANG)[0]:
                nanny = self._nannies.pop(pid, None)
                if nanny is not None:
                    self._loop.forget(nanny.control.fileno())
                    nanny.control.close()
                    # there still when it was killed
                    remove(nanny.scratch)
        except ChildProcessError:
            return
        me = os.getpid()
        for parent, pid in list(below(me, stop=self._nannies)):
            # what a nanny that was killed has left
            kill(pid, parent)

    def _hear_slots(self) -> None:
        import json
        import time

        from cloaca._handover import close_all, receive

        try:
            message, fds = receive(self._requests)
        except BlockingIOError:
            return
        if not message:
            self._ends = True
            return
        try:
            request = json.loads(message)
        except ValueError as error:
            sys.stderr.write(f"sandbox host: this is not a request: {error}\n")
            close_all(fds)
            return
        if "evict" in request:
            close_all(fds)
            self._evict(str(request["evict"]))
            return
        self._parked.append((time.monotonic() + _PARKED_S, request, fds))

    def _evict(self, owner: str) -> None:
        self._evicted.add(owner)
        for nanny in self._nannies.values():
            if _owner(nanny.key) == owner:
                self._dismiss(nanny)

    def _lend_parked(self) -> None:
        """Lend to all who asked, but those for whom a nanny is worth the wait."""
        import time

        from cloaca._handover import close_all

        for entry in list(self._parked):
            until, request, fds = entry
            coming = self._nannies.get(request.get("after", 0))
            if coming is not None and coming.is_lent and time.monotonic() < until:
                continue
            self._parked.remove(entry)
            try:
                self._lend(request, fds)
            except (OSError, LookupError) as error:
                sys.stderr.write(f"sandbox host: cannot lend a child: {error!r}\n")
            finally:
                # where that failed, who wanted it sees that its leash is let go
                close_all(fds)

    def _lend(self, request: dict[str, Any], fds: list[int]) -> None:
        from cloaca._handover import send
        from cloaca._nanny import LEND

        key = str(request["key"])
        if _owner(key) in self._evicted:
            return
        idle = [n for n in self._nannies.values() if n.key == key and n.idle_since is not None]
        for nanny in sorted(idle, key=lambda n: n.idle_since or 0.0, reverse=True):
            nanny.idle_since = None
            try:
                send(nanny.control, LEND, fds)
            except OSError:
                continue  # it has just ended
            return
        send(self._fork(key, request, fds).control, LEND, fds)

    def _fork(self, key: str, request: dict[str, Any], fds: list[int]) -> Lent:
        from cloaca._handover import pair

        ours, theirs = pair()
        pid = os.fork()
        if not pid:
            self._be_a_nanny(theirs, [ours.fileno(), *fds], request)
        theirs.close()
        ours.setblocking(False)
        nanny = self._nannies[pid] = Lent(key, ours, str(request["scratch"]))
        self._loop.watch(ours.fileno(), lambda: self._hear_nanny(nanny))
        return nanny

    def _be_a_nanny(
        self, control: socket.socket, others: list[int], request: dict[str, Any]
    ) -> NoReturn:
        from cloaca._handover import close_all
        from cloaca._nanny import live

        try:
            # an open copy would keep the end of another nanny's socket from being seen
            for nanny in self._nannies.values():
                nanny.control.close()
            self._requests.close()
            self._loop.leave()
            close_all(others)
            for _, _, fds in self._parked:
                close_all(fds)
            live(
                control,
                str(request["scratch"]),
                request["variables"],
                int(request["max_scratch_bytes"]),
            )
        finally:
            os._exit(1)

    def _hear_nanny(self, nanny: Lent) -> None:
        import time

        from cloaca._handover import close_all, receive
        from cloaca._nanny import IDLE

        try:
            message, fds = receive(nanny.control)
        except BlockingIOError:
            return
        close_all(fds)
        if message == IDLE:
            nanny.idle_since = time.monotonic()
        else:
            # it ends, as the signal of its end will say
            self._loop.forget(nanny.control.fileno())

    def _until_next_is_due(self) -> float | None:
        import time

        due = [until for until, _, _ in self._parked]
        due += [n.idle_since + self._idle_s for n in self._nannies.values() if n.idle_since]
        return max(0.0, min(due) - time.monotonic()) if due else None

    def _end_idle_ones(self) -> None:
        """End those that are idle for too long, or too many."""
        import time

        idle = [n for n in self._nannies.values() if n.idle_since is not None]
        idle.sort(key=lambda nanny: nanny.idle_since or 0.0)
        old = time.monotonic() - self._idle_s
        for position, nanny in enumerate(idle):
            if len(idle) - position > self._most_idle or (nanny.idle_since or 0.0) <= old:
                self._dismiss(nanny)

    def _dismiss(self, nanny: Lent) -> None:
        """Have a nanny see the end of its socket; its own end follows."""
        nanny.idle_since = None
        self._loop.forget(nanny.control.fileno())
        with suppress(OSError):  # it has just ended by itself
            nanny.control.shutdown(2)


def _owner(key: str) -> str:
    return key.partition("/")[0]


def main(fd: int, most_idle: int, idle_s: float) -> None:
    """Serve a socket."""
    # At the end: a package may have modules with the names of whatever lies beside this one.
    sys.path.append(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # noqa: PTH100, PTH120 - pathlib is slow to import

    import gc
    import importlib
    import socket

    from cloaca._processes import take_orphans

    for name in PRELOADED:
        importlib.import_module(name)
    take_orphans()
    host = Host(socket.socket(fileno=fd), most_idle, idle_s)
    # what is there by now is never looked through again, so that children share it
    gc.collect()
    gc.freeze()
    host.run()
    os._exit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
