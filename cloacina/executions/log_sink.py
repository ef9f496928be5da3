"""Stores the log of an attempt while it runs, without ever failing the attempt."""

import logging
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

from cloacina.db import (
    DATABASE_ERRORS,
    Call,
    Database,
    TenantScope,
    as_tenant,
    first_line,
)
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
        log: of the attempt.
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
        log: AttemptLog,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._tenant = tenant
        self._of = (execution_id, task_id, attempt)
        self._clock = clock
        self._log = log
        self._waiting: list[Line] = []
        # the lines of a short attempt are left to the transaction that ends it
        self._due = clock() + FLUSH_S
        self._is_gone = False

    def detach(self) -> dict[str, Any]:
        """Store what is finished, and give the log's state, for another process to go on with.

        Tries once: what cannot be stored now is lost.
        """
        self._waiting += self._log.take()
        if self._waiting:
            self._flush()
        return self._log.state()

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

    def rest_calls(self) -> list[Call]:
        """Give what stores all that is left, in the unit that ends the task and has locked it.

        Whoever follows the log stops at the execution's end: its last lines must not come later.
        When the transaction fails ask again for the next one; nothing is lost.
        """
        self._waiting += self._log.take(final=True)
        if not self._waiting or self._is_gone:
            return []
        return [logs.append_call(*self._of, self._waiting, self._clock())]

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
            with self._database.unit(as_tenant(self._tenant)) as unit:
                self._is_gone = not logs.append(unit, *self._of, self._waiting, self._clock())
        except (DatabaseUnavailable, *DATABASE_ERRORS) as error:
            # refused: the tenant is being deleted, and whoever holds the claim learns of it soon
            log.info("a log cannot be stored for now: %s", first_line(error))
            self._due = self._clock() + TRY_AGAIN_S
            return
        self._waiting = []
        self._due = self._clock() + FLUSH_S
