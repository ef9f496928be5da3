"""What `server start`, `worker start` and `scheduler start` run, and in which order."""

import errno
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

from cli.crew import Crew
from cli.pid_file import held_pid_file
from cli.readiness import ReadyProbe
from cli.signals import Signals, StopRequested
from cli.supervisor import IDLE_S, Kept, Part, Process, Step, Supervisor, stop_grace_s
from cloacina.embedded import EmbeddedPostgres, EmbeddedValkey
from cloacina.embedded.ports import why_taken
from cloacina.embedded.server import EmbeddedServer
from cloacina.errors import ConfigurationError
from cloacina.processes import spawn, wait_until
from cloacina.settings import Settings

log = logging.getLogger("supervisor")

# -P: a folder `web` or `workers` in the current folder must not stand in for ours
PYTHON = (sys.executable, "-P", "-m")
API = (*PYTHON, "gunicorn", "-c", "python:web.gunicorn_conf", "web.wsgi:app")
PREPARE = (*PYTHON, "cli", "admin", "prepare")
WORKER = (*PYTHON, "workers")
SCHEDULER = (*PYTHON, "workers.scheduler")

# the same as the name in cloacina.lifecycle, whose import costs a start more than half a second
BOOTSTRAP_KEY_FILE = "bootstrap-key"
READY_POLL_S = 0.05
# a server that waits for its database is not to be kept busy with questions
EAGER_FOR_S = 10.0
PATIENT_POLL_S = 1.0
PREDECESSOR_GRACE_S = 5.0
_SQLITE = "sqlite:///"
_STDERR = 2


def run_server(settings: Settings) -> None:
    """Run a whole server until somebody asks it to stop.

    Parameters:
        settings: an empty database or broker URL stands for an embedded server.

    Raises:
        ConfigurationError: a setting cannot be used, the address is taken, or a server runs from
            this home folder already.
        EmbeddedServerFailed: an embedded server did not start.
    """
    _make_home(settings.home)
    settings = replace(settings, database_url=_absolute(settings.database_url))
    _check_workers(settings)
    if settings.database_url:
        _check_url(settings.database_url)
    with held_pid_file(settings.home) as was_killed, ExitStack() as embedded, Signals() as signals:
        for address in filter(None, (settings.bind, settings.metrics_bind)):
            _check_free(address, PREDECESSOR_GRACE_S if was_killed else 0)
        try:
            with signals.breaking_off():
                settings, servers = _start_embedded(settings, embedded)
        except StopRequested:
            log.info("stopped")
            return
        log.info("starting the API at http://%s", settings.bind)
        announcer = _ReadyAnnouncer(settings)
        grace_s = settings.worker_stop_grace_s
        Supervisor(signals, _server_parts(settings), servers, tasks_grace_s=grace_s).run(announcer)


def run_alone(settings: Settings, what: str) -> None:
    """Run one worker or one scheduler against a database and a broker that run elsewhere.

    Parameters:
        settings: with both URLs.
        what: `worker` or `scheduler`.

    Raises:
        ConfigurationError: a URL is missing, or the database is one that no two processes share.
    """
    for name in ("database_url", "broker_url"):
        if not getattr(settings, name):
            flag = "--" + name.replace("_", "-")
            raise ConfigurationError(
                f"`{what} start` needs {flag}, CLOACINA_{name.upper()} or {name} in config.toml: "
                "embedded servers belong to `server start`, which runs a worker and a scheduler"
            )
    _check_url(settings.database_url)
    if _is_sqlite(settings):
        raise ConfigurationError(
            f"`{what} start` needs PostgreSQL: with SQLite, `server start` runs the one worker and "
            "the scheduler itself"
        )
    _make_home(settings.home)
    argv = {"worker": WORKER, "scheduler": SCHEDULER}[what]
    with Signals() as signals:
        log.info("starting the %s", what)
        part = Part(what, _launcher(argv, settings))
        Supervisor(signals, [part], tasks_grace_s=settings.worker_stop_grace_s).run()


def _server_parts(settings: Settings) -> list[Kept]:
    # only the step that may make the key needs to know its text
    others = replace(settings, bootstrap_key="")
    prepare = Step("preparing the database", _launcher(PREPARE, settings))
    parts: list[Kept] = [Part("the API", _launcher(API, others)), prepare]
    for number in range(1, settings.workers + 1):
        parts.append(Part(f"worker {number}", _launcher(WORKER, others), needs=prepare))
    if settings.workers:
        path = _crew_file(settings.home)
        argv = (*SCHEDULER, "--for", str(path), str(uuid4()))
        parts.append(Part("the scheduler", _launcher(argv, others), needs=prepare))
        parts.append(_crew(path, others))
    return parts


def _crew(path: Path, settings: Settings) -> Crew:
    """Run the workers of tenants' own that the scheduler writes down."""

    def launch(tenant: str) -> Process:
        return _launcher(WORKER, replace(settings, worker_tenants=(tenant,)))()

    return Crew(path, launch, stop_grace_s(settings.worker_stop_grace_s))


def _crew_file(home: Path) -> Path:
    """Give the file in which the scheduler will write them down; it is not there yet."""
    folder = home / "run"
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / "fleet.json"
    path.unlink(missing_ok=True)
    return path


def _launcher(argv: Sequence[str], settings: Settings) -> Callable[[], Process]:
    environ = os.environ | settings.environment()
    return lambda: spawn(
        argv,
        # everything of a part dies with it, and what it did counts as undone: nothing to wait for
        death_signal=signal.SIGKILL,
        environ=environ,
        cwd=settings.home,
        output=_STDERR,
    )


def _start_embedded(settings: Settings, stack: ExitStack) -> tuple[Settings, list[Part]]:
    data_root = settings.home / "data"
    parts: list[Part] = []
    if not settings.database_url:
        postgres = EmbeddedPostgres(data_root)
        parts.append(_started(postgres, stack))
        settings = replace(settings, database_url=postgres.url)
    if not settings.broker_url:
        valkey = EmbeddedValkey(data_root)
        parts.append(_started(valkey, stack))
        settings = replace(settings, broker_url=valkey.url)
    return settings, parts


def _started(server: EmbeddedServer, stack: ExitStack) -> Part:
    server.start()
    stack.callback(server.stop)
    log.info("embedded %s runs; its data lies in %s", server.title, server.folder.path)
    return Part(
        f"embedded {server.title}",
        server.launch,
        process=server.process,
        stop_signal=server.stop_steps[0][0],
    )


class _ReadyAnnouncer:
    """Says once that the server is ready, and where it is."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._probe = ReadyProbe(*_split(settings.bind))
        self._announced = False
        self._eager_until = time.monotonic() + EAGER_FOR_S

    def __call__(self) -> float:
        if self._announced:
            return IDLE_S
        if not self._probe.is_ready():
            return READY_POLL_S if time.monotonic() < self._eager_until else PATIENT_POLL_S
        self._announced = True
        key = self._settings.home / BOOTSTRAP_KEY_FILE
        where = f"; the bootstrap key lies in {key}" if key.exists() else ""
        log.info("ready: http://%s%s", self._settings.bind, where)
        return IDLE_S


def _check_url(url: str) -> None:
    # in here: it brings SQLAlchemy along, which a server with an embedded database need not load
    from cloacina.db.database import check_url

    check_url(url)


def _make_home(home: Path) -> None:
    if home.is_dir():
        return
    home.mkdir(parents=True)
    # root's embedded servers run as another user, who has to pass through but not to look around
    home.chmod(0o711 if os.geteuid() == 0 else 0o700)


def _check_workers(settings: Settings) -> None:
    if _is_sqlite(settings) and settings.workers > 1:
        raise ConfigurationError(
            f"workers = {settings.workers}: SQLite serves one worker process; use --workers 1, or "
            "PostgreSQL"
        )


def _check_free(address: str, grace_s: float) -> None:
    """Make sure of an address before anything is started.

    Parameters:
        address: host and port.
        grace_s: seconds in which the processes of a killed predecessor may let go of it.
    """
    host, port = _split(address)
    if wait_until(lambda: why_taken(host, port) is None, grace_s):
        return
    error = why_taken(host, port)
    if error is None or error.errno == errno.EADDRINUSE:
        raise ConfigurationError(
            f"{address}: the port is in use by another program; choose another with --bind"
        )
    raise ConfigurationError(f"{address}: cannot listen there: {error.strerror}")


def _split(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def _is_sqlite(settings: Settings) -> bool:
    return settings.database_url.startswith("sqlite")


def _absolute(url: str) -> str:
    """Make the path of an SQLite URL absolute: the parts run in another folder than we do."""
    if not url.startswith(_SQLITE):
        return url
    return _SQLITE + str(Path(url.removeprefix(_SQLITE)).absolute())
