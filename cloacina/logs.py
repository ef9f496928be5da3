"""Log lines of the services: to stderr, one a record, with the id of the request they belong to."""

import logging
import sys
from contextvars import ContextVar

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The request that the running code serves; it travels with a hint from the API to a worker."""

_FORMAT = "%(asctime)s %(levelname)-7s %(name)s [%(request_id)s] %(message)s"


class _RequestId(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = request_id.get() or "-"
        return True


def configure(level: str) -> None:
    """Send every logger's lines to stderr.

    Parameters:
        level: the least severe level that is written, as in the setting `log_level`.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(_RequestId())
    handler.setFormatter(logging.Formatter(_FORMAT))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # its revisions are no news at each start
    logging.getLogger("alembic").setLevel(logging.WARNING)
