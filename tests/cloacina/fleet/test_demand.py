"""How many workers of its own a tenant is to have."""

import json
from uuid import uuid4

import pytest
from sqlalchemy import delete, select, update

from cloacina.audit.models import AuditRow
from cloacina.db import Database, after
from cloacina.fleet import demand, services
from cloacina.fleet.demand import CALM_TIMES, LINGER_S, Demand
from cloacina.fleet.errors import AtCapacity
from cloacina.fleet.models import FleetRow, WorkerRow
from cloacina.fleet.services import Worker
from cloacina.lifecycle.tenants import create_tenant
from cloacina.tenants.models import Tenant
from tests.removal import delete_tenant

PATIENCE_S = 10.0
MOST = 3


@pytest.fixture
def tenant(database: Database) -> Tenant:
    return create_tenant(database, f"t_{uuid4().hex[:12]}")


def change(database: Database, tenant: Tenant, by: int, most: int = MOST) -> Demand:
    with database.platform() as session:
        return demand.change(session, tenant, by, most)


def answer(database: Database, tenant: Tenant, *, waits: bool) -> int:
    with database.platform() as session:
        return demand.answer_wait(session, tenant, waits=waits, patience_s=PATIENCE_S, most=MOST)


def wanted(database: Database, tenant: Tenant) -> Demand:
    with database.platform() as session:
        return demand.of_tenant(session, tenant.id)


def be_there(database: Database, tenant: Tenant, count: int) -> None:
    """Have so many live workers of the tenant's own."""
    with database.platform() as session:
        session.execute(delete(WorkerRow))
        for _ in range(count):
            services.beat(session, Worker(uuid4(), "worker", (tenant.name,), 4, 0, 0))


def events(database: Database, tenant: Tenant) -> list[tuple[str, dict[str, int]]]:
    with database.platform() as session:
        rows = session.scalars(
            select(AuditRow)
            .where(AuditRow.tenant_id == tenant.id, AuditRow.action.like("fleet.%"))
            .order_by(AuditRow.serial)
        )
        return [(row.action, json.loads(row.details or "{}")) for row in rows]


def age(database: Database, tenant: Tenant, *, step_s: float, wait_s: float = 0) -> None:
    """Put the last step and the last wait so far back."""
    with database.platform() as session:
        session.execute(
            update(FleetRow)
            .where(FleetRow.tenant_id == tenant.id)
            .values(raised_at=after(-step_s), waited_at=after(-wait_s))
        )


def test_workers_are_asked_for_and_given_back_and_each_change_is_on_record(
    database: Database, tenant: Tenant
) -> None:
    assert wanted(database, tenant) == Demand()
    assert change(database, tenant, 2) == Demand(2)
    assert change(database, tenant, 1) == Demand(3)
    # fewer than none cannot be
    assert change(database, tenant, -5) == wanted(database, tenant) == Demand(0)
    assert events(database, tenant) == [
        ("fleet.provision", {"count": 2, "before": 0, "after": 2}),
        ("fleet.provision", {"count": 1, "before": 2, "after": 3}),
        ("fleet.deprovision", {"count": 5, "before": 3, "after": 0}),
    ]


def test_more_than_a_tenant_may_have_is_refused_and_leaves_no_trace(
    database: Database, tenant: Tenant
) -> None:
    change(database, tenant, 2)
    with pytest.raises(AtCapacity, match=r"has asked for 2 .* may have 3: 2 more are too many"):
        change(database, tenant, 2)
    assert wanted(database, tenant) == Demand(2)
    assert len(events(database, tenant)) == 1
    # a limit that was lowered since then keeps nobody from giving some back
    assert change(database, tenant, -1, most=1) == Demand(1)


def test_while_tasks_wait_one_more_comes_in_each_interval_up_to_the_limit(
    database: Database, tenant: Tenant
) -> None:
    change(database, tenant, 1)
    # the one that was asked for is still to come
    assert answer(database, tenant, waits=True) == 0
    be_there(database, tenant, 1)
    assert answer(database, tenant, waits=True) == 1
    be_there(database, tenant, 2)
    assert answer(database, tenant, waits=True) == 0
    age(database, tenant, step_s=PATIENCE_S + 1)
    assert answer(database, tenant, waits=True) == 1
    be_there(database, tenant, 3)
    age(database, tenant, step_s=PATIENCE_S + 1)
    assert answer(database, tenant, waits=True) == 0
    assert wanted(database, tenant) == Demand(desired=1, raised=2)
    assert events(database, tenant)[1:] == [
        ("fleet.raise", {"desired": 1, "before": 0, "after": 1}),
        ("fleet.raise", {"desired": 1, "before": 1, "after": 2}),
    ]


def test_what_was_raised_goes_down_step_by_step_once_nothing_has_waited_for_long(
    database: Database, tenant: Tenant
) -> None:
    long_s = CALM_TIMES * PATIENCE_S + 1
    answer(database, tenant, waits=True)
    be_there(database, tenant, 1)
    age(database, tenant, step_s=long_s)
    answer(database, tenant, waits=True)
    change(database, tenant, 1)
    age(database, tenant, step_s=long_s, wait_s=PATIENCE_S)
    assert answer(database, tenant, waits=False) == 0
    age(database, tenant, step_s=long_s, wait_s=long_s)
    assert answer(database, tenant, waits=False) == -1
    assert answer(database, tenant, waits=False) == 0
    age(database, tenant, step_s=long_s, wait_s=long_s)
    assert answer(database, tenant, waits=False) == -1
    age(database, tenant, step_s=long_s, wait_s=long_s)
    # what was asked for stays
    assert answer(database, tenant, waits=False) == 0
    assert wanted(database, tenant) == Demand(desired=1, raised=0)
    assert events(database, tenant)[-1] == (
        "fleet.lower",
        {"desired": 1, "before": 1, "after": 0},
    )


def test_what_was_raised_comes_on_top_of_the_shared_workers_unless_some_were_asked_for(
    database: Database, tenant: Tenant
) -> None:
    answer(database, tenant, waits=True)
    with database.platform() as session:
        assert tenant.id in demand.on_top(session)
        assert tenant.id in demand.raised_tenants(session)
    change(database, tenant, 1)
    with database.platform() as session:
        assert tenant.id not in demand.on_top(session)
        assert tenant.id in demand.raised_tenants(session)


def test_what_went_down_is_on_top_for_as_long_as_it_may_take_to_end(
    database: Database, tenant: Tenant
) -> None:
    answer(database, tenant, waits=True)
    long_s = CALM_TIMES * PATIENCE_S + 1
    age(database, tenant, step_s=long_s, wait_s=long_s)
    assert answer(database, tenant, waits=False) == -1
    with database.platform() as session:
        assert tenant.id in demand.on_top(session)
    age(database, tenant, step_s=LINGER_S + 1)
    with database.platform() as session:
        assert tenant.id not in demand.on_top(session)


def test_with_a_tenant_its_demand_is_gone(database: Database, tenant: Tenant) -> None:
    answer(database, tenant, waits=True)
    delete_tenant(database, tenant.name)
    assert wanted(database, tenant) == Demand()
