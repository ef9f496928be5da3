"""The server that is measured: a whole one, as a user would start it, in a home of its own."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.client import Connection
from bench.processes import Kind, Tree
from cloacina.embedded import ports
from cloacina.embedded.postgres import SERVICE
from cloacina.processes import end, spawn

CLOACINACTL = Path(sys.executable).with_name("cloacinactl")
START_DEADLINE_S = 60.0
STOP_DEADLINE_S = 90.0
POLL_S = 0.01
HOST = "127.0.0.1"


class Server:
    """A `cloacinactl server start` with embedded PostgreSQL and Valkey.

    Parameters:
        home: its home folder, which other users may pass through.
        workers: worker processes.
        slots: tasks that each of them runs at once.
    """

    def __init__(self, home: Path, *, workers: int, slots: int) -> None:
        self.home = home
        self.workers = workers
        self.slots = slots
        port = ports.choose(HOST)
        if port is None:
            sys.exit(f"no free port on {HOST}")
        self.port = port
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> float:
        """Start it and give the seconds until it was ready."""
        started = time.monotonic()
        with (self.home / "server.log").open("ab") as log:
            self._process = spawn(
                [
                    *(CLOACINACTL, "server", "start", "--home", self.home),
                    *("--bind", f"{HOST}:{self.port}", "--workers", str(self.workers)),
                ],
                death_signal=signal.SIGTERM,
                environ=environment() | {"CLOACINA_CONCURRENCY": str(self.slots)},
                output=log.fileno(),
            )
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() - started > START_DEADLINE_S:
                sys.exit(f"the server did not start:\n{self.log_tail()}")
            time.sleep(POLL_S)
        return time.monotonic() - started

    def stop(self) -> None:
        """Stop it and wait for its end."""
        if self._process is not None:
            end(self._process, [(signal.SIGTERM, STOP_DEADLINE_S)])
            self._process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            print(self.log_tail(), file=sys.stderr)
        self.stop()

    def connect(self, key: str = "") -> Connection:
        """Open a connection that acts with a key; without one, as the admin."""
        return Connection(HOST, self.port, key or self._key())

    def tree(self) -> Tree:
        """Describe its processes."""
        assert self._process is not None
        return Tree(self._process.pid, kind_of)

    @property
    def database_url(self) -> str:
        """The URL of its database, as the service's role."""
        folder = self.home / "data" / "postgres"
        password = (folder / "service-password").read_text()
        return f"postgresql://{SERVICE}:{password}@{HOST}:{(folder / 'port').read_text()}/{SERVICE}"

    def broker_url(self, database: int) -> str:
        """Give the URL of another database of its broker."""
        folder = self.home / "data" / "valkey"
        password = (folder / "valkey-password").read_text()
        return f"redis://:{password}@{HOST}:{(folder / 'port').read_text()}/{database}"

    def log_tail(self) -> str:
        """Give the end of its log."""
        lines = (self.home / "server.log").read_text(errors="replace").splitlines()
        return "\n".join(lines[-20:])

    def _key(self) -> str:
        return (self.home / "bootstrap-key").read_text().strip()

    def _is_ready(self) -> bool:
        connection = Connection(HOST, self.port)
        try:
            return connection.request("GET", "/ready")[0] == 200
        except OSError:
            return False
        finally:
            connection.close()


def environment() -> dict[str, str]:
    """Give the environment of a user who has set nothing of ours.

    Python shall keep what it compiled, as it does for users: later starts are much faster so.
    """
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("CLOACINA_") and name != "PYTHONDONTWRITEBYTECODE"
    }


def kind_of(command: list[str], parent: Kind | None, parents_command: list[str]) -> Kind:
    """Tell which part of the server a process belongs to.

    Parameters:
        command: its command line.
        parent: its parent's part; None: it is the supervisor.
        parents_command: its parent's command line.
    """
    if parent is None:
        return "supervisor"
    if parent == "supervisor":
        return _part(command)
    if parent == "worker main" and command == parents_command:
        return "slots"
    # whatever else a worker starts is there for tenants' code
    return "children" if parent in {"worker main", "slots"} else parent


def _part(command: list[str]) -> Kind:
    program = Path(command[0]).name if command else ""
    for part, name in (("PostgreSQL", "postgres"), ("Valkey", "valkey")):
        if program.startswith(name):
            return part
    for part, module in (
        ("API", "gunicorn"),
        ("scheduler", "workers.scheduler"),
        ("worker main", "workers"),
    ):
        if module in command:
            return part
    return "other"
