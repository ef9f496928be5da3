"""Stores the log of an attempt while it runs, without ever failing the attempt."""

import logging
import time
from collections.abc import Callable
from uuid import UUID

from sqlalchemy import exc
from sqlalchemy.orm import Session

from cloacina.db import Database, TenantScope
from cloacina.errors import DatabaseUnavailable
from cloacina.executions import logs
from cloacina.executions.attempt_log import AttemptLog, Line

log = logging.getLogger(__name__)

FLUSH_S = 0.5
"""Seconds between two flushes at least."""

TRY_AGAIN_S = 5.0
"""Seconds after a flush that failed; each try may itself wait for a connection."""


class LogSink:
    """Where the bytes of one attempt go. Belongs to one thread.

    What cannot be stored waits in memory, within the log's limit, and is stored by a later flush.

    Parameters:
        database: the database.
        tenant: whose execution it is.
        execution_id: the execution.
        task_id: the task's plain id.
        attempt: counts from 1.
        max_bytes: of text that is kept.
        clock: gives seconds that only grow.
    """

    def __init__(
        self,
        database: Database,
        tenant: TenantScope,
        execution_id: UUID,
        task_id: str,
        attempt: int,
        *,
        max_bytes: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._tenant = tenant
        self._of = (execution_id, task_id, attempt)
        self._clock = clock
        self._log = AttemptLog(max_bytes, clock)
        self._waiting: list[Line] = []
        # the lines of a short attempt are left to the transaction that ends it
        self._due = clock() + FLUSH_S
        self._is_gone = False

    def feed(self, stream: str, data: bytes) -> None:
        """Take what came; see `AttemptLog.feed`. Never touches the database."""
        if not self._is_gone:
            self._log.feed(stream, data)

    def flush_if_due(self) -> None:
        """Store finished lines in a transaction of their own, unless the last flush was just now.

        Call it often; most calls only look at the clock. Never raises for the database's sake.
        """
        if self._clock() < self._due:
            return
        self._waiting += self._log.take()
        if self._waiting:
            self._flush()

    def store_rest(self, session: Session) -> None:
        """Store all that is left in the caller's transaction, such as the one that ends the task.

        Whoever follows the log stops at the execution's end: its last lines must not come later.
        When the transaction fails call it again in the next one; nothing is lost.

        Parameters:
            session: acts as the tenant; it may hold the execution's lock already.
        """
        self._waiting += self._log.take(final=True)
        if self._waiting and not self._is_gone:
            logs.append(session, *self._of, self._waiting, clock=self._clock)

    def close(self) -> None:
        """Store all that is left in a transaction of its own; for attempts whose end is not stored.

        Tries once: what cannot be stored now is lost. Never raises for the database's sake.
        """
        self._waiting += self._log.take(final=True)
        if self._waiting:
            self._flush()
        if self._waiting:
            execution_id, task_id, _ = self._of
            log.warning(
                "execution %s, task %s: %d lines of its log are lost",
                execution_id,
                task_id,
                len(self._waiting),
            )
            self._waiting = []

    def _flush(self) -> None:
        if self._is_gone:
            self._waiting = []
            return
        try:
            with self._database.tenant(self._tenant) as session:
                self._is_gone = not logs.append(
                    session, *self._of, self._waiting, clock=self._clock
                )
        except (DatabaseUnavailable, exc.DBAPIError) as error:
            # refused: the tenant is being deleted, and whoever holds the claim learns of it soon
            log.info("a log cannot be stored for now: %s", getattr(error, "orig", error))
            self._due = self._clock() + TRY_AGAIN_S
            return
        self._waiting = []
        self._due = self._clock() + FLUSH_S
