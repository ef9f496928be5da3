"""Which of tenants' own workers run where, and when there are more of them."""

from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest
from sqlalchemy import delete, update

from cloacina.db import Database, after
from cloacina.executions.models import TaskRow
from cloacina.fleet import demand
from cloacina.fleet import services as fleet
from cloacina.fleet.demand import Demand
from cloacina.fleet.models import FleetRow
from cloacina.fleet.services import Worker
from cloacina.lifecycle import staffing
from cloacina.lifecycle.staffing import Post
from cloacina.lifecycle.tenants import create_tenant
from cloacina.settings import Settings
from cloacina.tenants import limits
from cloacina.tenants.models import ACTIVE, DELETING, SUSPENDED, Tenant, TenantRow
from tests.cloacina.executions.runs import Runs, task
from tests.removal import delete_tenant

PATIENCE_S = 10
SETTINGS = Settings(fleet_raise_after_s=PATIENCE_S, default_max_agents=3)


@pytest.fixture
def tenant(database: Database) -> Iterator[Tenant]:
    tenant = create_tenant(database, f"t_{uuid4().hex[:12]}")
    yield tenant
    with database.platform() as session:
        session.execute(delete(FleetRow).where(FleetRow.tenant_id == tenant.id))


def provision(database: Database, tenant: Tenant, count: int) -> None:
    with database.platform() as session:
        demand.change(session, tenant, count, 100)


def held(database: Database, holder: UUID, settings: Settings = SETTINGS) -> list[Post]:
    """Ask until nothing more comes."""
    found: list[Post] = []
    while (more := list(staffing.hold_posts(database, settings, holder))) != found:
        found = more
    return found


def numbers(database: Database, holder: UUID, settings: Settings = SETTINGS) -> list[int]:
    return [post.number for post in held(database, holder, settings)]


def set_status(database: Database, tenant: Tenant, status: str) -> None:
    with database.platform() as session:
        row = update(TenantRow).where(TenantRow.id == tenant.id)
        session.execute(row.values(status=status))


def let_wait(database: Database, tenant: Tenant, seconds: float) -> Runs:
    """Have a task wait that has been ready for so long."""
    runs = Runs(database, tenant)
    runs.start(runs.workflow(task("a")))
    with database.tenant(tenant) as session:
        ready = update(TaskRow).where(TaskRow.status == "Ready")
        session.execute(ready.values(ready_at=after(-seconds)))
    return runs


def raised(database: Database, tenant: Tenant) -> int:
    with database.platform() as session:
        return demand.of_tenant(session, tenant.id).raised


def test_what_a_tenant_asks_for_is_run_within_its_limit(database: Database, tenant: Tenant) -> None:
    holder = uuid4()
    provision(database, tenant, 5)
    assert held(database, holder) == [Post(tenant.id, number, tenant.name) for number in (1, 2, 3)]
    limits.keep_row(database, tenant.id)
    with database.platform() as session:
        limits.change(session, tenant, {"max_agents": 1})
    assert numbers(database, holder) == [1]
    with database.platform() as session:
        limits.change(session, tenant, {"max_agents": 4})
    assert numbers(database, holder) == [1, 2, 3, 4]
    staffing.give_up_posts(database, holder)
    assert numbers(database, uuid4()) == [1, 2, 3, 4]


def test_workers_of_a_tenant_that_is_deleted_stay_to_the_end_and_none_is_added(
    database: Database, tenant: Tenant
) -> None:
    holder = uuid4()
    provision(database, tenant, 1)
    assert numbers(database, holder) == [1]
    set_status(database, tenant, DELETING)
    provision(database, tenant, 1)
    assert numbers(database, holder) == [1]
    delete_tenant(database, tenant.name)
    assert numbers(database, holder) == []


def test_what_was_raised_runs_only_where_the_setting_is_on(
    database: Database, tenant: Tenant
) -> None:
    holder = uuid4()
    let_wait(database, tenant, PATIENCE_S + 1)
    assert staffing.answer_wait(database, SETTINGS, tenant.id) == 1
    assert numbers(database, holder) == [1]
    assert numbers(database, holder, Settings(fleet_raise_after_s=0)) == []


def test_a_task_that_waits_too_long_brings_a_worker_and_its_start_ends_the_wait(
    database: Database, tenant: Tenant
) -> None:
    runs = let_wait(database, tenant, PATIENCE_S - 5)
    assert staffing.answer_wait(database, SETTINGS, tenant.id) == 0
    assert raised(database, tenant) == 0
    let_wait(database, tenant, PATIENCE_S + 1)
    assert staffing.answer_wait(database, SETTINGS, tenant.id) == 1
    assert staffing.answer_wait(database, SETTINGS, tenant.id) == 0

    while (claim := runs.claim()) is not None:
        runs.complete(claim)
    long_s = demand.CALM_TIMES * PATIENCE_S + 1
    with database.platform() as session:
        session.execute(update(FleetRow).values(raised_at=after(-long_s), waited_at=after(-long_s)))
    assert staffing.answer_wait(database, SETTINGS, tenant.id) == -1
    assert raised(database, tenant) == 0


def test_no_worker_comes_where_none_would_help(database: Database, tenant: Tenant) -> None:
    runs = let_wait(database, tenant, PATIENCE_S + 1)
    runs.start(runs.workflow(task("b")))
    # it runs as many as it may
    assert runs.claim() is not None
    let_wait(database, tenant, PATIENCE_S + 1)
    limits.keep_row(database, tenant.id)
    with database.platform() as session:
        limits.change(session, tenant, {"max_concurrent_tasks": 1})
    assert staffing.answer_wait(database, SETTINGS, tenant.id) == 0
    with database.platform() as session:
        limits.change(session, tenant, {"max_concurrent_tasks": 2})
    # it is suspended, or gone
    set_status(database, tenant, SUSPENDED)
    assert staffing.answer_wait(database, SETTINGS, tenant.id) == 0
    assert staffing.answer_wait(database, SETTINGS, uuid4()) == 0
    set_status(database, tenant, ACTIVE)
    # it has as many as it may have
    provision(database, tenant, 3)
    assert staffing.answer_wait(database, SETTINGS, tenant.id) == 0
    provision(database, tenant, -1)
    with database.platform() as session:
        for _ in range(2):
            fleet.beat(session, Worker(uuid4(), "worker", (tenant.name,), 4, 0, 0))
    assert staffing.answer_wait(database, SETTINGS, tenant.id) == 1
    with database.platform() as session:
        assert demand.of_tenant(session, tenant.id) == Demand(desired=2, raised=1)


def test_sqlite_has_no_workers_of_tenants_own(either_database: Database) -> None:
    if either_database.is_sqlite:
        assert staffing.hold_posts(either_database, SETTINGS, uuid4()) == []
        staffing.give_up_posts(either_database, uuid4())
