"""What each tenant may use at most: the settings' defaults, and what operators change of them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from cloacina.audit import services as audit
from cloacina.db import AS_PLATFORM, Call, Database
from cloacina.settings import Settings
from cloacina.tenants.errors import TenantNotFound
from cloacina.tenants.models import Limits, LimitsRow, Tenant
from cloacina.tenants.services import LIMITS, SQL


@dataclass(frozen=True)
class Allowed:
    """What a tenant may use at most; the names are those of `Limits`, and none is missing."""

    max_agents: int
    max_concurrent_tasks: int
    max_queued_executions: int
    max_packages: int
    max_storage_bytes: int
    max_requests_per_s: int


def defaults(settings: Settings, slots: int = 0) -> Allowed:
    """Give what a tenant may use that has no limits of its own.

    Parameters:
        settings: of this process.
        slots: of the live workers that serve the tenant; for its running tasks alone.
    """
    return Allowed(
        max_agents=settings.default_max_agents,
        max_concurrent_tasks=settings.tenant_running_tasks or max(1, slots - 1),
        max_queued_executions=settings.tenant_queued_executions,
        max_packages=settings.tenant_packages,
        max_storage_bytes=settings.tenant_storage_bytes,
        max_requests_per_s=settings.tenant_requests_per_s,
    )


def allowed(own: Limits, default: Allowed) -> Allowed:
    """Give what a tenant may use: its own limits, and the defaults where it has none."""
    return Allowed(**{name: getattr(own, name) or getattr(default, name) for name in LIMITS})


def keep_row(database: Database, tenant_id: UUID) -> None:
    """See to it that a tenant has a row that `lock` can lock; a transaction of its own.

    In a transaction that writes the tenant's rows as well it could meet the tenant's deletion, each
    waiting for the other.
    """
    with database.unit(AS_PLATFORM) as unit:
        unit.commit(Call(SQL.keep_limits, {"tenant_id": tenant_id}))


def lock(session: Session, tenant_id: UUID) -> Limits:
    """Have those that count what a tenant uses do so one after the other, each until its commit.

    No tenant's role can take this lock.

    Parameters:
        session: acts as the platform.
        tenant_id: the tenant, for which there is a row.

    Returns:
        The tenant's own limits, as they are from now on.

    Raises:
        TenantNotFound: it is gone.
    """
    row = session.scalar(_row(tenant_id))
    if row is None:
        raise TenantNotFound(str(tenant_id))
    return _value(row)


def change(session: Session, tenant: Tenant, changes: Mapping[str, int | None]) -> Limits:
    """Set some of a tenant's own limits, and note who did so.

    Parameters:
        session: acts as the platform.
        tenant: the tenant.
        changes: by the limit's name; None: as the settings say.

    Returns:
        The tenant's own limits, as they are then.

    Raises:
        TenantNotFound: it is gone.
    """
    before, after = _change(session, tenant, changes)
    given = {name: (getattr(before, name), getattr(after, name)) for name in changes}
    audit.record(
        session,
        "limits.set",
        tenant,
        before={name: pair[0] for name, pair in given.items()},
        after={name: pair[1] for name, pair in given.items()},
    )
    return after


def clear(session: Session, tenant: Tenant) -> Limits:
    """Have a tenant use what the settings say, and note who did so; as `change`."""
    before, after = _change(session, tenant, dict.fromkeys(LIMITS))
    had = {name: value for name, value in asdict(before).items() if value is not None}
    audit.record(session, "limits.clear", tenant, before=had, after={})
    return after


def _change(
    session: Session, tenant: Tenant, changes: Mapping[str, int | None]
) -> tuple[Limits, Limits]:
    row = session.scalar(_row(tenant.id))
    if row is None:
        raise TenantNotFound(tenant.name)
    before = _value(row)
    for name, value in changes.items():
        setattr(row, name, value)
    session.flush()
    return before, _value(row)


def _row(tenant_id: UUID) -> Select[LimitsRow]:
    return select(LimitsRow).where(LimitsRow.tenant_id == tenant_id).with_for_update()


def _value(row: LimitsRow) -> Limits:
    return Limits(**{name: getattr(row, name) for name in LIMITS})
