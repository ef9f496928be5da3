"""`<home>/server.pid`: which process is this home's server, and whether it still is."""

import fcntl
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cloacina.errors import ConfigurationError, NotFound, Unavailable
from cloacina.processes import wait_until

PID_FILE = "server.pid"
WRITTEN_DEADLINE_S = 1.0


class ServerNotRunning(NotFound):
    """No server runs from this home folder."""


@contextmanager
def held_pid_file(home: Path) -> Iterator[bool]:
    """Hold the file with our process's id for as long as the block runs.

    The file's lock tells the living from the dead: it goes with its process, however that ends.

    Parameters:
        home: the home folder, which exists.

    Returns:
        Whether the last server of this home was killed, so that the file was left behind.

    Raises:
        ConfigurationError: another server runs from this home.
    """
    path = home / PID_FILE
    descriptor = _open_current(path)
    try:
        if not _try_lock(descriptor):
            raise ConfigurationError(
                f"a server runs from {home} already (pid {_read_pid(path)}); "
                "`cloacinactl server stop` ends it, --home starts one elsewhere"
            )
        was_left_behind = os.fstat(descriptor).st_size > 0
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        try:
            yield was_left_behind
        finally:
            path.unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def stop_server(home: Path, *, force: bool, deadline_s: float) -> int:
    """End the server of a home folder, and wait until it has ended.

    Parameters:
        home: the home folder.
        force: kill it, with all that it started.
        deadline_s: seconds to wait.

    Returns:
        The process id that it had.

    Raises:
        ServerNotRunning: there is none.
        Unavailable: it did not end in time.
    """
    path = home / PID_FILE
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        raise ServerNotRunning(f"no server runs from {home}: there is no {path}") from None
    try:
        if _try_lock(descriptor):
            raise ServerNotRunning(f"no server runs from {home}: {path} was left by a dead one")
        pid = _read_pid(path)
        os.kill(pid, signal.SIGKILL if force else signal.SIGTERM)
        if not wait_until(lambda: _try_lock(descriptor), deadline_s):
            raise Unavailable(
                f"the server (pid {pid}) still waits for running tasks after {deadline_s:.0f} "
                "seconds; --force kills it"
            )
    finally:
        os.close(descriptor)
    return pid


def _open_current(path: Path) -> int:
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            # one that was removed meanwhile could be locked by us and seen by nobody
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor
        except FileNotFoundError:
            pass
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read_pid(path: Path) -> int:
    # its holder locks first and writes then
    text = wait_until(lambda: path.read_text(encoding="ascii").strip(), WRITTEN_DEADLINE_S)
    if not text:
        raise Unavailable(f"{path} is held by a process that did not write its id into it")
    return int(text)
