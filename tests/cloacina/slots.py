"""One slot of a worker, in this process, and a tenant's engineer who works with it."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import redis
from sqlalchemy import select, update

from cloacina.db import Database, after, now
from cloacina.dispatch import Dispatcher, queue_name
from cloacina.executions.drain import Drain
from cloacina.executions.parking import Lot
from cloacina.executions.served import ServedQueues
from cloacina.executions.services import Execution
from cloacina.lifecycle import intake, upkeep
from cloacina.packages import services as packages
from cloacina.packages.services import Package
from cloacina.sandbox import Host
from cloacina.settings import Settings
from cloacina.tenants import limits
from cloacina.tenants.models import Tenant, WakeupRow
from tests.cloacina.executions.runs import MAX_BYTES, Runs
from tests.cloacina.packages.archives import demo_archive
from workers.slot import Slot, make_worker_folder, terms_of

WORKER_ID = uuid4()
DEFAULTS = limits.defaults(Settings())


class Desk:
    """A tenant and the slot that serves it.

    Parameters:
        slot: of a worker.
        tenant: whose work it does.
        broker_url: where its hints go.
    """

    def __init__(self, slot: Slot, tenant: Tenant, broker_url: str) -> None:
        self.slot = slot
        self.tenant = tenant
        self.runs = Runs(slot.database, tenant)
        self._broker = redis.Redis.from_url(broker_url)

    def upload(self, tasks: str, *, name: str = "", version: str = "1.0.0", **files: str) -> UUID:
        """Upload a package whose module of tasks is this; `files` are further modules."""
        name = name or f"p-{uuid4().hex[:12]}"
        manifest = (
            f'[package]\nname = "{name}"\nversion = "{version}"\n\n[metadata]\n'
            f'language = "python"\nworkflow_name = "{name}-flow"\nentry_module = "demo.tasks"\n'
        )
        modules = {f"workflow/{module}.py": text for module, text in files.items()}
        archive = demo_archive(
            {
                "package.toml": manifest,
                "workflow/demo/__init__.py": "",
                "workflow/demo/tasks.py": "import cloaca\n" + tasks,
                **modules,
            },
            f"{name}-{version}",
        )
        return self.send(archive)

    def send(self, archive: io.BytesIO) -> UUID:
        """Upload an archive."""
        slot = self.slot
        return intake.upload_package(slot.database, slot.dispatcher, self.tenant, archive, DEFAULTS)

    def build(self, interval_s: int = 60) -> None:
        """Do what a worker does on the hint to look after packages."""
        slot = self.slot
        upkeep.reconcile(
            slot.database, slot.sandbox, slot.cache, self.tenant, interval_s=interval_s
        )

    def package(self, package_id: UUID) -> Package:
        """Give a package in whatever state."""
        with self.slot.database.tenant(self.tenant) as session:
            return packages.get(session, package_id)

    def built(self, tasks: str, **more: str) -> Package:
        """Upload and build."""
        package_id = self.upload(tasks, **more)
        self.build()
        package = self.package(package_id)
        assert package.build_status == "success", package.build_error
        return package

    def start(self, package: Package, /, **context: Any) -> UUID:
        """Start an execution, as the API does."""
        slot = self.slot
        return intake.start_execution(
            slot.database,
            slot.dispatcher,
            slot.graphs,
            self.tenant,
            package.workflow_name,
            context,
            max_context_bytes=MAX_BYTES,
            defaults=DEFAULTS,
        ).execution_id

    def run(self, execution_id: UUID | None = None) -> int:
        """Do what a worker does on a hint that there are tasks; gives how many it ran."""
        return self.slot.engine.run(self.tenant.id, execution_id)

    def run_all(self, execution_id: UUID) -> Execution:
        """Run tasks until the execution has ended."""
        while self.run(execution_id):
            pass
        return self.runs.get(execution_id)

    def sweep(self, due_in_s: float = 5) -> None:
        """Do what a worker does on a hint that the tenant is due, once the scheduler put it off."""
        slot = self.slot
        mine = update(WakeupRow).where(WakeupRow.tenant_id == self.tenant.id)
        with slot.database.platform() as session:
            session.execute(mine.values(due_at=after(due_in_s)))
        upkeep.sweep(slot.database, slot.graphs, self.tenant, slot.terms)

    def hints(self) -> int:
        """Take the hints that wait for the tenant; gives how many there were."""
        queue = queue_name(self.tenant.name)
        count = self._broker.llen(queue)
        self._broker.delete(queue)
        assert isinstance(count, int)
        return count

    def due_in_s(self) -> tuple[float, float]:
        """Give the seconds until the tenant is due, and until its packages are."""
        with self.slot.database.platform() as session:
            due, reconcile, present = session.execute(
                select(WakeupRow.due_at, WakeupRow.reconcile_at, now()).where(
                    WakeupRow.tenant_id == self.tenant.id
                )
            ).one()
        return (due - present).total_seconds(), (reconcile - present).total_seconds()

    def close(self) -> None:
        """Leave nothing on the broker."""
        self.hints()
        self._broker.close()


@contextmanager
def open_slot(database: Database, broker_url: str, home: Path, **changes: Any) -> Iterator[Slot]:
    """Open a slot of a worker in this process."""
    home.mkdir(exist_ok=True)
    settings = Settings(
        home=home,
        database_url=database.engine.url.render_as_string(hide_password=False),
        broker_url=broker_url,
        **changes,
    )
    host = Host(make_worker_folder(settings), max_scratch_bytes=settings.max_scratch_bytes)
    host.start()
    dispatcher = Dispatcher(database, broker_url)
    drain = Drain()
    lot = Lot(database, _Hinter(dispatcher), terms_of(settings, "worker-1"), drain)
    lot.start()
    queues = ServedQueues(settings.home)
    slot = Slot(settings, "worker-1", host, lot, drain=drain, queues=queues)
    yield slot
    lot.close()
    slot.close()
    host.close()


@dataclass(frozen=True)
class _Hinter:
    """Sends hints to the queue of the one worker that tests have in their own process."""

    dispatcher: Dispatcher

    def resume(self, tenant_id: UUID, task_uuid: UUID) -> bool:
        return self.dispatcher.resume(WORKER_ID, tenant_id, task_uuid)

    def run(self, tenant_id: UUID, tenant_name: str, execution_id: UUID) -> bool:
        return self.dispatcher.run(tenant_id, tenant_name, execution_id)
