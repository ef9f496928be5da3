"""At a suspended tenant what runs ends, and nothing starts until it goes on."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from cloacina.audit.models import AuditRow
from cloacina.db import after
from cloacina.lifecycle.suspension import resume, suspend
from cloacina.processes import wait_until
from cloacina.tenants import services as tenants
from cloacina.tenants.errors import TenantNotFound, TenantSuspended
from cloacina.tenants.models import TenantRow
from tests.cloacina.executions.runs import chain
from tests.cloacina.slots import Desk

WAITS_THEN = """
import pathlib, time

@cloaca.task()
def first(context):
    folder = pathlib.Path(context["folder"])
    (folder / "begun").touch()
    while not (folder / "go").exists():
        time.sleep(0.01)

@cloaca.task(dependencies=["first"])
def second(context):
    context.set("done", True)
    return context
"""
QUICK = """
@cloaca.task()
def quick(context):
    return context
"""


@pytest.fixture(autouse=True)
def goes_on(desk: Desk) -> Iterator[None]:
    """Leave the tenant as it was."""
    yield
    go_on(desk)


def halt(desk: Desk) -> str:
    return suspend(desk.slot.database, desk.tenant.name).status


def go_on(desk: Desk) -> str:
    return resume(desk.slot.database, desk.slot.dispatcher, desk.tenant.name).status


def actions(desk: Desk) -> list[str]:
    with desk.slot.database.platform() as session:
        mine = select(AuditRow.action).where(AuditRow.tenant_id == desk.tenant.id)
        return list(session.scalars(mine.order_by(AuditRow.serial)))


def test_both_may_be_said_twice_and_are_recorded_once(desk: Desk) -> None:
    before = len(actions(desk))
    assert [halt(desk), halt(desk), go_on(desk), go_on(desk)] == [
        "suspended",
        "suspended",
        "active",
        "active",
    ]
    assert actions(desk)[before:] == ["tenant.suspend", "tenant.resume"]


def test_of_a_tenant_that_is_not_there_neither_may_be_said(desk: Desk) -> None:
    with pytest.raises(TenantNotFound):
        suspend(desk.slot.database, "nobody")
    with pytest.raises(TenantNotFound):
        resume(desk.slot.database, desk.slot.dispatcher, "nobody")


def test_a_chain_stops_after_the_task_that_runs_and_goes_on_where_it_was(
    desk: Desk, tmp_path: Path
) -> None:
    execution_id = desk.start(desk.built(WAITS_THEN), folder=str(tmp_path))
    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(desk.run, execution_id)
        assert wait_until((tmp_path / "begun").exists, 30)
        halt(desk)
        (tmp_path / "go").touch()
        assert running.result(30) == 1
    assert desk.runs.states(execution_id) == {"first": "Completed", "second": "Ready"}
    with pytest.raises(TenantSuspended):
        desk.run(execution_id)
    assert desk.runs.states(execution_id)["second"] == "Ready"

    desk.hints()
    go_on(desk)

    assert desk.hints() >= 2
    assert max(desk.due_in_s()) <= 0
    assert desk.run_all(execution_id).status == "Completed"


def test_no_build_begins(desk: Desk) -> None:
    packages = [desk.upload(QUICK) for _ in range(2)]
    halt(desk)
    # as one whose hint came just before
    with pytest.raises(TenantSuspended):
        desk.build()
    built = [desk.package(package_id).build_status for package_id in packages]
    assert built == ["success", "pending"]
    go_on(desk)
    desk.build()
    assert desk.package(packages[1]).build_status == "success"


def test_the_scheduler_passes_over_it(desk: Desk) -> None:
    halt(desk)
    with desk.slot.database.platform() as session:
        tenants.wake(session, desk.tenant.id, -1, reconcile=True)
        due = [row.tenant_id for row in tenants.due_tenants(session, 1000, 0)]
    assert desk.tenant.id not in due
    go_on(desk)
    with desk.slot.database.platform() as session:
        due = [row.tenant_id for row in tenants.due_tenants(session, 1000, 0)]
    assert desk.tenant.id in due


def test_a_retry_waits_until_it_goes_on(desk: Desk) -> None:
    execution_id = desk.start(desk.built(QUICK))
    desk.runs.set_task(execution_id, "quick", ready_at=-1)
    halt(desk)
    with pytest.raises(TenantSuspended):
        desk.run()
    go_on(desk)
    assert desk.run_all(execution_id).status == "Completed"


def test_what_was_lost_meanwhile_comes_back_with_the_first_look(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloacina.executions.finishing.LEASE_S", 0)
    runs = desk.runs
    execution_id = runs.start(runs.workflow(*chain("a")))
    claim = runs.must_claim(execution_id)
    halt(desk)
    # its claim goes on for as long as somebody renews it
    assert runs.renew(claim)
    runs.set_task(execution_id, "a", lease_until=-1)
    go_on(desk)
    desk.runs.give_back()
    assert runs.states(execution_id) == {"a": "Ready"}
    assert "task_reset a" in runs.kinds(execution_id)


def test_time_limits_do_not_count_it(desk: Desk) -> None:
    runs = desk.runs
    package = runs.workflow(*chain("a", "b"))
    # running; paused before; paused meanwhile; overdue before; not begun
    ids = [runs.start(package) for _ in range(5)]
    for execution_id in ids[:4]:
        runs.complete(runs.must_claim(execution_id))
        runs.set_execution(execution_id, deadline_at=100)
    runs.pause(ids[1])
    runs.pause(ids[2])
    runs.set_execution(ids[1], paused_at=-5000)
    runs.set_execution(ids[2], paused_at=-600)
    runs.set_execution(ids[3], deadline_at=-2000)
    before = [runs.execution_row(execution_id).deadline_at for execution_id in ids]
    halt(desk)
    with desk.slot.database.platform() as session:
        mine = update(TenantRow).where(TenantRow.id == desk.tenant.id)
        session.execute(mine.values(suspended_at=after(-1000)))

    go_on(desk)

    then = [runs.execution_row(execution_id).deadline_at for execution_id in ids]
    assert before[4] is then[4] is None
    put_off = [
        (late - early) / timedelta(seconds=1)
        for early, late in zip(before, then, strict=True)
        if early and late
    ]
    assert put_off == pytest.approx([1000, 0, 400, 0], abs=30)
