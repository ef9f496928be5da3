"""What measurements share: the server, its tenants and their packages, and the peer."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from bench import workflows
from bench.client import Connection
from bench.load import Run
from bench.peer import Peer
from bench.report import Report
from bench.server import Server


@dataclass(frozen=True)
class Options:
    """How much is measured, and on what.

    Parameters:
        quick: fewer runs, for a look.
        workers, slots: of the server, and of the peer.
    """

    quick: bool
    workers: int
    slots: int

    def pick(self, whole: int, quick: int) -> int:
        """Choose between a number for a whole measurement and one for a quick look."""
        return quick if self.quick else whole


class Rig:
    """Holds what measurements share; each thing is made when it is first asked for.

    Parameters:
        options: how much is measured, and on what.
        report: takes the figures.
    """

    def __init__(self, options: Options, report: Report) -> None:
        self.options = options
        self.report = report
        self.tenant_create_s: list[float] = []
        self.runs: dict[str, Run] = {}
        self._stack = ExitStack()
        self._tenants: list[str] = []
        self._uploaded: set[tuple[str, str]] = set()

    def close(self) -> None:
        """Stop the servers."""
        self._stack.close()

    @cached_property
    def server(self) -> Server:
        """The server."""
        home = self._stack.enter_context(home_folder())
        return self._stack.enter_context(
            Server(home, workers=self.options.workers, slots=self.options.slots)
        )

    @cached_property
    def connection(self) -> Connection:
        """A connection to it, for the main thread."""
        return self.server.connect()

    @cached_property
    def peer(self) -> Peer:
        """The peer, beside the server."""
        return self._stack.enter_context(Peer(self.server))

    def tenants(self, count: int) -> list[str]:
        """Give so many tenants, making those that are missing."""
        while len(self._tenants) < count:
            name = f"bench_{len(self._tenants)}"
            started = time.perf_counter()
            self.connection.create_tenant(name)
            self.tenant_create_s.append(time.perf_counter() - started)
            self._tenants.append(name)
        return self._tenants[:count]

    def workflow(self, name: str, tenant: str = "") -> str:
        """Have a tenant hold a workflow, and give the tenant: the first, if none is named."""
        tenant = tenant or self.tenants(1)[0]
        if (tenant, name) not in self._uploaded:
            self.connection.upload(tenant, self._archive(name))
            self._uploaded.add((tenant, name))
        return tenant

    def _archive(self, name: str) -> Path:
        folder = self.server.home / "packages"
        found = sorted(folder.glob(f"{name}-*.cloacina"))
        return found[0] if found else workflows.archive(name, folder)


@contextmanager
def home_folder() -> Iterator[Path]:
    """Make a temporary home for a server."""
    with tempfile.TemporaryDirectory(prefix="cloacina-bench-") as folder:
        # an embedded PostgreSQL started by root runs as another user, who must pass through here
        Path(folder).chmod(0o711)
        yield Path(folder)
