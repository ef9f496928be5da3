"""When a tenant is next due: moved earlier by whoever has work, taken by one scheduler."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from uuid import UUID

import pytest
from sqlalchemy import select, update

from cloacina.db import Database, after, now
from cloacina.lifecycle.tenants import create_tenant
from cloacina.tenants import services as tenants
from cloacina.tenants.models import DELETING, Tenant, TenantRow, WakeupRow
from tests.removal import delete_tenant

SECOND = timedelta(seconds=1)


@pytest.fixture
def public(either_database: Database) -> Tenant:
    with either_database.platform() as session:
        return tenants.find(session, "public")


def put_off(database: Database, tenant_id: UUID, due_s: float, reconcile_s: float) -> None:
    with database.platform() as session:
        session.execute(
            update(WakeupRow)
            .where(WakeupRow.tenant_id == tenant_id)
            .values(due_at=after(due_s), reconcile_at=after(reconcile_s))
        )


def due_in(database: Database, tenant_id: UUID) -> tuple[float, float]:
    """Seconds until a tenant is due, and until its packages are."""
    with database.platform() as session:
        due, reconcile, present = session.execute(
            select(WakeupRow.due_at, WakeupRow.reconcile_at, now()).where(
                WakeupRow.tenant_id == tenant_id
            )
        ).one()
    return (due - present) / SECOND, (reconcile - present) / SECOND


def wake(database: Database, tenant_id: UUID, in_s: float, *, reconcile: bool = False) -> None:
    with database.platform() as session:
        tenants.wake(session, tenant_id, in_s, reconcile=reconcile)


def take(database: Database, limit: int = 500) -> list[tuple[UUID, str, bool]]:
    with database.platform() as session:
        return [tuple(row) for row in tenants.due_tenants(session, limit, 5)]


def test_a_wake_up_moves_the_moment_earlier(either_database: Database, public: Tenant) -> None:
    put_off(either_database, public.id, 60, 60)
    wake(either_database, public.id, 3)
    assert due_in(either_database, public.id) == pytest.approx((3, 60), abs=1)
    wake(either_database, public.id, 1, reconcile=True)
    assert due_in(either_database, public.id) == pytest.approx((1, 1), abs=1)


def test_a_wake_up_never_moves_the_moment_later(either_database: Database, public: Tenant) -> None:
    put_off(either_database, public.id, 2, 3)
    wake(either_database, public.id, 10, reconcile=True)
    assert due_in(either_database, public.id) == pytest.approx((2, 3), abs=1)


def test_a_wake_up_that_changes_nothing_waits_for_nobody(database: Database) -> None:
    with database.platform() as session:
        public = tenants.find(session, "public")
    put_off(database, public.id, 2, 60)
    with database.platform() as holder:
        holder.execute(select(WakeupRow.due_at).with_for_update())
        # would wait for the row's lock if it wrote
        wake(database, public.id, 10)


def test_who_is_due_is_given_once_and_put_off(either_database: Database, public: Tenant) -> None:
    put_off(either_database, public.id, -1, 60)
    assert take(either_database) == [(public.id, "public", False)]
    assert take(either_database) == []
    assert due_in(either_database, public.id)[0] == pytest.approx(5, abs=1)


def test_whose_packages_are_due_is_said_so(either_database: Database, public: Tenant) -> None:
    put_off(either_database, public.id, -1, -1)
    assert take(either_database) == [(public.id, "public", True)]


def test_who_is_not_due_is_left_alone(either_database: Database, public: Tenant) -> None:
    put_off(either_database, public.id, 30, 60)
    assert take(either_database) == []
    assert due_in(either_database, public.id)[0] == pytest.approx(30, abs=1)


@pytest.fixture
def many(database: Database, tenant_name: str) -> Iterator[list[UUID]]:
    """Wake-ups of 60 tenants that have no schemas."""
    with database.platform() as session:
        session.execute(update(WakeupRow).values(due_at=after(3600)))
        rows = [
            TenantRow(
                name=f"{tenant_name}_{number}",
                schema_name="none",
                role_name="none",
                status="active",
                created_at=now(),
                schema_version="0001",
                id=UUID(int=number),
            )
            for number in range(60)
        ]
        session.add_all(rows)
        session.add_all(
            WakeupRow(tenant_id=row.id, due_at=after(row.id.int - 100), reconcile_at=after(60))
            for row in rows
        )
    ids = [UUID(int=number) for number in range(60)]
    yield ids
    with database.platform() as session:
        for model, column in ((WakeupRow, WakeupRow.tenant_id), (TenantRow, TenantRow.id)):
            session.query(model).filter(column.in_(ids)).delete()


def test_each_due_tenant_is_given_to_one_of_several_schedulers(
    database: Database, many: list[UUID]
) -> None:
    start = Barrier(4)

    def schedule(_: int) -> list[UUID]:
        start.wait(10)
        return [tenant_id for _ in range(10) for tenant_id, _, _ in take(database, limit=3)]

    with ThreadPoolExecutor(4) as threads:
        given = [tenant_id for taken in threads.map(schedule, range(4)) for tenant_id in taken]
    assert sorted(given) == many


def test_who_is_due_longest_comes_first(database: Database, many: list[UUID]) -> None:
    assert [tenant_id for tenant_id, _, _ in take(database, limit=10)] == many[:10]


def test_a_tenant_that_is_being_deleted_is_never_due(database: Database, many: list[UUID]) -> None:
    with database.platform() as session:
        session.execute(update(TenantRow).where(TenantRow.id == many[0]).values(status=DELETING))
    assert many[0] not in {tenant_id for tenant_id, _, _ in take(database)}


def test_a_new_tenant_is_due_once_it_has_work_and_a_deleted_one_never_again(
    database: Database, tenant_name: str
) -> None:
    tenant = create_tenant(database, tenant_name)
    assert tenant.id not in {tenant_id for tenant_id, _, _ in take(database)}
    wake(database, tenant.id, 0, reconcile=True)
    assert (tenant.id, tenant_name, True) in take(database)
    wake(database, tenant.id, 0)
    delete_tenant(database, tenant_name)
    assert tenant.id not in {tenant_id for tenant_id, _, _ in take(database)}
    # what comes late for it is lost, without an error
    wake(database, tenant.id, 0, reconcile=True)
