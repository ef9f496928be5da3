"""Waiting for descriptors and signals at once, on one thread."""

from __future__ import annotations

import os
import select
import signal
from contextlib import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Loop:
    """Calls a handler for each descriptor that has something to say.

    A handler may be called in vain: it must not block.
    """

    def __init__(self) -> None:
        self._poll = select.poll()
        self._handlers: dict[int, Callable[[], None]] = {}
        self._signals: tuple[int, ...] = ()
        self._wake: tuple[int, int] | None = None

    def watch(self, fd: int, handler: Callable[[], None]) -> None:
        """Have a handler called whenever a descriptor can be read, or its other end is closed."""
        self._handlers[fd] = handler
        self._poll.register(fd, select.POLLIN)

    def forget(self, fd: int) -> None:
        """Watch a descriptor no longer."""
        if self._handlers.pop(fd, None) is not None:
            self._poll.unregister(fd)

    def watch_signals(self, handler: Callable[[bytes], None], *signals: int) -> None:
        """Have a handler called, in a turn of the loop, with the numbers of signals that came."""
        reader, writer = self._wake = os.pipe()
        os.set_blocking(reader, False)
        os.set_blocking(writer, False)
        self._signals = signals
        for number in signals:
            signal.signal(number, lambda *_: None)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)

        def came() -> None:
            with suppress(BlockingIOError):
                handler(os.read(reader, 4096))

        self.watch(reader, came)

    def turn(self, timeout_s: float | None) -> None:
        """Wait at most so long, in seconds (None: for ever), and call whoever has something."""
        timeout_ms = None if timeout_s is None else max(0, int(timeout_s * 1000) + 1)
        for fd, _ in self._poll.poll(timeout_ms):
            handler = self._handlers.get(fd)  # an earlier one may have had this one forgotten
            if handler is not None:
                handler()

    def leave(self) -> None:
        """Let go of the signals, in a process that was forked meanwhile."""
        if self._wake is None:
            return
        signal.set_wakeup_fd(-1)
        for number in self._signals:
            signal.signal(number, signal.SIG_DFL)
        for fd in self._wake:
            os.close(fd)
        self._wake = None
