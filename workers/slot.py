"""What one slot of a worker holds: its own connections, its way to children, the engine."""

import os
import shutil
from pathlib import Path

from cloacina.db import Database
from cloacina.dispatch import Dispatcher
from cloacina.executions.engine import Engine
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
    """

    def __init__(self, settings: Settings, worker: str, host: Host) -> None:
        self.settings = settings
        self.database = Database(settings.database_url, pool_size=_CONNECTIONS)
        self.dispatcher = Dispatcher(self.database, settings.broker_url)
        self.sandbox = Sandbox(host)
        cache = settings.home / "cache"
        cache.mkdir(mode=0o700, exist_ok=True)
        self.cache = PackageCache(cache)
        self.engine = Engine(
            self.database,
            self.dispatcher,
            self.sandbox,
            self.cache,
            settings=settings,
            worker=worker,
        )

    def close(self) -> None:
        """End what runs, and the connections."""
        self.sandbox.close()
        self.database.close()


def make_worker_folder(settings: Settings) -> Path:
    """Make the folder of this worker's scratch files, and remove those of workers that are gone.

    Parameters:
        settings: the worker's.
    """
    parent = settings.home / "work"
    parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    for folder in parent.glob("worker-*"):
        if not _is_running(int(folder.name.rpartition("-")[2])):
            shutil.rmtree(folder, ignore_errors=True)
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
