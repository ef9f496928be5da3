"""Tells how much of its limits a tenant uses."""

from collections.abc import Mapping

from cloacina.db import Call, Database
from cloacina.executions import queue
from cloacina.executions.transition import SQL
from cloacina.packages import room
from cloacina.settings import HIGHEST_LIMITS
from cloacina.tenants import services as tenants
from cloacina.tenants import serving
from cloacina.tenants.models import Tenant


def usage(database: Database, tenant: Tenant) -> tuple[Mapping[str, int], int]:
    """Say what a tenant uses now.

    Parameters:
        database: the database.
        tenant: the tenant.

    Returns:
        The amounts, by the names of the limits, of those that can be counted; and the slots of the
        live workers that serve the tenant.

    Raises:
        TenantNotFound: it is gone.
    """
    with database.unit(tenants.enter(tenant.id)) as unit:
        tenants.entered(unit, tenant.id)
        running, open_ones = unit.ask(
            Call(SQL.count_running),
            queue.count_call(HIGHEST_LIMITS["max_queued_executions"]),
        )
    with database.tenant(tenant) as session:
        stored = room.stored(session)
        database.act_as_platform(session)
        slots = serving.assignment(session).slots(tenant.id)
    used = {
        "max_concurrent_tasks": running[0].running,
        "max_queued_executions": open_ones[0].found,
        "max_packages": stored.versions,
        "max_storage_bytes": stored.size_bytes,
    }
    return used, slots
