"""Goes on with deletions of tenants that nobody goes on with; a thread of the scheduler."""

import logging
import threading
import time
from uuid import UUID

from sqlalchemy import exc

from cloacina.db import Database
from cloacina.dispatch import Dispatcher, queue_name
from cloacina.errors import DatabaseUnavailable
from cloacina.lifecycle.deletion import Deletion, reason, unfinished
from cloacina.tenants import services as tenants

log = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0
AGAIN_AFTER_S = 30.0
"""Seconds until a deletion is tried again in which the database has refused a step."""

LOOKS_PER_SWEEP = 30
"""Looks at the tenants per look for queues of nobody's."""


class Deletions(threading.Thread):
    """Goes on with deletions once nothing runs any more; the scheduler's hints wait for none.

    Whoever else does the same deletion at the same time does the other steps of it.

    Parameters:
        database: its own.
        dispatcher: for queues.
        stopped: ends it.
    """

    def __init__(
        self, database: Database, dispatcher: Dispatcher, stopped: threading.Event
    ) -> None:
        super().__init__(name="deletions", daemon=True)
        self._database = database
        self._dispatcher = dispatcher
        self._stopped = stopped
        self._not_before: dict[UUID, float] = {}

    def run(self) -> None:
        """Look again and again, until it is told to stop."""
        looks = 0
        while not self._stopped.wait(LOOK_EVERY_S):
            try:
                self.look()
                if looks % LOOKS_PER_SWEEP == 0:
                    self.sweep()
            except (DatabaseUnavailable, exc.DBAPIError) as error:
                log.info("deletions wait: %s", error)
            looks += 1

    def look(self) -> int:
        """Go on with all deletions for which nothing has to be waited.

        Returns:
            How many came to their end.
        """
        count = 0
        for tenant in unfinished(self._database):
            if time.monotonic() < self._not_before.get(tenant.id, 0):
                continue
            deletion = Deletion(self._database, self._dispatcher, tenant)
            if not deletion.is_drained():
                continue
            try:
                done = list(deletion.steps())
            except exc.DBAPIError as error:
                log.warning("tenant %s could not be removed: %s", tenant.name, reason(error))
                self._not_before[tenant.id] = time.monotonic() + AGAIN_AFTER_S
                continue
            self._not_before.pop(tenant.id, None)
            if done:
                log.info("tenant %s: its deletion was ended: %s", tenant.name, ", ".join(done))
                count += 1
        return count

    def sweep(self) -> None:
        """Delete queues of tenants that are gone, to which somebody has written late."""
        found = self._dispatcher.tenants_with_queues()
        if not found:
            return
        # only now: a tenant is there before its queue is
        with self._database.platform() as session:
            present = {tenant.name for tenant in tenants.list_all(session)}
        for name in sorted(found - present):
            if self._dispatcher.delete_queue(queue_name(name)):
                log.info("deleted the queue of tenant %s, which is gone", name)
