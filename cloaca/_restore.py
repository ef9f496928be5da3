"""What a task may change in its process, and how it is put back for the next one."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_TIMERS = (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF)
_KEPT_BY_THE_KERNEL = (signal.SIGKILL, signal.SIGSTOP)
_SIGNALS = tuple(int(n) for n in signal.valid_signals() if n not in _KEPT_BY_THE_KERNEL)


class ProcessState:
    """The state of this process as it is now.

    Parameters:
        folder: where each task begins, wherever the process is now.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._environ = os.environ
        self._variables = dict(os.environ)
        self._path, self._entries = sys.path, list(sys.path)
        self._umask = _current_umask()
        self._handlers = {number: signal.getsignal(number) for number in _SIGNALS}
        self._blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        self._recursion = sys.getrecursionlimit()
        self._decimal = _decimal_context()

    def restore(self) -> bool:
        """Put everything back; tell whether that worked."""
        try:
            self._restore()
        except BaseException:  # a handler of the code may raise until it is taken away
            return False
        return True

    def _restore(self) -> None:
        self._stop_signals()
        os.umask(self._umask)
        sys.path = self._path
        if sys.path != self._entries:
            sys.path[:] = self._entries
        os.environ = self._environ  # noqa: B003 - the object itself is put back
        if dict(os.environ) != self._variables:
            os.environ.clear()
            os.environ.update(self._variables)
        sys.setrecursionlimit(self._recursion)
        self._restore_decimal()
        os.chdir(self._folder)

    def _stop_signals(self) -> None:
        for timer in _TIMERS:
            signal.setitimer(timer, 0)
        signal.set_wakeup_fd(-1)
        for number, handler in self._handlers.items():
            # None: not set by Python, so neither seen nor put back
            if signal.getsignal(number) is not handler and handler is not None:
                signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, self._blocked)

    def _restore_decimal(self) -> None:
        decimal = sys.modules.get("decimal")
        if decimal is not None:
            # as a copy: the context in force is changed in place
            decimal.setcontext((self._decimal or decimal.DefaultContext).copy())


def _current_umask() -> int:
    umask = os.umask(0o77)
    os.umask(umask)
    return umask


def _decimal_context() -> Any:
    # only where it is loaded already: it is slow to import
    decimal = sys.modules.get("decimal")
    return decimal.getcontext().copy() if decimal is not None else None


def reap_leftovers() -> None:
    """Take note of the processes that an earlier task left, which have been killed since."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
