"""Sends hints to the tenants that are due: `python -m workers.scheduler`.

Any number may run: each due tenant is taken by one of them, and what the hints lead to is decided
by the claims in the tables.
"""

import logging
import signal
import threading

from cloacina import logs
from cloacina.db import Database
from cloacina.dispatch import Dispatcher, worker_queue_name
from cloacina.errors import DatabaseUnavailable
from cloacina.fleet import services as fleet
from cloacina.settings import Settings, load_settings
from cloacina.tenants import services as tenants
from workers.deletions import Deletions

log = logging.getLogger("workers.scheduler")

TICK_S = 1.0
PATIENCE_S = 5.0
"""Seconds until a tenant is due again when no worker has said otherwise."""

MOST_AT_ONCE = 500

STOP_WITHIN_S = 5.0
"""Seconds that a step of a deletion gets when the scheduler stops; whoever starts next goes on."""


def tick(database: Database, dispatcher: Dispatcher) -> int:
    """Send a hint to each tenant that is due, and drop what workers that were killed have left.

    Parameters:
        database: the scheduler's.
        dispatcher: for the hints.

    Returns:
        How many tenants were due.
    """
    with database.platform() as session:
        due = tenants.due_tenants(session, MOST_AT_ONCE, PATIENCE_S)
        gone = fleet.forget_gone(session)
    for worker_id in gone:
        # it could not do so itself
        dispatcher.delete_queue(worker_queue_name(worker_id))
    for tenant_id, name, packages_too in due:
        dispatcher.run(tenant_id, name)
        if packages_too:
            dispatcher.reconcile(tenant_id, name)
    return len(due)


def run(settings: Settings, stopped: threading.Event) -> None:
    """Tick until told to stop.

    Parameters:
        settings: the scheduler's.
        stopped: ends it.
    """
    # one for the ticks, one for deletions
    database = Database(settings.database_url, pool_size=2)
    dispatcher = Dispatcher(database, settings.broker_url)
    deletions = Deletions(database, dispatcher, stopped)
    deletions.start()
    away = False
    while not stopped.wait(TICK_S):
        try:
            tick(database, dispatcher)
        except DatabaseUnavailable:
            if not away:
                log.warning("the database is away; trying again each %g s", TICK_S)
            away = True
        else:
            if away:
                log.info("the database is back")
            away = False
    deletions.join(STOP_WITHIN_S)
    database.close()


def main() -> None:
    """Run the scheduler until it is told to stop."""
    settings = load_settings()
    logs.configure(settings.log_level)
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    log.info("the scheduler runs")
    run(settings, stopped)


if __name__ == "__main__":
    main()
