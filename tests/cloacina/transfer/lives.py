"""What a tenant has done before it moves: something of everything that there is."""

import uuid
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import select

from cloacina.db import Database, now
from cloacina.executions.claims import Claim, Failed
from cloacina.lifecycle import intake
from cloacina.lifecycle.tenants import create_tenant
from cloacina.packages import services as packages
from cloacina.packages.services import Package
from cloacina.schedules.models import ScheduleRow
from cloacina.tenants.models import Tenant
from cloacina.transfer.layout import TABLES
from tests.cloacina.executions.runs import MAX_BYTES
from tests.cloacina.slots import DEFAULTS, Desk
from workers.slot import Slot

CHAIN = """
@cloaca.task(retry_attempts=3, retry_delay_ms=3600_000)
def extract(context):
    print("extracting", context.get("day"))
    if context.get("broken"):
        raise ValueError("nothing there")
    context.set("rows", [3, 1, 2])
    return context

@cloaca.task(dependencies=["extract"])
def load(context):
    context.set("sum", sum(context["rows"]))
    return context
"""
BROKEN = "raise RuntimeError('does not import')\n"

Rows = dict[str, list[dict[str, Any]]]


@dataclass(frozen=True)
class Life:
    """A tenant that has worked.

    Parameters:
        desk: works with it.
        package: of its workflow.
        completed, failed, cancelled: executions that have ended.
        running: one whose task runs.
        claim: of that task.
        pending: one that was not begun.
        paused: one that was paused.
        retrying: one whose task waits for its next try.
    """

    desk: Desk
    package: Package
    completed: UUID
    failed: UUID
    cancelled: UUID
    running: UUID
    claim: Claim
    pending: UUID
    paused: UUID
    retrying: UUID

    @property
    def open(self) -> set[UUID]:
        """Give those that have not ended."""
        return {self.running, self.pending, self.paused, self.retrying}


def lead(slot: Slot, broker_url: str) -> Life:
    """Make a tenant and have it work."""
    tenant = create_tenant(
        slot.database, f"acme_{uuid.uuid4().hex[:8]}", description="anvils\nInc."
    )
    desk = Desk(slot, tenant, broker_url)
    desk.built(CHAIN, name="etl", version="0.9.0")
    package = desk.built(CHAIN, name="etl", version="1.0.0")
    desk.upload(BROKEN, name="broken")
    desk.upload(CHAIN, name="gone")
    desk.build()
    with slot.database.tenant(tenant) as session:
        packages.delete_version(session, "gone", "1.0.0")
    # its archive goes
    desk.build()
    desk.upload(CHAIN + "# again\n", name="waiting")

    runs = desk.runs
    completed = desk.start(package, day="monday")
    assert desk.run_all(completed).status == "Completed"
    failed = desk.start(package)
    runs.run(failed, lambda _: Failed("ValueError: no", "Traceback: …", retryable=False))
    cancelled = desk.start(package)
    runs.cancel(cancelled)
    retrying = desk.start(package, broken=True)
    desk.run(retrying)
    paused = desk.start(package)
    runs.pause(paused)
    running = desk.start(package, day="tuesday")
    claim = runs.must_claim(running)
    pending = intake.start_execution(
        slot.database,
        slot.dispatcher,
        slot.graphs,
        tenant,
        "etl",
        {"day": "wednesday"},
        max_context_bytes=MAX_BYTES,
        defaults=DEFAULTS,
        idempotency_key="order-7",
    ).execution_id
    _add_schedule(slot.database, tenant)
    desk.hints()
    return Life(
        desk, package, completed, failed, cancelled, running, claim, pending, paused, retrying
    )


def _add_schedule(database: Database, tenant: Tenant) -> None:
    with database.tenant(tenant) as session:
        session.add(
            ScheduleRow(
                id=uuid4(),
                schedule_type="cron",
                workflow_name="etl-flow",
                enabled=True,
                cron_expression="0 3 * * *",
                timezone="Europe/Berlin",
                next_run_at=now(),
                paused=False,
                created_at=now(),
            )
        )


def rows_of(database: Database, tenant: Tenant) -> Rows:
    """Give all that travels; packages are named by what people call them, tasks have no ids."""
    found: Rows = {}
    with database.tenant(tenant) as session:
        for table in TABLES:
            order = [table.row.__table__.columns[name] for name in table.order]
            rows = session.execute(select(*table.columns).order_by(*order))
            found[table.member] = [dict(row._mapping) for row in rows]
    by_id = {
        row["id"]: f"{row['package_name']} {row['version']}" for row in found["packages.jsonl"]
    }
    for row in found["packages.jsonl"]:
        row["id"] = by_id[row["id"]]
    for row in found["executions.jsonl"]:
        row["package_id"] = by_id[row["package_id"]]
    for row in found["tasks.jsonl"]:
        del row["id"]
    return found
