"""Standard output and error of an author's code, which become its task's log."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

_STDOUT, _STDERR = 1, 2


class Streams:
    """What the code writes to; it may close them, or put anything in their place."""

    def __init__(self) -> None:
        self._out, self._err = sys.stdout, sys.stderr
        self._given: tuple[int, int] | None = None
        for stream in (self._out, self._err):
            if isinstance(stream, io.TextIOWrapper):
                _write_lines_at_once(stream)

    def give(self, out: int, err: int) -> None:
        """Let what is written go into these descriptors, which are the streams' from now on."""
        self._given = (out, err)
        self.restore()

    def take_back(self) -> None:
        """Let what is written go nowhere."""
        null = os.open(os.devnull, os.O_RDWR)
        for fd in (0, _STDOUT, _STDERR):
            os.dup2(null, fd)
        os.close(null)
        if self._given is not None:
            for fd in self._given:
                with suppress(OSError):  # the code may have closed all that it found
                    os.close(fd)
        self._given = None

    def flush(self) -> None:
        """Write what is held back."""
        for stream in (sys.stdout, sys.stderr, self._out, self._err):
            with suppress(BaseException):  # an author's object may be in the place of ours
                stream.flush()

    def restore(self) -> None:
        """Undo what the code did to the streams.

        Raises:
            OSError: it closed the descriptors for good.
        """
        if self._given is not None:
            for fd, standard in zip(self._given, (_STDOUT, _STDERR), strict=True):
                os.dup2(fd, standard)
        self._out, self._err = _usable(self._out, _STDOUT), _usable(self._err, _STDERR)
        sys.stdout, sys.stderr = self._out, self._err


def _usable(stream: TextIO | None, fd: int) -> TextIO:
    if isinstance(stream, io.TextIOWrapper) and not stream.closed:
        return stream
    file = io.BufferedWriter(io.FileIO(fd, "wb", closefd=False))
    fresh = io.TextIOWrapper(file)
    _write_lines_at_once(fresh)
    return fresh


def _write_lines_at_once(stream: io.TextIOWrapper) -> None:
    """Let output become the task's log while the task runs, whatever the locale."""
    stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)


def log_to_stderr() -> None:
    """Let what the code logs be seen, until it configures logging itself with `force=True`."""
    import logging

    class ToStderr(logging.StreamHandler["TextIO"]):
        """Writes to whatever `sys.stderr` is at the time."""

        def __init__(self) -> None:
            logging.Handler.__init__(self)

        @property
        def stream(self) -> TextIO:  # type: ignore[override]
            return sys.stderr

    handler = ToStderr()
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.INFO)
