"""Suspends tenants and lets them go on.

While a tenant is suspended, what runs goes on to its end and nothing new starts: no task, no build,
no schedule. What waits keeps its place, and no execution's time limit counts the wait.
"""

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from cloacina.audit import services as audit
from cloacina.dag.states import ExecutionState
from cloacina.db import Database, now
from cloacina.dispatch import MOST_WAITING, Dispatcher
from cloacina.executions.models import ExecutionRow
from cloacina.fleet import services as fleet
from cloacina.tenants import services as tenants
from cloacina.tenants.errors import TenantNotFound
from cloacina.tenants.models import ACTIVE, DELETING, SUSPENDED, Tenant, TenantRow
from cloacina.tenants.versions import check_tables

_HAS_BEGUN = (
    ExecutionRow.status.in_((ExecutionState.RUNNING, ExecutionState.PAUSED)),
    ExecutionRow.deadline_at.is_not(None),
)


def suspend(database: Database, name: str) -> Tenant:
    """Suspend a tenant; one that is suspended stays so.

    A claim that is just being made may still be made: from the end of this call on, what starts is
    what had begun to start before.

    Parameters:
        database: the database.
        name: the tenant; it may be `public`.

    Returns:
        The tenant, as it is now.

    Raises:
        TenantNotFound: there is none, or it is being deleted.
    """
    with database.platform() as session:
        row = _locked(session, name)
        if row.status == ACTIVE:
            row.status = SUSPENDED
            row.suspended_at = now()
            session.flush()
            audit.record(session, "tenant.suspend", row)
        return tenants.find(session, name)


def resume(database: Database, dispatcher: Dispatcher, name: str) -> Tenant:
    """Let a suspended tenant go on, at once; nothing happens to one that is not suspended.

    Parameters:
        database: the database.
        dispatcher: for hints.
        name: the tenant.

    Returns:
        The tenant, as it is now.

    Raises:
        TenantNotFound: there is none, or it is being deleted.
        TenantMigrating, TenantSchemaTooNew: its tables cannot be used now.
    """
    with database.platform() as session:
        row = _locked(session, name)
        tenant = tenants.find(session, name)
        if row.status != SUSPENDED:
            return tenant
        check_tables(tenant)
        moment = session.scalar(select(now()))
        if row.suspended_at is not None and moment is not None:
            database.act_as_tenant(session, tenant)
            _put_off_deadlines(session, row.suspended_at, moment)
            database.act_as_platform(session)
        row.status, row.suspended_at = ACTIVE, None
        session.flush()
        audit.record(session, "tenant.resume", row)
        tenants.wake(session, tenant.id, 0, reconcile=True)
        slots = sum(worker.concurrency for worker in fleet.list_live(session))
        tenant = tenants.find(session, name)
    dispatcher.reconcile(tenant.id, tenant.name)
    # lost claims are looked after with the first; one for each slot, as none asks others for help
    for _ in range(max(1, min(slots, MOST_WAITING))):
        dispatcher.run(tenant.id, tenant.name)
    return tenant


def _locked(session: Session, name: str) -> TenantRow:
    row = session.scalar(
        select(TenantRow)
        .where(TenantRow.name == name, TenantRow.status != DELETING)
        .with_for_update(key_share=True)
    )
    if row is None:
        raise TenantNotFound(name)
    return row


def _put_off_deadlines(session: Session, since: datetime, moment: datetime) -> None:
    """Put the time limits of executions off by as long as the tenant was suspended.

    A pause is not counted anyhow: of one that began meanwhile only the time before it is added.
    """
    begun = session.execute(
        select(ExecutionRow.id, ExecutionRow.deadline_at, ExecutionRow.paused_at)
        .where(*_HAS_BEGUN)
        # always in the same order, as all who lock several
        .order_by(ExecutionRow.id)
        .with_for_update()
    )
    later = [
        {"id": row.id, "deadline_at": row.deadline_at + ((row.paused_at or moment) - since)}
        for row in begun
        if row.deadline_at > since and (row.paused_at is None or row.paused_at > since)
    ]
    if later:
        session.execute(update(ExecutionRow), later)
