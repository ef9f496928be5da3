"""Real worker and scheduler processes, and a tenant's engineer who uploads and runs packages."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from cloacina.db import Database, as_tenant
from cloacina.dispatch import Dispatcher
from cloacina.executions import logs
from cloacina.executions import services as executions
from cloacina.executions.graphs import GraphCache
from cloacina.executions.services import Execution, TaskInfo
from cloacina.lifecycle import intake
from cloacina.lifecycle.control import Steering
from cloacina.packages import services as packages
from cloacina.packages.pack import pack
from cloacina.processes import wait_until
from cloacina.settings import Settings
from cloacina.tenants import limits
from cloacina.tenants.models import Tenant

DEADLINE_S = 60.0
MAX_CONTEXT_BYTES = 1024 * 1024
DEFAULTS = limits.defaults(Settings())

MANIFEST = """
[package]
name = "{name}"
version = "1.0.0"

[metadata]
language = "python"
workflow_name = "{name}"
entry_module = "{name}.tasks"
"""


class Fleet:
    """Processes that work for one installation.

    Parameters:
        settings: of every process; its home gets their logs.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self, module: str, **changes: str) -> subprocess.Popen[bytes]:
        """Start a process of ours; `changes` are further variables."""
        environ = os.environ | self.settings.environment() | changes
        with self.log_path.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", module], env=environ, stdout=log, stderr=log
            )
        self.processes.append(process)
        return process

    @property
    def log_path(self) -> Path:
        """What all of them have said."""
        return self.settings.home / "log"

    def wait_for_line(self, text: str) -> None:
        """Wait until one of them has said something."""
        wait_for(lambda: text in self.log_path.read_text())

    def stop(self) -> None:
        """End those that still run."""
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self.processes:
            process.wait(DEADLINE_S)


@contextmanager
def fleet_at(home: Path, database_url: str, broker_url: str, **settings: Any) -> Iterator[Fleet]:
    """Give a fleet that has no process yet, and stop it at the end; its home is made."""
    home.mkdir(exist_ok=True)
    given = Settings(home=home, database_url=database_url, broker_url=broker_url, **settings)
    fleet = Fleet(given)
    try:
        yield fleet
    finally:
        fleet.stop()


class Engineer:
    """Somebody who works for one tenant."""

    def __init__(self, database: Database, dispatcher: Dispatcher, tenant: Tenant) -> None:
        self.database = database
        self.dispatcher = dispatcher
        self.tenant = tenant
        self.graphs = GraphCache()

    def upload(self, folder: Path, name: str, tasks: str) -> None:
        """Upload a package with this module of tasks, and wait until it is built."""
        source = folder / name
        (source / "workflow" / name).mkdir(parents=True)
        (source / "package.toml").write_text(MANIFEST.format(name=name))
        (source / "workflow" / name / "__init__.py").touch()
        (source / "workflow" / name / "tasks.py").write_text(tasks)
        with pack(source, folder).open("rb") as archive:
            package_id = intake.upload_package(
                self.database, self.dispatcher, self.tenant, archive, DEFAULTS
            )
        wait_for(lambda: self._is_built(package_id))

    def _is_built(self, package_id: UUID) -> bool:
        with self.database.tenant(self.tenant) as session:
            package = packages.find(session, str(package_id))
        assert package.build_status != "failed", package.build_error
        return package.build_status == "success"

    def start(self, name: str, context: Mapping[str, Any]) -> UUID:
        """Start an execution."""
        return intake.start_execution(
            self.database,
            self.dispatcher,
            self.graphs,
            self.tenant,
            name,
            context,
            max_context_bytes=MAX_CONTEXT_BYTES,
            defaults=DEFAULTS,
        ).execution_id

    def look_at(self, execution_id: UUID) -> Execution:
        """See how an execution stands."""
        with self.database.unit(as_tenant(self.tenant)) as unit:
            return executions.get(unit, execution_id)

    def wait_for_end(self, execution_id: UUID) -> Execution:
        """Wait until an execution has ended."""
        wait_for(lambda: self.look_at(execution_id).completed_at)
        return self.look_at(execution_id)

    def events(self, execution_id: UUID) -> list[str]:
        """Give the types of an execution's events, whose numbers must have no gaps."""
        with self.database.tenant(self.tenant) as session:
            events = executions.list_events(session, execution_id, self.tenant.name)
        assert [event.sequence_num for event in events] == list(range(1, len(events) + 1))
        return [event.event_type for event in events]

    def reasons(self, execution_id: UUID) -> list[str]:
        """Give why tasks of an execution were given back."""
        with self.database.tenant(self.tenant) as session:
            events = executions.list_events(session, execution_id, self.tenant.name)
        resets = [event.event_data for event in events if event.event_type == "task_reset"]
        return [json.loads(data or "")["reason"] for data in resets]

    def tasks(self, execution_id: UUID) -> Sequence[TaskInfo]:
        """Give the tasks of an execution."""
        with self.database.tenant(self.tenant) as session:
            return executions.list_tasks(session, execution_id, self.tenant.name)

    def attempts(self, execution_id: UUID) -> list[int]:
        """Give the attempts that each task of an execution took."""
        return [task.attempt for task in self.tasks(execution_id)]

    def sub_statuses(self, execution_id: UUID) -> list[str | None]:
        """Give what the tasks of an execution do while they run."""
        return [task.sub_status for task in self.tasks(execution_id)]

    def lines(self, execution_id: UUID) -> list[str]:
        """Give what an execution's tasks wrote."""
        with self.database.tenant(self.tenant) as session:
            lines = logs.list_lines(session, execution_id, self.tenant.name, limit=10_000)
        return [line.line for line in lines]

    def steer(self) -> Steering:
        """Steer executions as the API does."""
        return Steering(self.database, self.dispatcher, self.graphs, MAX_CONTEXT_BYTES, DEFAULTS)


def wait_for(condition: Callable[[], object]) -> None:
    """Wait for a condition, or fail when the deadline has passed."""
    started = time.monotonic()
    assert wait_until(condition, DEADLINE_S, 0.05), f"not so {time.monotonic() - started:.0f} s on"


def begun(folder: Path) -> list[int]:
    """Give the processes in which tasks of a module that waits or defers have begun."""
    file = folder / "begun"
    return [int(pid) for pid in file.read_text().split()] if file.exists() else []


def descendants(pid: int) -> set[int]:
    """Give the processes below one."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found: set[int] = set()
    pending = [pid]
    while pending:
        below = children.get(pending.pop(), [])
        found.update(below)
        pending += below
    return found


def slots_of(worker: int) -> set[int]:
    """Give the slots of a worker: the processes that it forked, but not its sandbox host."""
    return {pid for pid in descendants(worker) if parent_of(pid) == worker and not _is_host(pid)}


def parent_of(pid: int) -> int:
    """Give a process's parent; 0 where it is gone."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0


def _is_host(pid: int) -> bool:
    try:
        return b"_host.py" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return True


def is_running(pid: int) -> bool:
    """Say whether a process is there and no zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"
