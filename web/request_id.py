"""The id that a request has in its answer, in every log line, and in the hints that it sends."""

import logging
import re
import time
from contextvars import Token
from urllib.parse import quote
from uuid import uuid4

from flask import Response, g, request

from cloacina import logs

log = logging.getLogger("web.access")

HEADER = "x-request-id"

_SANE = re.compile(r"[\x20-\x7e]{1,128}")
# probes ask these every few seconds
_PROBED = frozenset({"/health", "/ready", "/metrics"})


def begin() -> None:
    """Give the request its id."""
    given = request.headers.get(HEADER, "")
    g.request_id = given if _SANE.fullmatch(given) else str(uuid4())
    g.request_id_token = logs.request_id.set(g.request_id)
    g.started = time.monotonic()


def mark(response: Response) -> Response:
    """Write the id into the answer, and the request into the log."""
    response.headers[HEADER] = g.request_id
    log.log(
        logging.DEBUG if request.path in _PROBED else logging.INFO,
        "%s %s %s %d in %.1f ms",
        request.remote_addr,
        request.method,
        # quoted, since it could hold line breaks; without its query, which could hold a ticket
        quote(request.path),
        response.status_code,
        (time.monotonic() - g.started) * 1000,
    )
    return response


def end(_error: BaseException | None) -> None:
    """Forget the id."""
    token: Token[str | None] | None = g.pop("request_id_token", None)
    if token is not None:
        logs.request_id.reset(token)
