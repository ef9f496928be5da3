"""The life of a worker's processes: the main one, which follows tenants, and its slots."""

import gc
import importlib
import logging
import os
import signal
import socket
import warnings
from collections.abc import Mapping
from uuid import UUID, uuid4

from celery import signals
from celery.exceptions import CPendingDeprecationWarning
from sqlalchemy.orm import configure_mappers

from cloaca._scratch import remove
from cloacina import logs
from cloacina.db import Database
from cloacina.dispatch import Dispatcher, worker_queue_name
from cloacina.errors import DatabaseUnavailable
from cloacina.executions.drain import Drain
from cloacina.executions.parking import Lot
from cloacina.executions.served import ServedQueues
from cloacina.fleet import services as fleet
from cloacina.processes import die_with_parent
from cloacina.sandbox import Host
from workers.app import worker_settings
from workers.eviction import Evictions
from workers.slot import Slot, make_cache, make_worker_folder, terms_of

log = logging.getLogger(__name__)

WORKER_ID = uuid4()
"""Of this worker: made in its main process, before the slots are forked."""

_MAIN_PID = os.getpid()

WORKER_NAME = f"{socket.gethostname()}-{_MAIN_PID}"


class _Process:
    """What this process of the worker holds; a slot begins with its main process's copy."""

    def __init__(self) -> None:
        self.main: Main | None = None
        self.slot: Slot | None = None
        self.main_databases: list[Database] = []


class Main:
    """What the main process holds, and its slots share."""

    def __init__(self) -> None:
        settings = worker_settings()
        self.folder = make_worker_folder(settings)
        self.drain = Drain()
        self.queues = ServedQueues(self.folder)
        self.database = Database(settings.database_url, pool_size=2)
        keep_out_of_slots(self.database)
        self.dispatcher = Dispatcher(self.database, settings.broker_url)
        self.lot = Lot(self.database, self, terms_of(settings, WORKER_NAME), self.drain)
        self.host = Host(self.folder, max_scratch_bytes=settings.max_scratch_bytes)
        self.host.start()
        self.evictions = Evictions(self.host, make_cache(settings))
        _share_memory()

    def resume(self, tenant_id: UUID, task_uuid: UUID) -> bool:
        """Tell the slots that a task of the lot wants to go on."""
        return self.dispatcher.resume(WORKER_ID, tenant_id, task_uuid)

    def run(self, tenant_id: UUID, tenant_name: str, execution_id: UUID) -> bool:
        """Tell all workers that an execution has tasks to run."""
        return self.dispatcher.run(tenant_id, tenant_name, execution_id)

    def enter_slot(self) -> None:
        """Let go, in a slot that was forked, of what is the main process's alone."""
        self.host.enter_slot()
        self.lot.enter_slot()

    def look_after(self) -> None:
        """Start what has ended, or was not started yet; on the main thread only."""
        if not self.lot.is_alive() and not self.drain.has_begun():
            self.lot.start()
        try:
            self.host.ensure_running()
        except OSError as error:
            log.error("the sandbox host cannot be started: %s", error)

    def close(self) -> None:
        """End all that still runs, and leave nothing behind."""
        self.lot.close()
        self.dispatcher.delete_queue(worker_queue_name(WORKER_ID))
        _sign_off(self.database)
        self.database.close()
        self.host.close()
        # what a task made may be too deep for `shutil.rmtree`
        remove(str(self.folder))


_process = _Process()


def _share_memory() -> None:
    """Load before the fork what every slot would load after it, and let its pages be."""
    configure_mappers()
    importlib.import_module("workers.tasks")
    gc.collect()
    gc.freeze()


def slot() -> Slot:
    """Give the slot that this process is."""
    assert _process.slot is not None  # noqa: S101  # tasks run in slots
    return _process.slot


def keep_out_of_slots(database: Database) -> None:
    """Have a slot, once it is forked, let go of the main process's connections."""
    _process.main_databases.append(database)


def serves(slots: Mapping[str, int]) -> None:
    """Let the slots know which queues the worker serves, and how many slots serve each."""
    if _process.main is not None:
        _process.main.queues.write(slots)


def is_stopping() -> bool:
    """Say whether the worker was told to stop."""
    return _process.main is not None and _process.main.drain.has_begun()


def evictions() -> Evictions:
    """Give what ends what the worker keeps of tenants that are gone; for one thread."""
    assert _process.main is not None  # noqa: S101  # the worker was opened before it consumes
    return _process.main.evictions


def look_after() -> None:
    """Look after what the main process holds; called each second, on its main thread."""
    if _process.main is not None:
        _process.main.look_after()


@signals.setup_logging.connect
def _configure_logging(**_: object) -> None:
    logs.configure(worker_settings().log_level)
    # a hint is no news; what it led to is logged by the engine
    for name in ("celery.app.trace", "celery.worker.strategy"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # said at each lost connection about a default that we set; Celery has just turned it on
    warnings.filterwarnings("ignore", category=CPendingDeprecationWarning)


@signals.worker_init.connect
def _open_worker(**_: object) -> None:
    _process.main = Main()


@signals.worker_process_init.connect
def _open_slot(**_: object) -> None:
    die_with_parent(signal.SIGKILL, _MAIN_PID)
    for database in _process.main_databases:
        database.forget_connections()
    main = _process.main
    assert main is not None  # noqa: S101  # the worker was opened before it forked
    main.enter_slot()
    _process.slot = Slot(
        worker_settings(), WORKER_NAME, main.host, main.lot, drain=main.drain, queues=main.queues
    )


@signals.worker_process_shutdown.connect
def _close_slot(**_: object) -> None:
    if _process.slot is not None:
        _process.slot.close()


@signals.worker_shutting_down.connect
def _begin_to_stop(**_: object) -> None:
    if _process.main is not None:
        _process.main.drain.begin(worker_settings().worker_stop_grace_s)


@signals.worker_shutdown.connect
def _close_worker(**_: object) -> None:
    if _process.main is not None:
        _process.main.close()


def _sign_off(database: Database) -> None:
    try:
        with database.platform() as session:
            fleet.leave(session, WORKER_ID)
    except DatabaseUnavailable:
        # silence says the same a little later
        log.info("could not sign off: the database is away")
