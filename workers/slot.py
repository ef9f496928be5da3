"""What one slot of a worker holds: its own connections, its way to children, the engine."""

import os
from pathlib import Path

from cloaca._scratch import remove
from cloacina.db import Database
from cloacina.dispatch import Dispatcher
from cloacina.executions.attempts import Attempts
from cloacina.executions.claims import Terms
from cloacina.executions.drain import Drain
from cloacina.executions.engine import Engine
from cloacina.executions.graphs import GraphCache
from cloacina.executions.parking import Door, Lot
from cloacina.executions.served import ServedQueues
from cloacina.packages.cache import PackageCache
from cloacina.sandbox import Host, Sandbox
from cloacina.settings import Settings

_CONNECTIONS = 2


class Slot:
    """The tools of one slot.

    Parameters:
        settings: the worker's.
        worker: the worker's name.
        host: the worker's sandbox host.
        lot: where the worker's tasks wait without a slot.
        drain: says when the worker is to stop.
        queues: that the worker serves.
    """

    def __init__(
        self,
        settings: Settings,
        worker: str,
        host: Host,
        lot: Lot,
        *,
        drain: Drain,
        queues: ServedQueues,
    ) -> None:
        self.settings = settings
        self.database = Database(settings.database_url, pool_size=_CONNECTIONS)
        self.dispatcher = Dispatcher(self.database, settings.broker_url)
        self.sandbox = Sandbox(host)
        self.door = Door(lot)
        self.cache = make_cache(settings)
        self.graphs = GraphCache()
        self.terms = terms_of(settings, worker)
        attempts = Attempts(
            self.database,
            self.sandbox,
            self.cache,
            self.door,
            settings=settings,
            terms=self.terms,
            graphs=self.graphs,
            drain=drain,
        )
        self.engine = Engine(
            self.database,
            self.dispatcher,
            attempts,
            self.graphs,
            settings=settings,
            terms=self.terms,
            drain=drain,
            queues=queues,
        )

    def close(self) -> None:
        """End what runs, and the connections."""
        self.sandbox.close()
        self.database.close()


def terms_of(settings: Settings, worker: str) -> Terms:
    """Give the terms on which a worker claims."""
    return Terms(
        worker=worker,
        max_context_bytes=settings.max_context_bytes,
        execution_timeout_s=settings.execution_timeout_s,
    )


def make_cache(settings: Settings) -> PackageCache:
    """Make the folder of unpacked packages, which the workers of this machine share."""
    folder = settings.home / "cache"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return PackageCache(folder)


def make_worker_folder(settings: Settings) -> Path:
    """Make the folder of this worker's scratch files, and remove those of workers that are gone.

    Parameters:
        settings: the worker's.
    """
    parent = settings.home / "work"
    parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    for folder in parent.glob("worker-*"):
        if not _is_running(int(folder.name.rpartition("-")[2])):
            # what a task made may be too deep for `shutil.rmtree`
            remove(str(folder))
    folder = parent / f"worker-{os.getpid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        # somebody else's by now
        return True
    return True
