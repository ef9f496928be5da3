"""What the scheduler does for the workers that tenants have of their own."""

import json
import logging
import threading
from collections.abc import Collection, Sequence
from pathlib import Path
from uuid import UUID

from cloacina.db import DATABASE_ERRORS, Database, first_line
from cloacina.errors import DatabaseUnavailable
from cloacina.fleet import demand
from cloacina.lifecycle import staffing
from cloacina.lifecycle.staffing import Post
from cloacina.settings import Settings

log = logging.getLogger("workers.scheduler")

LOOK_EVERY_S = 1.0


class Office:
    """Holds posts for the supervisor that has started this scheduler, and writes down which.

    Parameters:
        database: the scheduler's.
        settings: the scheduler's.
        path: of the file that the supervisor reads.
        holder: stands for the supervisor.
    """

    def __init__(self, database: Database, settings: Settings, path: Path, holder: UUID) -> None:
        self._database = database
        self._settings = settings
        self._path = path
        self._holder = holder
        self._told: Sequence[Post] | None = None

    def look(self) -> None:
        """Keep what is held, take what nobody holds, and tell the supervisor."""
        try:
            posts = staffing.hold_posts(self._database, self._settings, self._holder)
        except DATABASE_ERRORS as error:
            # such as a tenant that was deleted at this moment
            log.info("cannot look after tenants' own workers: %s", first_line(error))
            return
        if posts == self._told:
            return
        rows = [[str(post.tenant_id), post.number, post.tenant_name] for post in posts]
        new = self._path.with_suffix(".new")
        new.write_text(json.dumps(rows))
        new.replace(self._path)
        self._told = posts

    def close(self) -> None:
        """Let others have the posts at once."""
        try:
            staffing.give_up_posts(self._database, self._holder)
        except DatabaseUnavailable:
            # the end of their lease says the same a little later
            log.info("could not give up the posts of tenants' workers: the database is away")


class Raiser(threading.Thread):
    """Raises and lowers the number of tenants' own workers, as their tasks wait.

    Whoever works for a tenant may be busy with it; so this looks for itself how long tasks wait.
    It is a thread, since a tenant's tables may be slow, and other tenants' hints must not wait.

    Parameters:
        settings: the scheduler's.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__(name="raiser", daemon=True)
        self._settings = settings
        self._lock = threading.Lock()
        self._due: set[UUID] = set()
        self._ended = threading.Event()

    def saw(self, tenant_ids: Collection[UUID]) -> None:
        """Have a look at tenants that were due: those with tasks are so every few seconds."""
        with self._lock:
            self._due.update(tenant_ids)

    def stop(self) -> None:
        """End it."""
        self._ended.set()

    def run(self) -> None:
        """Look each second, until it is stopped."""
        database = Database(self._settings.database_url, pool_size=1)
        while not self._ended.wait(LOOK_EVERY_S):
            try:
                self._look(database)
            except DatabaseUnavailable:
                log.debug("the database is away; nobody's workers become more or fewer")
            except DATABASE_ERRORS as error:
                log.info("cannot look at what waits: %s", first_line(error))
        database.close()

    def _look(self, database: Database) -> None:
        with self._lock:
            due, self._due = self._due, set()
        with database.platform() as session:
            # what was raised is looked at also where nothing is due any more
            due |= demand.raised_tenants(session)
        for tenant_id in due:
            if self._ended.is_set():
                return
            try:
                step = staffing.answer_wait(database, self._settings, tenant_id)
            except DATABASE_ERRORS as error:
                log.info("tenant %s: cannot look at what waits: %s", tenant_id, first_line(error))
                continue
            if step:
                log.info(
                    "tenant %s: one worker of its own %s",
                    tenant_id,
                    "more, since tasks wait" if step > 0 else "fewer, since none waits",
                )
