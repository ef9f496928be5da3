"""The process that looks after one child: it ends the child, and all that comes of it.

The host forks it for a key and lends it out, again and again; whoever borrowed it holds the other
end of its leash. It is the parent of every orphan below it. It ends, and everything below it with
it, when the host is gone, when the leash is let go, when the lease is over and when the child ends.

Over the leash, a line each, come

    lease <s>    when everything is killed: a moment of the machine's monotonic clock, in seconds
    tidy         between two tasks: kill all but the child, empty the scratch folder
    rest         give the child back: the same, and the leash may be let go
    kill         kill everything

and go

    here <child's pid> <own pid> fresh|used
                   the child was borrowed; it has loaded its package if used
    tidy yes|no    whether the child can be used again
    ended exit <code> | ended signal <number> | ended lease | ended dirty
    ended scratch <number> bytes|files
                   the scratch folder held more than that
"""

from __future__ import annotations

import os
import signal
import socket
import time
from contextlib import suppress

from cloaca import _child
from cloaca._guard import Guard
from cloaca._handover import close_all, pair, receive, send
from cloaca._loop import Loop
from cloaca._processes import Family, die_with_parent, stat, take_orphans
from cloaca._scratch import Scratch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import NoReturn

LEND = b"lend"
IDLE = b"idle"

END_WITHIN_S = 5.0
TIDY_WITHIN_S = 2.0
HELD_S = 300.0
"""Seconds that a slot may hold a child without running anything in it."""

READY_WITHIN_S = 5.0
"""Seconds until a child that was given back must wait for the next to borrow it."""

# a thread that was joined may still be seen for a moment
_LINGER_S = 0.05
_LONGEST_LINE = 4096


def live(
    control: socket.socket, scratch: str, variables: Mapping[str, str], max_scratch_bytes: int
) -> NoReturn:
    """Be a nanny, in a process that was just forked.

    Parameters:
        control: brings LEND with (channel, stdout, stderr, leash), and is told IDLE.
        scratch: a folder to make for the child.
        variables: what the tenant's code may read from its environment.
        max_scratch_bytes: how much the folder may hold while a task runs.
    """
    try:
        os.setsid()
        take_orphans()
        Nanny(control, Scratch(scratch), variables, max_scratch_bytes).run()
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        os._exit(1)


class Nanny:
    """One child with its scratch folder, and whoever has borrowed it."""

    def __init__(
        self,
        control: socket.socket,
        scratch: Scratch,
        variables: Mapping[str, str],
        max_scratch_bytes: int,
    ) -> None:
        self._control = control
        self._scratch = scratch
        self._guard = Guard(scratch.path, max_scratch_bytes)
        self._loop = Loop()
        self._leash: socket.socket | None = None
        self._lines = b""
        self._deadline: float | None = None
        self._used = self._resting = False
        # how often the child said that it waits, less how often it was lent: 1 while it waits
        self._waits = 0
        # first of all: a child that ends at once must be seen
        self._loop.watch_signals(self._signalled, signal.SIGCHLD)
        self._feed, theirs = pair()
        me = os.getpid()
        child = os.fork()
        if not child:
            self._be_the_child(me, theirs, variables, max_scratch_bytes)
        theirs.close()
        self._family = Family(child)
        self._feed.setblocking(False)
        self._control.setblocking(False)
        self._loop.watch(self._feed.fileno(), self._hear_child)
        self._loop.watch(self._control.fileno(), self._hear_host)

    def _be_the_child(
        self, nanny: int, feed: socket.socket, variables: Mapping[str, str], max_file_bytes: int
    ) -> NoReturn:
        try:
            die_with_parent(nanny)
            self._loop.leave()
            self._feed.close()
            self._control.close()
            _child.live(feed, self._scratch.path, variables, max_file_bytes)
        finally:
            os._exit(1)

    def run(self) -> NoReturn:
        """Look after the child until the end of both."""
        while True:
            now = time.monotonic()
            if self._deadline is not None and self._deadline <= now:
                self._end("lease")
            if too_much := self._guard.step():
                self._end(f"scratch {too_much}")
            due = [at for at in (self._deadline, self._guard.due_at()) if at is not None]
            self._loop.turn(max(0.0, min(due) - now) if due else None)

    def _signalled(self, _: bytes) -> None:
        self._family.reap()
        status = self._family.status
        if status is None:
            return
        if os.WIFSIGNALED(status):
            self._end(f"signal {os.WTERMSIG(status)}")
        self._end(f"exit {os.WEXITSTATUS(status)}")

    def _hear_host(self) -> None:
        try:
            message, fds = receive(self._control)
        except BlockingIOError:
            return
        if message != LEND or len(fds) != 4 or self._leash is not None:
            self._end("")
        self._leash = socket.socket(fileno=fds.pop())
        self._leash.setblocking(False)
        self._lines = b""
        self._loop.watch(self._leash.fileno(), self._hear_slot)
        self._resting = False
        self._waits -= 1
        self._deadline = None
        try:
            send(self._feed, LEND, fds)
        except OSError:
            self._end("dirty")
        close_all(fds)
        loaded = "used" if self._used else "fresh"
        self._tell(f"here {self._family.child} {os.getpid()} {loaded}")

    def _hear_child(self) -> None:
        try:
            message, fds = receive(self._feed)
        except BlockingIOError:
            return
        close_all(fds)
        if message == _child.READY:
            self._waits += 1
            self._rest_if_ready()
        elif not message:
            # the code closed all that it found: this child cannot be lent again
            self._loop.forget(self._feed.fileno())

    def _hear_slot(self) -> None:
        assert self._leash is not None  # noqa: S101 - heard from it just now
        try:
            piece = self._leash.recv(_LONGEST_LINE)
        except BlockingIOError:
            return
        except ConnectionError:
            piece = b""
        *lines, self._lines = (self._lines + piece).split(b"\n")
        for line in lines:
            self._obey(line.decode("ascii", "replace"))
        if self._leash is not None and (not piece or len(self._lines) > _LONGEST_LINE):
            self._end("")

    def _obey(self, line: str) -> None:
        word, _, rest = line.partition(" ")
        if word == "lease":
            self._deadline = float(rest)
            self._guard.watch()
        elif word == "tidy":
            clean = self._tidy()
            # nothing of the tenant's runs now: whoever holds the child may keep it for a while
            self._deadline = time.monotonic() + HELD_S
            self._tell(f"tidy {'yes' if clean else 'no'}")
            if not clean:
                self._end("dirty")
        elif word == "rest":
            if not self._tidy():
                self._end("dirty")
            self._resting = self._used = True
            self._deadline = time.monotonic() + READY_WITHIN_S
            self._drop_leash()
            self._rest_if_ready()
        else:
            self._end("")

    def _rest_if_ready(self) -> None:
        if self._resting and self._waits == 1:
            self._deadline = None
            try:
                send(self._control, IDLE)
            except OSError:
                self._end("")

    def _tidy(self) -> bool:
        """Leave nothing of a task; tell whether the child may be used again."""
        self._guard.rest()
        return (
            self._family.end_others(TIDY_WITHIN_S)
            and self._family.status is None
            and _has_one_thread(self._family.child)
            and self._scratch.empty()
        )

    def _tell(self, line: str) -> None:
        if self._leash is not None:
            with suppress(OSError):  # nobody listens any more, as is seen in a moment
                self._leash.send(line.encode() + b"\n")

    def _drop_leash(self) -> None:
        if self._leash is not None:
            self._loop.forget(self._leash.fileno())
            self._leash.close()
            self._leash = None

    def _end(self, how: str) -> NoReturn:
        self._family.end(END_WITHIN_S)
        if how:
            self._tell(f"ended {how}")
        self._drop_leash()
        self._scratch.remove()
        os._exit(0)


def _has_one_thread(pid: int) -> bool:
    """Tell whether a process runs, and no thread of the code's is left in it."""
    until = time.monotonic() + _LINGER_S
    while True:
        status = stat(pid)
        if status is None:
            return not os.path.exists("/proc/self/stat")  # noqa: PTH110 - pathlib is slow to import
        if status.state in "ZXTt":
            return False
        if status.threads == 1:
            return True
        if time.monotonic() >= until:
            return False
        time.sleep(0.001)
