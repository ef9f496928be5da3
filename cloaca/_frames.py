"""JSON messages over a stream socket: a length in 4 bytes, big-endian, then UTF-8 text."""

from __future__ import annotations

import json
import os
from contextlib import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAX_FRAME_BYTES = 64 * 1024 * 1024
"""Of one message; a longer one is refused, on both ends."""

LOST_CHANNEL = 74
"""The exit code of a process that can no longer answer, since the code closed its channel."""

_HEADER_BYTES = 4


class BrokenChannel(Exception):
    """What came over the channel is no frame, so what follows it cannot be found either."""


_kept_from_forks: set[int] = set()


def keep_from_forks(fd: int) -> None:
    """Have a descriptor closed in whatever this process starts, forks included."""
    os.set_inheritable(fd, False)
    _kept_from_forks.add(fd)


def let_go(fd: int) -> None:
    """Keep a descriptor from forks no longer: it is about to be closed."""
    _kept_from_forks.discard(fd)


def _close_kept() -> None:
    while _kept_from_forks:
        with suppress(OSError):  # an author's code may have closed it
            os.close(_kept_from_forks.pop())


os.register_at_fork(after_in_child=_close_kept)


class Channel:
    """One end of a connected stream socket.

    Processes that this one starts do not keep it: it is closed on exec, and on fork as well, so
    that neither they nor what they leave running can speak for the child.

    Parameters:
        fd: the socket's descriptor, which the channel owns from now on.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        keep_from_forks(fd)

    def receive(self) -> dict[str, Any] | None:
        """Wait for a message.

        Returns:
            The message, or None when the other end is closed.

        Raises:
            BrokenChannel: it is longer than MAX_FRAME_BYTES, it breaks off, or it is not a JSON
                object.
        """
        header = self._read(_HEADER_BYTES)
        if not header:
            return None
        size = int.from_bytes(header, "big")
        if len(header) < _HEADER_BYTES or size > MAX_FRAME_BYTES:
            raise BrokenChannel(f"no frame begins with {header!r}")
        body = self._read(size)
        if len(body) < size:
            raise BrokenChannel(f"a frame of {size} bytes broke off after {len(body)}")
        try:
            message = json.loads(body)
        except ValueError as error:
            raise BrokenChannel(f"a frame is not JSON: {error}") from None
        if not isinstance(message, dict):
            raise BrokenChannel("a frame is not a JSON object")
        return message

    def send(self, message: dict[str, Any]) -> None:
        """Send a message.

        Raises:
            ValueError: it is longer than MAX_FRAME_BYTES; nothing was sent.
            OSError: the other end is closed.
        """
        body = json.dumps(message, separators=(",", ":")).encode()
        if len(body) > MAX_FRAME_BYTES:
            raise ValueError(f"a message of {len(body)} bytes is over {MAX_FRAME_BYTES}")
        rest = memoryview(len(body).to_bytes(_HEADER_BYTES, "big") + body)
        while rest:
            rest = rest[os.write(self._fd, rest) :]

    def close(self) -> None:
        """Close this end; it may be closed already."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            let_go(fd)
            with suppress(OSError):  # an author's code may have closed it
                os.close(fd)

    def _read(self, size: int) -> bytes:
        """Read `size` bytes, fewer only when the other end is closed."""
        chunks = bytearray()
        while len(chunks) < size:
            chunk = os.read(self._fd, min(size - len(chunks), 1024 * 1024))
            if not chunk:
                break
            chunks += chunk
        return bytes(chunks)
