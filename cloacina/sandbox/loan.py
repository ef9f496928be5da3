"""A child that was borrowed: its frames, its output, and the leash that its nanny holds.

`cloaca/_nanny.py` says what goes over the leash.
"""

import array
import base64
import contextlib
import fcntl
import os
import select
import socket
import termios
import time
from collections.abc import Callable, Mapping
from typing import Any

from cloacina.sandbox.channel import Channel
from cloacina.sandbox.epitaph import death
from cloacina.sandbox.errors import ChildDied
from cloacina.sandbox.host import LEND_WITHIN_S, Host

# a process that ends closes its channel a little before its nanny can tell how it ended
LAST_BREATH_S = 1.0
TIDY_WITHIN_S = 5.0
_KILL_WITHIN_S = 2.0

_PIECE = 256 * 1024

OnOutput = Callable[[str, bytes], None]


class HostLost(Exception):
    """The host ended after it had been asked, and before anything ran."""


def _ignore(_stream: str, _data: bytes) -> None:
    pass


class Loan:
    """A borrowed child; nothing of it blocks for longer than it is told to.

    Parameters:
        channel: to the child.
        out, err: the reading ends of its output.
        leash: to its nanny.

    Attributes:
        on_output: gets ("stdout" | "stderr", bytes) of all that is written.
        closed: whether it was given back, killed or handed on.
        pid, nanny: of the child and of its nanny.
        used: whether it has loaded its package.
    """

    def __init__(self, channel: socket.socket, out: int, err: int, leash: socket.socket) -> None:
        self._channel = Channel(channel)
        self._leash = leash
        self._outputs = {out: "stdout", err: "stderr"}
        self._fds = (out, err)
        self._lines = b""
        self._replies: list[str] = []
        self._ended: str | None = None
        self._is_leash_open = True
        self._is_tidying = False
        self.on_output: OnOutput = _ignore
        self.closed = False
        self.pid = self.nanny = 0
        self.used = False
        self._poll = select.poll()
        for fd in (channel.fileno(), out, err, leash.fileno()):
            os.set_blocking(fd, False)
            self._poll.register(fd, select.POLLIN)

    @classmethod
    def borrow(cls, host: Host, key: str, variables: Mapping[str, str], after: int = 0) -> "Loan":
        """Borrow a child.

        Parameters:
            host, key, variables, after: as for `Host.lend`.

        Raises:
            HostLost: try again.
            ChildDied: there is none to be had.
            OSError: the host cannot be asked.
        """
        channel, theirs = socket.socketpair()
        leash, nannys = socket.socketpair()
        out, out_writer = os.pipe()
        err, err_writer = os.pipe()
        loan = cls(channel, out, err, leash)
        try:
            fds = [theirs.fileno(), out_writer, err_writer, nannys.fileno()]
            host.lend(key, variables, fds, after)
        except BaseException:
            loan._close()
            raise
        finally:
            theirs.close()
            nannys.close()
            os.close(out_writer)
            os.close(err_writer)
        try:
            words = loan._reply(LEND_WITHIN_S).split(" ")
        except BaseException:
            loan.kill()
            raise
        if words[0] == "here":
            loan.pid, loan.nanny, loan.used = int(words[1]), int(words[2]), words[3] == "used"
            return loan
        is_lost = not loan._is_leash_open and not loan._ended
        loan.kill()
        if is_lost:
            raise HostLost
        raise ChildDied("no process could be started for the code")

    def send(self, request: Mapping[str, Any]) -> None:
        """Begin to send a frame; `receive` goes on with it."""
        self._channel.send(request)

    def receive(self, timeout_s: float) -> dict[str, Any] | None:
        """Wait for a frame, while output is passed on.

        Parameters:
            timeout_s: seconds to wait; 0 takes what is there.

        Returns:
            The frame, or None when the time is over.

        Raises:
            ChildDied: the process ended, or sent what is no frame. The child is killed.
        """
        until = time.monotonic() + timeout_s
        try:
            while True:
                left = max(0.0, until - time.monotonic())
                self._move(left)
                frame = self._channel.take()
                if frame is not None:
                    self._drain(self.on_output)
                    return frame
                if not (self._channel.is_open and self._is_leash_open) or self._ended:
                    # what it sent before it ended
                    self._channel.read()
                    frame = self._channel.take()
                    if frame is not None:
                        self._drain(self.on_output)
                        return frame
                    raise self._death()
                if not left:
                    return None
        except ChildDied:
            self.kill()
            raise

    def extend(self, until: float) -> None:
        """Let the nanny kill the child only then, by the machine's monotonic clock.

        A moment and no duration: this process may be stopped before the nanny hears of it.
        """
        self._tell(f"lease {until:.3f}")

    def is_open(self, fd: int) -> bool:
        """Say whether something may still come over one of its descriptors."""
        return fd not in self._fds or fd in self._outputs

    def tidy(self) -> None:
        """Have the nanny begin to clear up after a task."""
        self._tell("tidy")
        self._is_tidying = True

    def is_usable(self) -> bool:
        """Tell whether the child may be used again; waits for the nanny to have cleared up."""
        if self.closed:
            return False
        if self._is_tidying:
            self._is_tidying = False
            if self._reply(TIDY_WITHIN_S) != "tidy yes":
                return False
        # what descendants wrote until they were killed is nobody's
        self._drain(_ignore)
        try:
            self._move(0)
        except ChildDied:
            return False
        # a child that speaks without being asked is none to go on with
        return (
            self._channel.is_open
            and self._is_leash_open
            and not (self._ended or self._channel.is_receiving)
        )

    def rest(self) -> None:
        """Give the child back."""
        if not self.closed:
            self._tell("rest")
            self._close()

    def kill(self) -> None:
        """Kill the child and all that came of it; its nanny does so also where this gives up."""
        if self.closed:
            return
        self._tell("kill")
        until = time.monotonic() + _KILL_WITHIN_S
        poller = select.poll()
        poller.register(self._leash, select.POLLIN)
        with contextlib.suppress(OSError):
            while (left := until - time.monotonic()) > 0:
                if poller.poll(max(1, int(left * 1000))) and not self._leash.recv(4096):
                    break
        self._close()

    def detach(self) -> tuple[dict[str, Any], list[int]]:
        """Give everything that another process needs to go on with it.

        Raises:
            RuntimeError: a frame is on its way to the child.
        """
        received, channel = self._channel.detach()
        lines = base64.b64encode(self._lines).decode()
        self.closed = True
        state = {"pid": self.pid, "received": received, "lines": lines}
        return state, [channel, *self._fds, self._leash.detach()]

    @classmethod
    def attach(cls, state: Mapping[str, Any], fds: list[int]) -> "Loan":
        """Go on with what another process has detached."""
        channel, out, err, leash = fds
        loan = cls(socket.socket(fileno=channel), out, err, socket.socket(fileno=leash))
        loan.pid, loan.used = state["pid"], True
        loan._channel.attach(state["received"])
        loan._lines = base64.b64decode(state["lines"])
        return loan

    def _move(self, timeout_s: float) -> None:
        """Wait until something can be moved, and move it."""
        channel, leash = self._channel.fileno(), self._leash.fileno()
        if self._channel.is_open:
            events = select.POLLIN | (select.POLLOUT if self._channel.is_sending else 0)
            self._poll.register(channel, events)
        ready = self._poll.poll(timeout_s * 1000 if timeout_s else 0)
        for fd, event in ready:
            if fd == channel:
                if event & select.POLLOUT:
                    self._channel.write()
                self._channel.read()
            elif fd == leash:
                self._hear()
            else:
                self._pass_on(fd, _PIECE, self.on_output)
        if not self._channel.is_open:
            with contextlib.suppress(KeyError):
                self._poll.unregister(channel)

    def _hear(self) -> None:
        try:
            piece = self._leash.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            piece = b""
        if not piece:
            self._is_leash_open = False
            self._poll.unregister(self._leash)
        *lines, self._lines = (self._lines + piece).split(b"\n")
        for line in lines:
            text = line.decode("ascii", "replace")
            if text.startswith("ended "):
                self._ended = text
            else:
                self._replies.append(text)

    def _reply(self, timeout_s: float) -> str:
        """Wait for what the nanny says; empty where it says nothing more."""
        until = time.monotonic() + timeout_s
        while not self._replies:
            left = until - time.monotonic()
            if left <= 0 or not self._is_leash_open or self._ended:
                return ""
            poller = select.poll()
            poller.register(self._leash, select.POLLIN)
            poller.poll(max(1, int(left * 1000)))
            self._hear()
        return self._replies.pop(0)

    def _tell(self, line: str) -> None:
        # a nanny that is gone, or does not listen, is noticed where an answer is waited for
        with contextlib.suppress(OSError):
            self._leash.send(line.encode() + b"\n")

    def _pass_on(self, fd: int, size: int, on_output: OnOutput) -> int:
        try:
            piece = os.read(fd, size)
        except BlockingIOError:
            return 0
        if piece:
            on_output(self._outputs[fd], piece)
        else:
            self._poll.unregister(fd)
            self._outputs.pop(fd)
        return len(piece)

    def _drain(self, on_output: OnOutput) -> None:
        """Pass on what was written until now, and no more: a process may write for ever."""
        for fd in list(self._outputs):
            left = _waiting(fd)
            while left > 0 and (count := self._pass_on(fd, left, on_output)):
                left -= count

    def _death(self) -> ChildDied:
        """Say how the process ended, whose channel is closed."""
        until = time.monotonic() + LAST_BREATH_S
        while self._is_leash_open and not self._ended and time.monotonic() < until:
            self._move(until - time.monotonic())
        self._drain(self.on_output)
        return death(self._ended, is_nanny_there=self._is_leash_open)

    def _close(self) -> None:
        self.closed = True
        self._channel.close()
        self._leash.close()
        for fd in self._fds:
            os.close(fd)


def _waiting(fd: int) -> int:
    """Give how many bytes can be read from a pipe."""
    count = array.array("i", [0])
    fcntl.ioctl(fd, termios.FIONREAD, count)
    return count[0]
