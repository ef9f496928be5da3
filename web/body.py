"""The request's body: how large it may be, and what becomes of one that nobody wants.

A client that is refused early goes on sending what it has begun to send. If the connection were
closed on it, its system would throw our answer away; so the rest of the body is read and dropped,
after the answer has gone out, up to some bytes and seconds.
"""

import io
import socket
import time
from typing import Any

from flask import Response, g, request
from werkzeug.exceptions import BadRequest, RequestTimeout

from cloacina.errors import PayloadTooLarge
from cloacina.transfer.limits import MAX_PACKED_BYTES

MIB = 1024 * 1024
UPLOAD_LIMIT_BYTES = 100 * MIB
LIMIT_BYTES = MIB

STALL_TIMEOUT_S = 30.0
DRAIN_LIMIT_BYTES = 256 * MIB
DRAIN_TIMEOUT_S = 10.0

_LIMITS = {
    "workflows.upload_workflow": UPLOAD_LIMIT_BYTES,
    # what stands around the file in the form comes to it
    "tenants.import_tenant": MAX_PACKED_BYTES + MIB,
}
_PIECE_BYTES = 64 * 1024


class LimitedBody(io.RawIOBase):
    """A body that can be read up to its limit, whether or not its length was announced.

    Parameters:
        raw: the WSGI server's stream.
        limit: bytes that may be read.
        connection: the client's socket where the server tells it; a read then ends after 30 s
            without a byte, so that a client that stalls does not hold a thread for ever.
    """

    def __init__(self, raw: Any, limit: int, connection: socket.socket | None) -> None:
        self._raw = raw
        self._limit = limit
        self._connection = connection
        self._taken = 0

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read some bytes.

        Raises:
            PayloadTooLarge: there are more than the limit.
            RequestTimeout: the client stalls.
            BadRequest: the body ends too early, or its framing is wrong.
        """
        try:
            piece = self._receive(len(buffer), STALL_TIMEOUT_S)
        except TimeoutError:
            raise RequestTimeout("the rest of the request's body did not come") from None
        except Exception as error:
            # a server has exceptions of its own for broken bodies
            raise BadRequest("the request's body is cut off or malformed") from error
        self._taken += len(piece)
        self.refuse_over(self._taken)
        buffer[: len(piece)] = piece
        return len(piece)

    def refuse_over(self, size: int) -> None:
        """Raise PayloadTooLarge when `size` bytes are over the limit."""
        if size > self._limit:
            limit = self._limit // MIB
            raise PayloadTooLarge(f"the request's body is too large: at most {limit} MiB")

    def drain(self) -> None:
        """Read and drop what is left, up to 256 MiB and 10 s."""
        deadline = time.monotonic() + DRAIN_TIMEOUT_S
        dropped = 0
        while dropped < DRAIN_LIMIT_BYTES and (left_s := deadline - time.monotonic()) > 0:
            try:
                piece = self._receive(_PIECE_BYTES, left_s)
            except Exception:
                return  # the client is gone, or cannot be understood: the server closes
            if not piece:
                return
            dropped += len(piece)

    def _receive(self, size: int, timeout_s: float) -> bytes:
        if self._connection is None:
            return bytes(self._raw.read(size))
        self._connection.settimeout(timeout_s)
        try:
            return bytes(self._raw.read(size))
        finally:
            self._connection.settimeout(None)


def wrap() -> None:
    """Put the limit between the application and the server's stream; reads nothing yet."""
    limit = _LIMITS.get(request.endpoint or "", LIMIT_BYTES)
    environ = request.environ
    g.body = environ["wsgi.input"] = LimitedBody(
        environ["wsgi.input"], limit, environ.get("gunicorn.socket")
    )


def refuse_announced() -> None:
    """Raise PayloadTooLarge when the body's length, as announced, is over the limit."""
    g.body.refuse_over(request.content_length or 0)


def drain_after_answer(response: Response) -> Response:
    """Have what is left of the body dropped once the answer has gone out."""
    # a server that does not end the stream itself would have us wait for bytes that never come
    if "wsgi.input_terminated" in request.environ:
        response.call_on_close(g.body.drain)
    return response
