"""Sees to the workers that tenants are to have of their own: which run where, and how many."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloacina.db import Call, Database
from cloacina.executions.transition import SQL
from cloacina.fleet import demand, posts
from cloacina.fleet.models import FleetRow
from cloacina.fleet.posts import LEASE_S, Staff
from cloacina.settings import Settings
from cloacina.tenants import limits
from cloacina.tenants import services as tenants
from cloacina.tenants.errors import TenantNotFound
from cloacina.tenants.models import ACTIVE, DELETING, LimitsRow, Tenant, TenantRow


@dataclass(frozen=True)
class Post:
    """A worker of a tenant's own that is to run here.

    Parameters:
        tenant_id, number: name it among all there are.
        tenant_name: whom it serves.
    """

    tenant_id: UUID
    number: int
    tenant_name: str


def hold_posts(database: Database, settings: Settings, holder: UUID) -> Sequence[Post]:
    """Say which tenants' workers are to run where a holder is, which asks each second.

    Parameters:
        database: the database.
        settings: of this process.
        holder: stands for one supervisor.

    Returns:
        What it holds for as long as `cloacina.fleet.posts.LEASE_S`; nothing on SQLite.
    """
    if database.is_sqlite:
        return []
    # after an outage nobody is held to a lease that he could not renew
    may_take_over = not database.was_away_within(LEASE_S)
    with database.platform() as session:
        names, wanted = _wanted(session, settings)
        held = posts.hold(session, holder, wanted, may_take_over=may_take_over)
    return [Post(tenant_id, number, names[tenant_id]) for tenant_id, number in held]


def give_up_posts(database: Database, holder: UUID) -> None:
    """Let others have all posts of a holder at once."""
    if not database.is_sqlite:
        with database.platform() as session:
            posts.give_up(session, holder)


def _wanted(session: Session, settings: Settings) -> tuple[dict[UUID, str], dict[UUID, Staff]]:
    """Read what each tenant is to have, within its limit."""
    rows = session.execute(
        select(
            FleetRow.tenant_id,
            FleetRow.desired,
            FleetRow.raised,
            TenantRow.name,
            TenantRow.status,
            LimitsRow.max_agents,
        )
        .join(TenantRow, TenantRow.id == FleetRow.tenant_id)
        .outerjoin(LimitsRow, LimitsRow.tenant_id == FleetRow.tenant_id)
        .where(FleetRow.desired + FleetRow.raised > 0)
    ).all()
    names = {row.tenant_id: row.name for row in rows}
    raises = settings.fleet_raise_after_s > 0
    wanted = {
        row.tenant_id: Staff(
            count=min(
                row.desired + (row.raised if raises else 0),
                row.max_agents or settings.default_max_agents,
            ),
            # those of a tenant that is being deleted bring what they run to an end
            may_grow=row.status != DELETING,
        )
        for row in rows
    }
    return names, wanted


def answer_wait(database: Database, settings: Settings, tenant_id: UUID) -> int:
    """Raise the number of a tenant's own workers where its tasks wait too long, or lower it again.

    Parameters:
        database: the database.
        settings: of this process; it says how long is too long.
        tenant_id: the tenant.

    Returns:
        By how many there are to be more: 1, 0 or -1.
    """
    patience_s = settings.fleet_raise_after_s
    try:
        tenant, waits = _look(database, settings, tenant_id)
    except TenantNotFound:
        return 0
    with database.platform() as session:
        if not waits and not demand.of_tenant(session, tenant_id).raised:
            return 0
        most = limits.allowed(tenant.limits, limits.defaults(settings)).max_agents
        return demand.answer_wait(session, tenant, waits=waits, patience_s=patience_s, most=most)


def _look(database: Database, settings: Settings, tenant_id: UUID) -> tuple[Tenant, bool]:
    """Say whether a task of a tenant has waited too long that another worker could run."""
    with database.unit(tenants.enter(tenant_id)) as unit:
        tenant = tenants.entered(unit, tenant_id)
        due, running = unit.ask(Call(SQL.next_due), Call(SQL.count_running))
    if tenant.status != ACTIVE or not due or due[0].ready_at is None:
        return tenant, False
    # where the tenant has as many tasks as it may run, no worker would help
    most = tenant.limits.max_concurrent_tasks or settings.tenant_running_tasks
    is_full = most > 0 and running[0].running >= most
    waited_s = (due[0].moment - due[0].ready_at).total_seconds()
    return tenant, not is_full and waited_s > settings.fleet_raise_after_s
