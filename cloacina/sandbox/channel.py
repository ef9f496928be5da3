"""Frames to and from a child: a 4-byte big-endian length and as many bytes of JSON.

What they hold is said in `cloaca/_serve.py`.
"""

import base64
import json
import socket
import struct
from collections.abc import Mapping
from typing import Any

from cloacina.sandbox.errors import ChildDied

LARGEST_FRAME = 64 * 1024 * 1024
"""Bytes."""

_LENGTH = struct.Struct(">I")
_PIECE = 256 * 1024


class Channel:
    """The slot's end of a socket to a child; nothing here waits.

    Parameters:
        peer: the socket.

    Attributes:
        is_open: whether the child's end is.
    """

    def __init__(self, peer: socket.socket) -> None:
        peer.setblocking(False)
        self._peer = peer
        self._outbox = memoryview(b"")
        self._inbox = bytearray()
        self.is_open = True

    def fileno(self) -> int:
        """Give the descriptor."""
        return self._peer.fileno()

    @property
    def is_sending(self) -> bool:
        """Whether a frame is on its way out."""
        return bool(self._outbox)

    @property
    def is_receiving(self) -> bool:
        """Whether some of a frame has come in."""
        return bool(self._inbox)

    def send(self, message: Mapping[str, Any]) -> None:
        """Begin to send a frame; `write` goes on with it."""
        payload = json.dumps(message).encode()
        self._outbox = memoryview(_LENGTH.pack(len(payload)) + payload)
        self.write()

    def write(self) -> None:
        """Send as much as the child has room for."""
        try:
            while self._outbox:
                self._outbox = self._outbox[self._peer.send(self._outbox) :]
        except BlockingIOError:
            return
        except OSError:
            self._end()

    def read(self) -> None:
        """Take what has come of a frame.

        Raises:
            ChildDied: it is longer than LARGEST_FRAME.
        """
        while self.is_open and (missing := self._missing()):
            try:
                # never beyond the frame: what a child says unasked waits in the kernel
                piece = self._peer.recv(min(missing, _PIECE))
            except BlockingIOError:
                return
            except OSError:
                piece = b""
            if not piece:
                self._end()
            self._inbox += piece

    def take(self) -> dict[str, Any] | None:
        """Give the frame that has come in, or None when it is not complete.

        Raises:
            ChildDied: it is not a JSON object.
        """
        if self._missing():
            return None
        try:
            frame = json.loads(self._inbox[_LENGTH.size :])
        except (ValueError, RecursionError):
            frame = None
        self._inbox = bytearray()
        if not isinstance(frame, dict):
            raise ChildDied("the process that ran the code sent an answer of a wrong form")
        return frame

    def detach(self) -> tuple[str, int]:
        """Give what has come of a frame, as text, and the descriptor.

        Raises:
            RuntimeError: a frame is on its way out.
        """
        if self._outbox:
            raise RuntimeError("a request is on its way: wait until the child has read it")
        return base64.b64encode(self._inbox).decode(), self._peer.detach()

    def attach(self, received: str) -> None:
        """Go on where the process that detached it stopped."""
        self._inbox += base64.b64decode(received)

    def close(self) -> None:
        """Close this end."""
        self.is_open = False
        self._peer.close()

    def _missing(self) -> int:
        if len(self._inbox) < _LENGTH.size:
            return _LENGTH.size - len(self._inbox)
        (length,) = _LENGTH.unpack_from(self._inbox)
        if length > LARGEST_FRAME:
            raise ChildDied("the process that ran the code sent more than it may")
        return _LENGTH.size + int(length) - len(self._inbox)

    def _end(self) -> None:
        self.is_open = False
        self._outbox = memoryview(b"")
