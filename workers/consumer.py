"""A worker's main process follows the tenants: it takes up and drops their queues as they come."""

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any

from celery import bootsteps
from celery.worker import state
from sqlalchemy import exc, select
from sqlalchemy.orm import Session

from cloacina.db import Database, now
from cloacina.dispatch import queue, queue_name, worker_queue_name
from cloacina.errors import DatabaseUnavailable
from cloacina.fleet import services as fleet
from cloacina.fleet.assignment import QUEUES, Assignment, Server
from cloacina.fleet.services import Worker
from cloacina.tenants import serving
from workers import process
from workers.app import worker_settings

log = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0


class TenantQueues(bootsteps.StartStopStep):  # type: ignore[misc]
    """The step of Celery's consumer that follows the tenants.

    A thread reads the tables, the consumer's event loop applies what it found: the loop never waits
    for the database, and only the loop touches the consumer.
    """

    requires = {"celery.worker.consumer.tasks:Tasks"}

    def __init__(self, parent: Any, **kwargs: Any) -> None:
        super().__init__(parent, **kwargs)
        self._watch: _Watch | None = None
        self._timer: Any = None
        self._said: Mapping[str, int] = {}

    def start(self, parent: Any) -> None:
        """Begin to follow; called again after each lost connection to the broker."""
        self._watch = _Watch()
        self._watch.start()
        self._timer = parent.timer.call_repeatedly(LOOK_EVERY_S, self._apply, (parent,))
        self._apply(parent)

    def stop(self, parent: Any) -> None:  # noqa: ARG002  # Celery's signature
        """Stop following."""
        if self._timer is not None:
            self._timer.cancel()
        if self._watch is not None:
            self._watch.stop()

    def _apply(self, parent: Any) -> None:
        process.look_after()
        wanted = self._watch.wanted if self._watch else None
        if wanted is None or parent.task_consumer is None:
            return
        slots = {queue_name(name): count for name, count in wanted.items()}
        # of its own: what waits there is for its own slots alone
        slots[worker_queue_name(process.WORKER_ID)] = worker_settings().concurrency
        if slots != self._said:
            process.serves(slots)
            self._said = slots
        names = set(slots)
        consumed = {queue.name for queue in parent.task_consumer.queues}
        for added in sorted(names - consumed):
            parent.task_consumer.add_queue(queue(added))
            log.info("takes up the queue %s", added)
        if names - consumed:
            parent.task_consumer.consume()
        for dropped in sorted(consumed - names):
            parent.cancel_task_queue(dropped)
            log.info("drops the queue %s", dropped)


class _Watch(threading.Thread):
    """Reads which tenants the worker is to serve, and reports it for duty.

    Attributes:
        wanted: the names of these tenants, each with the slots that it has; None: not known yet.
    """

    def __init__(self) -> None:
        super().__init__(name="tenants", daemon=True)
        self.wanted: Mapping[str, int] | None = None
        self._assignment: Assignment | None = None
        self._ended = threading.Event()
        self._looks = 0
        self._failing = False
        self._warned = False

    def stop(self) -> None:
        self._ended.set()

    def run(self) -> None:
        settings = worker_settings()
        database = Database(settings.database_url, pool_size=1)
        process.keep_out_of_slots(database)
        while not self._ended.wait(LOOK_EVERY_S if self._looks else 0):
            self._try(database, self._look)
            self._looks += 1
        if process.is_stopping():
            # it may take long to end; others serve its tenants from now on
            self._try(database, _retire)
        database.close()

    def _try(self, database: Database, step: Callable[[Database], None]) -> None:
        try:
            step(database)
        except (DatabaseUnavailable, exc.DBAPIError) as error:
            if not self._failing:
                log.warning("cannot read the tenants, goes on with those it knows: %s", error)
            self._failing = True
        else:
            self._failing = False

    def _look(self, database: Database) -> None:
        evictions = process.evictions()
        with database.platform() as session:
            began = session.scalar(select(now()))
            self._assign(session)
            gone = evictions.find(session)
        evictions.end(gone)
        # whoever deletes a tenant waits to hear that nothing of it is kept here
        if gone or self._looks % (fleet.BEAT_S / LOOK_EVERY_S) == 0:
            with database.platform() as session:
                fleet.beat(session, _report(), began)

    def _assign(self, session: Session) -> None:
        """Find out which tenants are this worker's."""
        me = _server()
        assignment = serving.assignment(session, me)
        if assignment == self._assignment:
            return
        self._assignment = assignment
        self.wanted = wanted = assignment.of_server(me)
        if len(wanted) > QUEUES and not self._warned:
            log.warning(
                "serves %d tenants; hints wait longer with more than about %d: start more workers",
                len(wanted),
                QUEUES,
            )
            self._warned = True


def _retire(database: Database) -> None:
    with database.platform() as session:
        fleet.retire(session, process.WORKER_ID)


def _server() -> Server:
    settings = worker_settings()
    return Server(process.WORKER_ID, settings.worker_tenants, settings.concurrency)


def _report() -> Worker:
    settings = worker_settings()
    return Worker(
        id=process.WORKER_ID,
        name=process.WORKER_NAME,
        tenant_names=settings.worker_tenants,
        concurrency=settings.concurrency,
        in_flight=len(state.active_requests),
        seconds_since_heartbeat=0,
    )
