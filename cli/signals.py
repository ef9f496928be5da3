"""Signals for a process that looks after others: a bell that ends its waiting, and a count of
those that ask it to stop.
"""

import select
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Self

_ASKS_TO_STOP = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopRequested(BaseException):
    """Somebody asked to stop while something was going on that can be broken off."""


class Signals:
    """Receives signals; only in the main thread, inside its `with` block.

    Attributes:
        stops: how often we were asked to stop.
    """

    def __init__(self) -> None:
        self.stops = 0
        self._breaks_off = False
        self._previous: list[tuple[signal.Signals, Any]] = []

    def __enter__(self) -> Self:
        """Begin to receive."""
        self._bell, self._rope = socket.socketpair()
        for end in (self._bell, self._rope):
            end.setblocking(False)
        self._previous_wakeup = signal.set_wakeup_fd(self._rope.fileno(), warn_on_full_buffer=False)
        for number in _ASKS_TO_STOP:
            # who starts us with `nohup` wants a hang-up to be ignored
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._install(number, self._asked_to_stop)
        # without a handler the end of a child rings no bell
        self._install(signal.SIGCHLD, lambda _number, _frame: None)
        return self

    def __exit__(self, *_: object) -> None:
        """Put everything back."""
        for number, handler in self._previous:
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._previous_wakeup)
        self._bell.close()
        self._rope.close()

    def wait(self, seconds: float) -> None:
        """Wait for a signal of any kind.

        Parameters:
            seconds: the longest time.
        """
        if select.select([self._bell], [], [], max(0.0, seconds))[0]:
            self._bell.recv(4096)

    @contextmanager
    def breaking_off(self) -> Iterator[None]:
        """Have a request to stop raise StopRequested inside the block, instead of being counted."""
        if self.stops:
            raise StopRequested
        self._breaks_off = True
        try:
            yield
        finally:
            self._breaks_off = False

    def _asked_to_stop(self, _number: int, _frame: FrameType | None) -> None:
        self.stops += 1
        if self._breaks_off:
            self._breaks_off = False
            raise StopRequested

    def _install(
        self, number: signal.Signals, handler: Callable[[int, FrameType | None], None]
    ) -> None:
        self._previous.append((number, signal.signal(number, handler)))
