"""The embedded PostgreSQL: the database of a server that has none of its own."""

import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from cloacina.embedded import databases
from cloacina.embedded.programs import Program, find_binaries, postgres_major
from cloacina.embedded.server import EmbeddedServer
from cloacina.errors import ConfigurationError
from cloacina.processes import end

ADMIN_ROLE = "cloacina_admin"
SERVICE = "cloacina"
INITDB_DEADLINE_S = 120.0
# the kernel's limit on a socket's path, less the name that PostgreSQL adds
SOCKET_FOLDER_LIMIT = 90
# small, but durable: fsync, synchronous_commit and full_page_writes stay on
TUNING = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "max_wal_size": "256MB",
    "max_parallel_workers_per_gather": "0",
    # whoever logs in as a tenant may sort what he likes; no one session is to fill the disk by it
    "temp_file_limit": "1GB",
    "jit": "off",
    "huge_pages": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "log_line_prefix": "%m [%p] %q%u@%d ",
}
IO_WITHOUT_HELPERS = {"io_method": "sync"}


def url_of_running(data_root: Path) -> str:
    """Give the URL of the service's database in an embedded server that another process runs.

    Parameters:
        data_root: that process's.

    Returns:
        The URL; empty where no embedded server was ever started.
    """
    folder = data_root / EmbeddedPostgres.name
    try:
        port = (folder / "port").read_text(encoding="utf-8")
        password = (folder / "service-password").read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise ConfigurationError(f"{error.filename} cannot be read: {error.strerror}") from None
    return _url(int(port), SERVICE, password, SERVICE)


class EmbeddedPostgres(EmbeddedServer):
    """A PostgreSQL that runs as long as we do, with a database for the service.

    Parameters:
        data_root: the folder that holds the servers' folders; created when missing.
        binaries: the PostgreSQL to run; None: the one that this project brings along.
    """

    name = "postgres"
    title = "PostgreSQL"
    # fast: connections are ended, data is written; then at once: recovery follows at next start
    stop_steps: ClassVar[Sequence[tuple[signal.Signals, float]]] = (
        (signal.SIGINT, 30.0),
        (signal.SIGQUIT, 5.0),
    )

    def __init__(self, data_root: Path, binaries: Program | None = None) -> None:
        super().__init__(data_root)
        self._binaries = binaries

    @property
    def url(self) -> str:
        """The URL of the service's database as the service's role; only while it is started."""
        return self._url(SERVICE, self._service_password, SERVICE)

    @property
    def admin_url(self) -> str:
        """The URL of the database `postgres` as the superuser; only while it is started."""
        return self._url(ADMIN_ROLE, self._admin_password, "postgres")

    def create_database(self, name: str) -> str:
        """Create a database that belongs to a plain service role of its own.

        Parameters:
            name: what both bear; new in this server.

        Returns:
            The database's URL as that role.
        """
        password = databases.new_password()
        with databases.connect(self.admin_url) as connection:
            databases.ensure_service(connection, name, password)
        self._close_functions(name)
        return self._url(name, password, name)

    def drop_database(self, name: str) -> None:
        """Drop what `create_database` made, with every role that its service role made since.

        Parameters:
            name: the database; its sessions are ended.
        """
        with databases.connect(self.admin_url) as connection:
            databases.drop_service(connection, name)

    def _url(self, role: str, password: str, database: str) -> str:
        return _url(self.port, role, password, database)

    def _prepare(self) -> None:
        folder = self.folder
        self._admin_password = folder.password("admin")
        self._service_password = folder.password("service")
        program = self._binaries or find_binaries()
        self._major = postgres_major(program)
        self._check_data_version()
        self._program = program.usable_by(folder.account)
        if not folder.data.exists():
            self._initialise()

    def _check_data_version(self) -> None:
        path = self.folder.data / "PG_VERSION"
        made_by = path.read_text(encoding="utf-8").strip() if path.exists() else str(self._major)
        if made_by != str(self._major):
            raise ConfigurationError(
                f"the data in {self.folder.data} was made by PostgreSQL {made_by}, and this is "
                f"PostgreSQL {self._major}: bring the data over with pg_dump of {made_by}, or move "
                f"{self.folder.path} away to begin anew"
            )

    def _initialise(self) -> None:
        folder = self.folder
        shutil.rmtree(folder.path / "data.new", ignore_errors=True)
        fresh = folder.make_private("data.new")
        password_file = folder.write_private("initdb-password", self._admin_password)
        # builtin: sorting that no update of the system's C library changes
        builtin = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        command: list[str | Path] = [
            self._program.sibling("initdb"),
            f"--pgdata={fresh}",
            f"--username={ADMIN_ROLE}",
            f"--pwfile={password_file}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            "--no-instructions",
            *(builtin if self._major >= 17 else []),
        ]
        try:
            self._run_to_end(command)
        finally:
            password_file.unlink()
        # whole or not at all: one that was interrupted begins anew
        fresh.rename(folder.data)

    def _run_to_end(self, command: list[str | Path]) -> None:
        log = self.folder.open_log()
        try:
            self._log_offset = os.fstat(log).st_size
            process = self._spawn(command, log, death_signal=signal.SIGKILL)
        finally:
            os.close(log)
        try:
            code = process.wait(INITDB_DEADLINE_S)
        except subprocess.TimeoutExpired:
            raise self._failure("could not be set up in time: initdb hangs") from None
        finally:
            end(process, ())
        if code != 0:
            raise self._failure(f"could not be set up: initdb ended with code {code}")

    def _command(self) -> list[str | Path]:
        folder = str(self.folder.data)
        options = TUNING | {
            "port": str(self.port),
            "unix_socket_directories": folder if len(folder) < SOCKET_FOLDER_LIMIT else "",
            **(IO_WITHOUT_HELPERS if self._major >= 18 else {}),
        }
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        return [self._program.path, "-D", folder, *settings]

    def _answers(self) -> bool:
        return databases.answers(self.admin_url)

    def _provide(self) -> None:
        with databases.connect(self.admin_url) as connection:
            databases.close_maintenance_databases(connection)
            databases.ensure_service(connection, SERVICE, self._service_password)
        self._close_functions(SERVICE)

    def _close_functions(self, name: str) -> None:
        url = self._url(ADMIN_ROLE, self._admin_password, name)
        with databases.connect(url) as connection:
            databases.close_functions(connection, name)


def _url(port: int, role: str, password: str, database: str) -> str:
    return f"postgresql://{role}:{password}@127.0.0.1:{port}/{database}"
