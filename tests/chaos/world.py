"""The whole fleet: servers, two APIs, two schedulers, three workers, and who restarts them."""

import os
import shutil
import signal
import subprocess
import time
import uuid
from pathlib import Path

import redis

from cli.server_parts import API, PREPARE, SCHEDULER, WORKER
from cloacina.embedded import EmbeddedPostgres, EmbeddedValkey
from cloacina.embedded.postgres import SERVICE
from cloacina.embedded.server import EmbeddedServer
from cloacina.processes import wait_until
from cloacina.settings import ENV_PREFIX, Settings
from tests.chaos import kin
from tests.chaos.kin import Ident
from tests.chaos.parts import Death, Part, service
from tests.ports import choose_several

APIS, SCHEDULERS, WORKERS = 2, 2, 3
SLOTS = 2
STOP_S = 60.0
_HOST = "127.0.0.1"
# what ends with a server may look for its end now and then only
_LAST_BREATH_S = 5.0


class World:
    """Everything that runs.

    Parameters:
        folder: gets data, logs and all that is written down.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.marker = f"{ENV_PREFIX}VAR_CHAOS={uuid.uuid4().hex}"
        self.deaths: list[Death] = []
        self.workers: list[Part] = []
        self.schedulers: list[Part] = []
        self.apis: list[Part] = []
        self.addresses: list[str] = []
        self.homes = [folder / "home-1", folder / "home-2"]
        self.postgres = EmbeddedPostgres(folder / "data")
        self.valkey = EmbeddedValkey(folder / "data")
        self.workers_file = folder / "workers"
        self.journal = folder / "journal"
        self._logs = folder / "logs"
        self._up = False

    @property
    def admin_url(self) -> str:
        """The service's database as the superuser."""
        return f"{self.postgres.admin_url.rpartition('/')[0]}/{SERVICE}"

    @property
    def admin_key(self) -> str:
        """The first admin key."""
        return (self.homes[0] / "bootstrap-key").read_text().strip()

    def broker(self) -> redis.Redis:
        """Connect to the broker, with little patience."""
        return redis.Redis.from_url(
            self.valkey.url, socket_timeout=2, socket_connect_timeout=2, protocol=2
        )

    def start(self) -> None:
        """Start everything, without waiting for the services."""
        self._logs.mkdir()
        for home in self.homes:
            home.mkdir()
        self.journal.touch()
        self.workers_file.touch()
        self.postgres.start()
        self.valkey.start()
        with (self._logs / "prepare.log").open("wb") as log:
            environ = self._environ(self.homes[0])
            subprocess.run(PREPARE, check=True, env=environ, stdout=log, stderr=log)
        for number, port in enumerate(choose_several(_HOST, APIS), 1):
            address = f"{_HOST}:{port}"
            self.addresses.append(address)
            self.apis.append(self._service("api", number, API, bind=address))
        for number in range(1, SCHEDULERS + 1):
            self.schedulers.append(self._service("scheduler", number, SCHEDULER))
        for number in range(1, WORKERS + 1):
            self.workers.append(self._service("worker", number, WORKER))
        self._up = True
        self.tend()

    def _service(self, kind: str, number: int, argv: tuple[str, ...], **changes: str) -> Part:
        home = self.homes[(number - 1) % len(self.homes)]
        log = self._logs / f"{kind}-{number}.log"
        return service(argv, self._environ(home, **changes), home, log)

    def _environ(self, home: Path, **changes: object) -> dict[str, str]:
        settings = Settings(
            home=home,
            database_url=self.postgres.url,
            broker_url=self.valkey.url,
            concurrency=SLOTS,
            **changes,  # type: ignore[arg-type]
        )
        name, _, value = self.marker.partition("=")
        own = {k: v for k, v in os.environ.items() if not k.startswith(ENV_PREFIX)}
        return own | settings.environment() | {name: value}

    @property
    def parts(self) -> list[Part]:
        """All services."""
        return [*self.apis, *self.schedulers, *self.workers]

    def tend(self) -> None:
        """Start again what has ended."""
        if not self._up:
            return
        for server in (self.postgres, self.valkey):
            _tend_server(server)
        for part in self.parts:
            before = part.who
            death = part.tend()
            if death is not None:
                self.deaths.append(death)
            if part in self.workers and part.who != before:
                self._list_workers()
        kin.bury_orphans(self._children())

    def _children(self) -> set[int]:
        processes = [part.process for part in self.parts]
        processes += [self.postgres.process, self.valkey.process]
        return {process.pid for process in processes if process is not None}

    def _list_workers(self) -> None:
        """Write down which processes a task may kill, whole or not at all."""
        fresh = self.workers_file.with_suffix(".new")
        listed = [part.who for part in self.workers if part.who is not None]
        fresh.write_text("".join(f"{who.pid} {who.born}\n" for who in listed))
        fresh.replace(self.workers_file)

    def server_process(self, server: EmbeddedServer) -> Ident | None:
        """Identify an embedded server's process."""
        process = server.process
        if process is None or process.poll() is not None:
            return None
        return kin.ident(process.pid)

    def empty_broker_and_end(self) -> None:
        """Have the broker lose all, and its process end; it is started again like all else."""
        who = self.server_process(self.valkey)
        if who is None:
            return
        kin.send(who, signal.SIGKILL)
        assert self.valkey.process is not None
        self.valkey.process.wait(STOP_S)
        for entry in self.valkey.folder.data.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry)
            else:
                entry.unlink()

    def stop_services(self) -> list[str]:
        """End all services softly; tell which did not end so."""
        self._up = False
        for part in self.parts:
            if part.who is not None:
                # one that was stopped could not do as it is told
                for who in (part.who, *kin.slots_of(part.who.pid)):
                    kin.send(who, signal.SIGCONT)
                kin.send(part.who, signal.SIGTERM)
        late = []
        until = time.monotonic() + STOP_S
        for part in self.parts:
            if part.process is None:
                continue
            try:
                part.process.wait(max(0.1, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                late.append(part.name)
                part.process.kill()
                part.process.wait()
        return late

    def stop_servers(self) -> None:
        """End the embedded servers."""
        self._up = False
        self.valkey.stop()
        self.postgres.stop()

    def scratch(self) -> list[str]:
        """Give what lies in the homes' folders for work in progress."""
        return [str(path) for home in self.homes for path in home.glob("work/*")]

    def leftovers(self) -> list[int]:
        """Give the processes that are there after all was stopped."""

        def found() -> list[int]:
            kin.bury_orphans(set())
            mine = [seen.who.pid for seen in kin.below(os.getpid())]
            return sorted({*mine, *kin.marked(self.marker)} - {os.getpid()})

        wait_until(lambda: not found(), _LAST_BREATH_S, 0.1)
        return found()


def _tend_server(server: EmbeddedServer) -> None:
    if server.process is not None and server.process.poll() is not None:
        server.launch()
