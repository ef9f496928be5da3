"""One embedded server's folder: its place, its locks, its port, its passwords and its log.

lock, server.lock   held by the program, and by the server itself
port                the port it had the last time
*-password          generated, 0600
<name>.log          what the server says
data/               the server's own; all else stays ours when the server is another user's
"""

import fcntl
import hashlib
import os
import secrets
from pathlib import Path

from cloacina.embedded import ports
from cloacina.embedded.errors import AlreadyRunning
from cloacina.errors import ConfigurationError
from cloacina.processes import wait_until
from cloacina.processes.accounts import Account

SHARED_ROOT = Path("/var/lib/cloacina")
HOST = "127.0.0.1"
LOG_LIMIT_BYTES = 10 * 1024 * 1024
LOG_TAIL_LINES = 12
PREDECESSOR_GRACE_S = 30.0


class ServerFolder:
    """One server's folder, opened and locked.

    Parameters:
        data_root: the folder that holds all embedded servers' folders; created when missing.
        name: the server's name, which the folder bears.
        account: the user that the server runs as; None: ourselves.

    Raises:
        AlreadyRunning: another process has the folder open.
        ConfigurationError: the folder cannot be used.
    """

    def __init__(self, data_root: Path, name: str, account: Account | None) -> None:
        self.name = name
        self.account = account
        try:
            self.path = _place(data_root.absolute(), name, account)
            self._lock = _open_private(self.path / "lock")
            self.server_lock = _open_private(self.path / "server.lock")
        except OSError as error:
            raise ConfigurationError(
                f"the embedded {name} cannot use {error.filename or data_root}: {error.strerror}"
            ) from None
        self._take_locks()

    @property
    def log_path(self) -> Path:
        """The server's log."""
        return self.path / f"{self.name}.log"

    @property
    def data(self) -> Path:
        """The server's own folder."""
        return self.path / "data"

    def _take_locks(self) -> None:
        if not _try_lock(self._lock):
            self.close()
            raise AlreadyRunning(
                f"the embedded {self.name} is already running: another process uses {self.path}"
            )
        # the server inherits this one: a predecessor whose owner was killed may still shut down
        if not wait_until(lambda: _try_lock(self.server_lock), PREDECESSOR_GRACE_S):
            self.close()
            raise AlreadyRunning(
                f"an embedded {self.name} whose owner was killed is still shutting down in "
                f"{self.path}: end it, or try again later"
            )

    def close(self) -> None:
        """Let others use the folder."""
        os.close(self.server_lock)
        os.close(self._lock)

    def make_private(self, name: str) -> Path:
        """Create an empty folder that only the server can open."""
        folder = self.path / name
        folder.mkdir(mode=0o700)
        if self.account:
            os.chown(folder, self.account.uid, self.account.gid)
        return folder

    def write_private(self, name: str, text: str) -> Path:
        """Create a file that only the server can read."""
        path = self.path / name
        path.unlink(missing_ok=True)
        with open(_open_private(path), "w", encoding="utf-8") as file:
            if self.account:
                os.fchown(file.fileno(), self.account.uid, self.account.gid)
            file.write(text)
        return path

    def password(self, name: str) -> str:
        """Give a password of the server, which is made before the server's data.

        Raises:
            ConfigurationError: there is data, yet its password is gone.
        """
        path = self.path / f"{name}-password"
        if path.exists():
            return path.read_text(encoding="utf-8")
        if self.data.exists():
            raise ConfigurationError(
                f"{path} is missing, without which the data beside it cannot be opened: restore "
                f"it, or move {self.path} away to begin anew"
            )
        fresh = path.with_suffix(".new")
        password = secrets.token_urlsafe(24)
        with open(_open_private(fresh), "w", encoding="utf-8") as file:
            file.write(password)
            file.flush()
            os.fsync(file.fileno())
        fresh.rename(path)
        return password

    def port(self) -> int:
        """Give the port that the server had before, or a new one when that is taken."""
        path = self.path / "port"
        remembered = path.read_text(encoding="utf-8") if path.exists() else ""
        if remembered.isdecimal() and ports.why_taken(HOST, int(remembered)) is None:
            return int(remembered)
        port = ports.choose(HOST)
        if port is None:
            raise ConfigurationError(f"no free port on {HOST} for the embedded {self.name}")
        path.write_text(str(port), encoding="utf-8")
        return port

    def open_log(self) -> int:
        """Open the log to append to; one that has grown large is put aside first."""
        if self.log_path.exists() and self.log_path.stat().st_size > LOG_LIMIT_BYTES:
            self.log_path.rename(self.log_path.with_suffix(".log.1"))
        return _open_private(self.log_path, os.O_APPEND)

    def log_tail(self, offset: int) -> str:
        """Give the last lines of the log after an offset, ready to be put into an error."""
        with self.log_path.open("rb") as log:
            log.seek(offset)
            lines = log.read().decode(errors="replace").splitlines()
        told = [line for line in lines if line.strip()][-LOG_TAIL_LINES:]
        return "".join(f"\n  {line}" for line in told)


def _open_private(path: Path, flags: int = 0) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | flags, 0o600)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _place(data_root: Path, name: str, account: Account | None) -> Path:
    """Find or create the folder, where the server's user can reach it.

    A folder elsewhere is linked to from the data root, so that it is found again, and found by
    people, whatever becomes of the modes above it.
    """
    # folders of root's can be passed through, not listed; the files in them are closed
    mode = 0o711 if account else 0o700
    wanted = data_root / name
    _create(data_root, mode)
    if account is None or (not wanted.exists() and account.can_enter(data_root)):
        _create(wanted, mode)
        return wanted
    if not wanted.exists():
        key = hashlib.sha256(str(data_root).encode()).hexdigest()[:16]
        elsewhere = SHARED_ROOT / key
        _create(elsewhere, mode)
        (elsewhere / "belongs-to").write_text(f"{data_root}\n", encoding="utf-8")
        _create(elsewhere / name, mode)
        if not wanted.is_symlink():
            wanted.symlink_to(elsewhere / name)
    place = wanted.resolve()
    if not account.can_enter(place):
        raise ConfigurationError(
            f"user {account.name}, as whom the embedded {name} runs, cannot enter {place}: "
            "open the folders above it (chmod o+x)"
        )
    return place


def _create(folder: Path, mode: int) -> None:
    if folder.is_dir():
        return
    _create(folder.parent, mode)
    folder.mkdir()
    folder.chmod(mode)
