"""What tenants send is stored and committed first, and hinted at then."""

import io

import pytest

from cloacina.dag.errors import ContextTooLarge
from cloacina.db import Database
from cloacina.executions.errors import WorkflowInputInvalid
from cloacina.lifecycle import intake
from cloacina.packages import services as packages
from cloacina.packages.errors import InvalidPackage, WorkflowNotFound, WorkflowPaused
from tests.cloacina.executions.runs import MAX_BYTES
from tests.cloacina.slots import DEFAULTS, Desk, open_slot

ONE = "@cloaca.task()\ndef it(context):\n    return context\n"
NEEDS_REGION = "@cloaca.workflow_params(region=str, limit=(int, 5))\n" + ONE


def test_an_upload_is_stored_hinted_at_and_looked_after_soon(desk: Desk) -> None:
    desk.build()
    desk.hints()
    package_id = desk.upload(ONE)
    assert desk.package(package_id).build_status == "pending"
    assert desk.hints() == 1
    due_s, reconcile_s = desk.due_in_s()
    assert due_s <= intake.HINT_LOST_S
    assert reconcile_s <= intake.HINT_LOST_S


def test_what_is_no_package_is_refused_with_nothing_stored_and_no_hint(desk: Desk) -> None:
    desk.hints()
    for content in (b"", b"no archive", b"BZh9 nor this"):
        with pytest.raises(InvalidPackage):
            desk.send(io.BytesIO(content))
    assert desk.hints() == 0
    with desk.slot.database.tenant(desk.tenant) as session:
        assert packages.list_active(session) == []


def test_an_execution_is_committed_hinted_at_and_looked_after_soon(desk: Desk) -> None:
    package = desk.built(ONE)
    desk.sweep()
    desk.hints()
    assert desk.due_in_s()[0] > 30
    execution_id = desk.start(package, x=1)
    assert desk.runs.get(execution_id).status == "Pending"
    assert desk.hints() == 1
    assert desk.due_in_s()[0] <= intake.HINT_LOST_S


def test_a_workflow_is_started_by_its_own_and_by_its_packages_name(desk: Desk) -> None:
    package = desk.built(ONE)
    slot = desk.slot
    for name in (package.workflow_name, package.package_name):
        started = intake.start_execution(
            slot.database,
            slot.dispatcher,
            slot.graphs,
            desk.tenant,
            name,
            {},
            max_context_bytes=MAX_BYTES,
            defaults=DEFAULTS,
        )
        assert started.workflow_name == package.workflow_name
        assert desk.runs.get(started.execution_id).package_name == package.package_name


def test_what_cannot_be_started_is_refused_with_nothing_stored_and_no_hint(desk: Desk) -> None:
    package = desk.built(NEEDS_REGION)
    pending = desk.package(desk.upload(ONE, name="pending"))
    desk.hints()
    with pytest.raises(WorkflowInputInvalid, match="'region' is required"):
        desk.start(package, limit=1)
    with pytest.raises(ContextTooLarge):
        desk.start(package, region="x" * MAX_BYTES)
    with pytest.raises(WorkflowNotFound, match="workflow 'pending-flow' not found in registry"):
        desk.start(pending)
    with desk.slot.database.tenant(desk.tenant) as session:
        packages.set_paused(session, package.package_name, paused=True)
    with pytest.raises(WorkflowPaused, match="resume it first"):
        desk.start(package, region="eu")
    assert desk.hints() == 0
    with desk.slot.database.tenant(desk.tenant) as session:
        packages.set_paused(session, package.package_name, paused=False)
    assert desk.runs.get(desk.start(package, region="eu")).context == {"region": "eu", "limit": 5}


def test_a_broker_that_is_away_keeps_nobody_from_uploading_and_starting(
    desk: Desk, either_database: Database, tmp_path
) -> None:
    package = desk.built(ONE)
    with open_slot(either_database, "redis://127.0.0.1:1", tmp_path / "home") as alone:
        other = Desk(alone, desk.tenant, "redis://127.0.0.1:1")
        execution_id = other.start(package)
        package_id = other.upload(ONE)
    assert desk.runs.get(execution_id).status == "Pending"
    assert desk.package(package_id).build_status == "pending"
    assert max(desk.due_in_s()) <= intake.HINT_LOST_S
