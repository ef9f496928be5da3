"""Finds out which workers serve which tenants now."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloacina.fleet import demand
from cloacina.fleet import services as fleet
from cloacina.fleet.assignment import Assignment, Server
from cloacina.tenants.models import DELETING, TenantRow


def assignment(session: Session, me: Server | None = None) -> Assignment:
    """Read who serves whom.

    Parameters:
        session: acts as the platform.
        me: a worker that counts as live, whether it has reported or not.
    """
    servers = fleet.list_servers(session)
    # a suspended one's hints lead to nothing, and once it goes on it is served at once
    open_ones = select(TenantRow.id, TenantRow.name).where(TenantRow.status != DELETING)
    return Assignment(
        servers | {me} if me else servers,
        {row.id: row.name for row in session.execute(open_ones)},
        demand.on_top(session),
    )
