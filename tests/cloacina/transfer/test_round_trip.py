"""A tenant goes to another server, and under another name, with all that it had."""

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

import pytest
from sqlalchemy import func, select, update

from cloacina.audit.models import AuditRow
from cloacina.db import Database
from cloacina.db.models import TenantBase
from cloacina.dispatch import Dispatcher
from cloacina.executions.errors import IdempotencyKeyReused
from cloacina.executions.models import EventRow, LogLineRow
from cloacina.lifecycle import intake
from cloacina.lifecycle.tenants import create_tenant
from cloacina.packages.models import ArchiveChunkRow, PackageRow
from cloacina.tenants import limits
from cloacina.tenants.errors import TenantMigrating, TenantSchemaTooNew
from cloacina.tenants.models import SUSPENDED, Limits, TenantRow
from cloacina.transfer import layout
from cloacina.transfer.services import Imported, import_tenant
from tests.cloacina.executions.runs import MAX_BYTES
from tests.cloacina.slots import DEFAULTS, Desk
from tests.cloacina.transfer.conftest import export, stream
from tests.cloacina.transfer.lives import CHAIN, Life, Rows, rows_of
from tests.removal import delete_tenant
from workers.slot import Slot

# what is an old server's alone, or a claim's
STAYS_BEHIND = {
    "packages": {"build_token", "build_lease_until"},
    "task_executions": {"claim_token", "worker", "lease_until", "sub_status"},
}


@dataclass(frozen=True)
class Move:
    """A tenant that came to a database."""

    database: Database
    imported: Imported

    @property
    def rows(self) -> Rows:
        return rows_of(self.database, self.imported.tenant)


@pytest.fixture(scope="module")
def moved(elsewhere: Database, dispatcher: Dispatcher, exported: bytes) -> Move:
    """The tenant on the other server; roles are the whole cluster's, so its name is another."""
    name = f"t_{uuid.uuid4().hex[:12]}"
    return Move(elsewhere, import_tenant(elsewhere, dispatcher, stream(exported), name))


@pytest.fixture(scope="module")
def renamed(database: Database, dispatcher: Dispatcher, exported: bytes, life: Life) -> Move:
    """The tenant on its own server, under another name."""
    name = f"{life.desk.tenant.name}_too"
    return Move(database, import_tenant(database, dispatcher, stream(exported), name))


@pytest.fixture(scope="module")
def desk(target: Slot, moved: Move, broker_url: str) -> Iterator[Desk]:
    """The tenant at work on the other server."""
    desk = Desk(target, moved.imported.tenant, broker_url)
    yield desk
    desk.close()


def ended(rows: Rows, life: Life) -> Rows:
    """Leave out what had not ended, which changes on the way, and serials' own order."""
    kept = {}
    for member, found in rows.items():
        key = "id" if member == layout.EXECUTIONS.member else "execution_id"
        kept[member] = [row for row in found if row.get(key) not in life.open]
    return kept


@pytest.mark.parametrize("way", ["moved", "renamed"])
def test_what_has_ended_comes_along_as_it_was(
    request: pytest.FixtureRequest, database: Database, life: Life, way: str
) -> None:
    move: Move = request.getfixturevalue(way)
    before, after = rows_of(database, life.desk.tenant), move.rows
    assert ended(after, life) == ended(before, life)
    assert {member: len(rows) for member, rows in before.items() if member != "events.jsonl"} == {
        member: len(rows) for member, rows in after.items() if member != "events.jsonl"
    }
    tenant, counts = move.imported.tenant, move.imported.counts
    assert tenant.id != life.desk.tenant.id
    assert (tenant.status, tenant.description) == ("active", "anvils\nInc.")
    assert (counts.packages, counts.schedules, counts.executions, counts.tasks) == (5, 1, 7, 14)
    assert counts.paused_executions == len(life.open)
    assert counts.log_lines == len(before["logs.jsonl"]) > 0
    assert counts.events == len(before["events.jsonl"])


def test_archives_come_along_byte_by_byte(database: Database, life: Life, moved: Move) -> None:
    def archives(where: Database, tenant) -> dict[str, bytes]:
        with where.tenant(tenant) as session:
            rows = session.execute(
                select(PackageRow.package_name, PackageRow.version, ArchiveChunkRow.data)
                .join(ArchiveChunkRow, ArchiveChunkRow.package_id == PackageRow.id)
                .order_by(PackageRow.upload_order, ArchiveChunkRow.position)
            )
            return {f"{name} {version}": data for name, version, data in rows}

    before = archives(database, life.desk.tenant)
    assert list(before) == ["etl 0.9.0", "etl 1.0.0", "broken 1.0.0", "waiting 1.0.0"]
    assert archives(moved.database, moved.imported.tenant) == before


def test_packages_and_tasks_get_ids_that_nobody_else_has(
    database: Database, life: Life, renamed: Move
) -> None:
    def ids(tenant, row) -> set[UUID]:
        with database.tenant(tenant) as session:
            return set(session.scalars(select(row.id)))

    for table in (layout.PACKAGES, layout.TASKS):
        there = ids(renamed.imported.tenant, table.row)
        assert there
        assert not there & ids(life.desk.tenant, table.row)
    executions = layout.EXECUTIONS.row
    assert ids(renamed.imported.tenant, executions) == ids(life.desk.tenant, executions)


def test_what_had_not_ended_is_paused_and_says_so(desk: Desk, life: Life, renamed: Move) -> None:
    old = life.desk.runs
    for runs in (desk.runs, Desk(life.desk.slot, renamed.imported.tenant, "redis://").runs):
        for execution_id in life.open:
            row, before = runs.execution_row(execution_id), old.execution_row(execution_id)
            assert (row.status, row.deadline_at) == ("Paused", before.deadline_at)
            assert row.paused_at is not None
        assert runs.claim() is None
        reason = {"reason": "tenant_imported"}
        assert runs.events(life.running)[-2:] == [
            ("task_reset", "extract", reason),
            ("workflow_paused", None, reason),
        ]
        # one that was paused already is as it was
        assert runs.events(life.paused) == old.events(life.paused)
        assert runs.execution_row(life.paused).paused_at == old.execution_row(life.paused).paused_at
        task = runs.row(life.running, "extract")
        assert (task.status, task.attempt, task.ready_at) == ("Ready", 0, None)
        assert (task.claim_token, task.worker, task.lease_until) == (None, None, None)
        waits = runs.row(life.retrying, "extract")
        assert (waits.status, waits.attempt) == ("Ready", 1)
        assert waits.ready_at == old.row(life.retrying, "extract").ready_at is not None


def test_the_old_server_goes_on_as_if_nothing_had_been(life: Life) -> None:
    assert life.desk.runs.renew(life.claim)


def test_the_tenant_works_on_where_it_came_to(desk: Desk, life: Life) -> None:
    assert desk.hints() == 1
    desk.build()
    with desk.slot.database.tenant(desk.tenant) as session:
        states = session.execute(select(PackageRow.package_name, PackageRow.build_status))
        assert dict(states.all()) | {"etl": "success"} == {
            "etl": "success",
            "broken": "failed",
            "gone": "success",
            "waiting": "success",
        }
    # what was paused goes on, and its task has lost no attempt
    for execution_id in (life.running, life.pending, life.paused):
        desk.runs.resume(execution_id)
        assert desk.run_all(execution_id).context["sum"] == 6
        assert desk.runs.row(execution_id, "extract").attempt == 1
    # and what is new begins
    built = desk.built(CHAIN, name="etl", version="1.1.0")
    assert built.active
    assert desk.run_all(desk.start(built)).status == "Completed"


def test_numbers_go_on_after_the_highest(desk: Desk, life: Life) -> None:
    old, new = life.desk, desk
    with old.slot.database.tenant(old.tenant) as session:
        last = {
            row: session.scalars(select(func.max(getattr(row, column)))).one()
            for row, column in _NUMBERED
        }
    new.run_all(new.start(new.built(CHAIN, name="numbers")))
    with new.slot.database.tenant(new.tenant) as session:
        for row, column in _NUMBERED:
            assert session.scalars(select(func.max(getattr(row, column)))).one() > last[row]


_NUMBERED = ((PackageRow, "upload_order"), (EventRow, "serial"), (LogLineRow, "serial"))


def test_an_idempotency_key_is_known_where_the_tenant_came_to(desk: Desk, life: Life) -> None:
    def start(**context: str) -> UUID:
        slot = desk.slot
        return intake.start_execution(
            slot.database,
            slot.dispatcher,
            slot.graphs,
            desk.tenant,
            "etl",
            context,
            max_context_bytes=MAX_BYTES,
            defaults=DEFAULTS,
            idempotency_key="order-7",
        ).execution_id

    assert start(day="wednesday") == life.pending
    with pytest.raises(IdempotencyKeyReused):
        start(day="thursday")


def test_what_ended_can_be_run_again_where_the_tenant_came_to(desk: Desk, life: Life) -> None:
    again = desk.runs.rerun(life.failed)
    assert desk.run_all(again).context["sum"] == 6


def test_a_tenant_that_was_deleted_comes_back_as_it_was_under_its_own_name(
    database: Database, dispatcher: Dispatcher, renamed: Move
) -> None:
    before, name = renamed.rows, renamed.imported.tenant.name
    whole = export(database, name)
    assert delete_tenant(database, name).removed
    back = import_tenant(database, dispatcher, stream(whole)).tenant
    assert back.name == name
    assert rows_of(database, back) == before


def test_settings_come_along_and_a_suspended_tenant_stays_so(
    database: Database, elsewhere: Database, dispatcher: Dispatcher, tenant_name: str
) -> None:
    tenant = create_tenant(database, tenant_name)
    own = {"max_packages": 7, "max_storage_bytes": 2**40}
    limits.keep_row(database, tenant.id)
    with database.platform() as session:
        limits.change(session, tenant, own)
        row = update(TenantRow).where(TenantRow.id == tenant.id)
        session.execute(row.values(status=SUSPENDED))
    whole = export(database, tenant_name)
    there = import_tenant(elsewhere, dispatcher, stream(whole), f"{tenant_name}_too").tenant
    assert (there.status, there.limits) == (SUSPENDED, Limits(**own))
    with elsewhere.platform() as session:
        found = session.scalars(select(AuditRow).where(AuditRow.tenant_id == there.id)).all()
        (noted,) = [row for row in found if row.action == "tenant.import"]
    assert json.loads(noted.details)["exported_as"] == tenant_name
    with database.platform() as session:
        kept = select(AuditRow.action).where(AuditRow.tenant_id == tenant.id)
        assert "tenant.export" in session.scalars(kept).all()


def test_tables_of_another_version_are_not_exported(database: Database, tenant_name: str) -> None:
    tenant = create_tenant(database, tenant_name)
    row = update(TenantRow).where(TenantRow.id == tenant.id)
    for version, error in (("0001", TenantMigrating), ("9999", TenantSchemaTooNew)):
        with database.platform() as session:
            session.execute(row.values(schema_version=version))
        with pytest.raises(error):
            export(database, tenant_name)


def test_every_column_of_a_tenants_tables_travels_or_stays_behind_on_purpose() -> None:
    travels = {
        table.name: {field.column for field in table.fields} | STAYS_BEHIND.get(table.name, set())
        for table in layout.TABLES
    }
    # archives travel as files
    travels["archive_chunks"] = {"package_id", "position", "data"}
    tables = TenantBase.metadata.tables.items()
    assert {name: {column.name for column in table.columns} for name, table in tables} == travels
