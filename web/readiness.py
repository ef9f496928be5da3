"""Whether the servers behind the API answer, found out in bounded time."""

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from typing import Generic, TypeVar

from sqlalchemy import exc

from cloacina.db import Database
from cloacina.dispatch import Dispatcher
from cloacina.errors import DatabaseUnavailable
from cloacina.lifecycle.installation import is_migrated

T = TypeVar("T")

log = logging.getLogger(__name__)

CHECK_TIMEOUT_S = 2.0

_AWAY = "the database cannot be reached"
_NOT_MIGRATED = "the database is not migrated to this version"


class Readiness:
    """Looks after the database and the broker.

    Parameters:
        database: of its own, so that busy requests do not make the server look unready.
        dispatcher: the way to the broker.
    """

    def __init__(self, database: Database, dispatcher: Dispatcher) -> None:
        self._database = database
        self._problem = _BoundedCheck[str | None]("database", self._look_at_database, if_late=_AWAY)
        self._broker = _BoundedCheck("broker", dispatcher.is_reachable, if_late=False)

    def problem(self) -> str | None:
        """Say why no request can be served, None when all is well; takes 2 s at most."""
        return self._problem.result()

    def broker_answers(self) -> bool:
        """Say whether the broker answers; takes 2 s at most."""
        return self._broker.result()

    def close(self) -> None:
        """Close the connection."""
        self._database.close()

    def _look_at_database(self) -> str | None:
        try:
            return None if is_migrated(self._database) else _NOT_MIGRATED
        except DatabaseUnavailable:
            return _AWAY
        except exc.DBAPIError as error:
            log.warning("the database cannot be used: %s", error.orig)
            return _NOT_MIGRATED


class _BoundedCheck(Generic[T]):
    """A check that runs in a thread of its own, once for all who ask meanwhile."""

    def __init__(self, name: str, check: Callable[[], T], if_late: T) -> None:
        self._check = check
        self._if_late = if_late
        self._threads = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"check-{name}")
        self._lock = Lock()
        self._running: Future[T] | None = None

    def result(self) -> T:
        with self._lock:
            if self._running is None or self._running.done():
                self._running = self._threads.submit(self._check)
            running = self._running
        try:
            return running.result(CHECK_TIMEOUT_S)
        except TimeoutError:
            return self._if_late
