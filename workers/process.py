"""The life of a worker's processes: the main one, which follows tenants, and its slots."""

import logging
import os
import shutil
import signal
import socket
import warnings
from pathlib import Path
from uuid import uuid4

from celery import signals
from celery.exceptions import CPendingDeprecationWarning

from cloacina import logs
from cloacina.db import Database
from cloacina.errors import DatabaseUnavailable
from cloacina.fleet import services as fleet
from cloacina.processes import die_with_parent
from cloacina.sandbox import Host
from workers.app import worker_settings
from workers.slot import Slot, make_worker_folder

log = logging.getLogger(__name__)

WORKER_ID = uuid4()
"""Of this worker: made in its main process, before the slots are forked."""

_MAIN_PID = os.getpid()

WORKER_NAME = f"{socket.gethostname()}-{_MAIN_PID}"


class _Process:
    """What this process of the worker holds; a slot begins with its main process's copy."""

    def __init__(self) -> None:
        self.folder: Path | None = None
        self.host: Host | None = None
        self.slot: Slot | None = None
        self.main_databases: list[Database] = []


_process = _Process()


def slot() -> Slot:
    """Give the slot that this process is."""
    assert _process.slot is not None  # noqa: S101  # tasks run in slots
    return _process.slot


def keep_out_of_slots(database: Database) -> None:
    """Have a slot, once it is forked, let go of the main process's connections."""
    _process.main_databases.append(database)


def ensure_host() -> None:
    """Start the sandbox host again if it has ended; on the main process's main thread only."""
    if _process.host is not None:
        try:
            _process.host.ensure_running()
        except OSError as error:
            log.error("the sandbox host cannot be started: %s", error)


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
    _process.folder = make_worker_folder(worker_settings())
    _process.host = Host(_process.folder)
    _process.host.start()


@signals.worker_process_init.connect
def _open_slot(**_: object) -> None:
    die_with_parent(signal.SIGKILL, _MAIN_PID)
    for database in _process.main_databases:
        # closing them here would end the main process's sessions
        database.engine.dispose(close=False)
    assert _process.host is not None  # noqa: S101  # the worker was opened before it forked
    _process.host.enter_slot()
    _process.slot = Slot(worker_settings(), WORKER_NAME, _process.host)


@signals.worker_process_shutdown.connect
def _close_slot(**_: object) -> None:
    if _process.slot is not None:
        _process.slot.close()


@signals.worker_shutdown.connect
def _close_worker(**_: object) -> None:
    _sign_off()
    if _process.host is not None:
        _process.host.close()
    if _process.folder is not None:
        shutil.rmtree(_process.folder, ignore_errors=True)


def _sign_off() -> None:
    database = Database(worker_settings().database_url, pool_size=1)
    try:
        with database.platform() as session:
            fleet.leave(session, WORKER_ID)
    except DatabaseUnavailable:
        # silence says the same a little later
        log.info("could not sign off: the database is away")
    finally:
        database.close()
