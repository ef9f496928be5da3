"""How many workers of its own each tenant is to have: as people ask for, and as need raises it."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from cloacina.audit import services as audit
from cloacina.audit.services import Named
from cloacina.db import after, instant
from cloacina.fleet import services
from cloacina.fleet.errors import AtCapacity
from cloacina.fleet.models import FleetRow

LINGER_S = 30.0
"""Seconds after which what was raised and went down again is there no more."""

CALM_TIMES = 3
"""What was raised goes down by one after so many times the wait that raises it, without one."""


@dataclass(frozen=True)
class Demand:
    """The workers of its own that a tenant is to have.

    Parameters:
        desired: what people have asked for.
        raised: what the server has added to that by itself.
    """

    desired: int = 0
    raised: int = 0


def of_tenant(session: Session, tenant_id: UUID) -> Demand:
    """Give what a tenant is to have."""
    row = session.get(FleetRow, tenant_id)
    return Demand(row.desired, row.raised) if row else Demand()


def change(session: Session, tenant: Named, by: int, most: int) -> Demand:
    """Ask for more workers of a tenant's own, or for fewer, and note who did so.

    Parameters:
        session: acts as the platform, on PostgreSQL.
        tenant: the tenant.
        by: how many more; a negative number: how many fewer, of those that were asked for.
        most: that the tenant may have.

    Returns:
        What it is to have then.

    Raises:
        AtCapacity: it may not have so many.
    """
    row, _ = _locked(session, tenant.id)
    before = row.desired
    if by > 0 and before + by > most:
        raise AtCapacity(
            f"tenant '{tenant.name}' has asked for {before} workers of its own and may have {most}:"
            f" {by} more are too many; an operator can raise its limit max_agents"
        )
    row.desired = max(0, before + by)
    audit.record(
        session,
        "fleet.provision" if by > 0 else "fleet.deprovision",
        tenant,
        count=abs(by),
        before=before,
        after=row.desired,
    )
    return Demand(row.desired, row.raised)


def answer_wait(
    session: Session, tenant: Named, *, waits: bool, patience_s: float, most: int
) -> int:
    """Have one worker more where tasks wait too long, and one fewer once none has for a while.

    None is added before all those are there that the tenant is to have already.

    Parameters:
        session: acts as the platform, on PostgreSQL.
        tenant: the tenant.
        waits: whether a task of it has waited too long by now.
        patience_s: seconds that a task may wait, and seconds between two steps upwards.
        most: workers of its own that the tenant may have.

    Returns:
        By how many there are to be more: 1, 0 or -1.
    """
    row, present = _locked(session, tenant.id)
    if waits:
        row.waited_at = present
        count = row.desired + row.raised
        # one that is still to come may be enough
        all_here = services.count_own(session, tenant.name) >= count
        may_step = all_here and count < most and _is_past(present, patience_s, row.raised_at)
        step = 1 if may_step else 0
    else:
        calm_s = CALM_TIMES * patience_s
        may_step = row.raised > 0 and _is_past(present, calm_s, row.raised_at, row.waited_at)
        step = -1 if may_step else 0
    if step:
        before = row.raised
        row.raised += step
        row.raised_at = present
        audit.record(
            session,
            "fleet.raise" if step > 0 else "fleet.lower",
            tenant,
            desired=row.desired,
            before=before,
            after=row.raised,
        )
    session.flush()
    return step


def _is_past(present: datetime, seconds: float, *moments: datetime | None) -> bool:
    return all(
        moment is None or present - moment >= timedelta(seconds=seconds) for moment in moments
    )


def raised_tenants(session: Session) -> AbstractSet[UUID]:
    """Give the tenants for which the server has added workers by itself."""
    return set(session.scalars(select(FleetRow.tenant_id).where(FleetRow.raised > 0)))


def on_top(session: Session) -> frozenset[UUID]:
    """Give the tenants whose own workers come on top of the shared ones.

    These are they that have not asked for workers of their own: to help them, those that were added
    must not take the others away.
    """
    is_there = (FleetRow.raised > 0) | (FleetRow.raised_at > after(-LINGER_S))
    rows = select(FleetRow.tenant_id).where(FleetRow.desired == 0, is_there)
    return frozenset(session.scalars(rows))


def _locked(session: Session, tenant_id: UUID) -> tuple[FleetRow, datetime]:
    """Lock a tenant's row, make it where there is none, and give the present time."""
    new = insert(FleetRow).values(tenant_id=tenant_id, desired=0, raised=0)
    session.execute(new.on_conflict_do_nothing())
    row = select(FleetRow, instant()).where(FleetRow.tenant_id == tenant_id).with_for_update()
    found, present = session.execute(row, execution_options={"populate_existing": True}).one()
    return found, present
