"""Finds tenants, judges their names, and keeps when they are next due."""

import re
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from random import random
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, false, func, select, update
from sqlalchemy.orm import Session

from cloacina.db import AS_PLATFORM, Call, SqlFile, Unit, after, now
from cloacina.db import Row as NamedRow
from cloacina.db.database import TIMEOUTS, search_path
from cloacina.tenants.errors import TenantCreationFailed, TenantNotFound, TenantSuspended
from cloacina.tenants.models import (
    ACTIVE,
    DELETING,
    DELETION_STEPS,
    HINT_KEY,
    PUBLIC_SCHEMA,
    PUBLIC_TENANT,
    SUSPENDED,
    Limits,
    LimitsRow,
    ServerKeyRow,
    Tenant,
    TenantRow,
    WakeupRow,
)
from cloacina.tenants.versions import check_tables

SQL = SqlFile(Path(__file__).with_name("statements.sql"))

# PostgreSQL folds unquoted names to lower case and cuts them at 63 bytes
NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")
"""The form of a tenant's name."""

# `none` would mean "no role" where a tenant's role is set
_RESERVED = frozenset({PUBLIC_TENANT, PUBLIC_SCHEMA, "postgres", "information_schema", "none"})

IDLE_S = 3600.0
"""Seconds between two looks after a tenant that wants none: only moments that were lost, for which
nobody knows a reason, are found so."""

LIMITS = tuple(field.name for field in fields(Limits))
"""The names of all limits."""


def check_name(name: str, service_roles: Sequence[str]) -> None:
    """Refuse a name that cannot be a tenant's.

    Parameters:
        name: the wanted name; also the names of the schema and the role to be.
        service_roles: names that this server uses itself.

    Raises:
        TenantCreationFailed: the name has a wrong form or is reserved.
    """
    if not NAME.fullmatch(name):
        raise TenantCreationFailed(
            f"'{name[:80]}' cannot be a tenant's name: use 1 to 63 of a-z, 0-9 and _,"
            " not beginning with a digit"
        )
    if name in _RESERVED or name.startswith("pg_") or name in service_roles:
        raise TenantCreationFailed(f"'{name}' is a reserved name; choose another")


def find(session: Session, name: str) -> Tenant:
    """Give the tenant of a name.

    Raises:
        TenantNotFound: there is none, or it is being deleted.
    """
    return _one(session, name, TenantRow.name == name, TenantRow.status != DELETING)


def find_by_id(session: Session, tenant_id: UUID) -> Tenant:
    """Give the tenant of an id.

    Raises:
        TenantNotFound: there is none, or it is being deleted.
    """
    return _one(session, str(tenant_id), TenantRow.id == tenant_id, TenantRow.status != DELETING)


def find_in_any_state(session: Session, tenant_id: UUID) -> Tenant:
    """Give the tenant of an id, also while it is being deleted; raises as `find_by_id` does."""
    return _one(session, str(tenant_id), TenantRow.id == tenant_id)


def find_named(session: Session, name: str) -> Tenant | None:
    """Give the tenant of a name in any state; None: there is none."""
    row = session.execute(_tenants().where(TenantRow.name == name)).first()
    return None if row is None else of_row(row)


def _one(session: Session, named: str, *conditions: ColumnElement[bool]) -> Tenant:
    row = session.execute(_tenants().where(*conditions)).first()
    if row is None:
        raise TenantNotFound(named)
    return of_row(row)


def find_open(session: Session, tenant_id: UUID) -> Tenant:
    """Give the tenant of an id, if something new may start there now.

    Raises:
        TenantNotFound, TenantSuspended, TenantMigrating, TenantSchemaTooNew: it may not.
    """
    tenant = find_by_id(session, tenant_id)
    check_open(tenant)
    return tenant


def check_open(tenant: Tenant) -> None:
    """Make sure that something new may start at a tenant; raises as `find_open` does."""
    if tenant.status == DELETING:
        raise TenantNotFound(tenant.name)
    if tenant.status == SUSPENDED:
        raise TenantSuspended(tenant.name)
    check_tables(tenant)


def enter(tenant_id: UUID) -> Call:
    """Have a unit find a tenant and act as its role; `entered` gives it."""
    return Call(SQL.enter, {"tenant_id": tenant_id, **TIMEOUTS})


def entered(unit: Unit, tenant_id: UUID) -> Tenant:
    """Give the tenant that a unit, opened with `enter`, acts as.

    It may be in any state: what runs there may end.

    Raises:
        TenantNotFound: there is none.
    """
    if not unit.opened:
        unit.ask()
    if not unit.opened:
        raise TenantNotFound(str(tenant_id))
    (row,) = unit.opened
    tenant = of_row(row)
    unit.scope = search_path(tenant.schema)
    return tenant


def re_enter(tenant: Tenant) -> Call:
    """Have a unit act as the role of a tenant that was found before; `is_active` knows its state.

    `Unit.expected` is to be the tenant's search_path.
    """
    scope = {"role": tenant.role, "path": search_path(tenant.schema)}
    return Call(SQL.re_enter, {"tenant_id": tenant.id, **scope, **TIMEOUTS})


def is_active(unit: Unit) -> bool:
    """Say whether something new may start at the tenant of a unit that `re_enter` opened."""
    return bool(unit.opened) and unit.opened[0].status == ACTIVE


def find_call(name: str) -> Call:
    """Ask for the tenant of a name; `found` reads the answer."""
    return Call(SQL.find, {"name": name})


def found(rows: Sequence[NamedRow], name: str) -> Tenant:
    """Read the answer to `find_call`; raises as `find` does."""
    if not rows:
        raise TenantNotFound(name)
    return of_row(rows[0])


def of_row(row: NamedRow | Row[*tuple[Any, ...]]) -> Tenant:
    """Make the frozen value of a row that has a tenant's columns and those of its limits."""
    return Tenant(
        id=row.id,
        name=row.name,
        schema=row.schema_name,
        role=row.role_name,
        status=row.status,
        description=row.description,
        created_at=row.created_at,
        schema_version=row.schema_version,
        is_migrating=bool(row.is_migrating),
        limits=Limits(**{name: getattr(row, name) for name in LIMITS}),
    )


def _tenants() -> Select[*tuple[Any, ...]]:
    """Select what `of_row` reads."""
    return select(
        TenantRow.id,
        TenantRow.name,
        TenantRow.schema_name,
        TenantRow.role_name,
        TenantRow.status,
        TenantRow.description,
        TenantRow.created_at,
        TenantRow.schema_version,
        func.coalesce(TenantRow.migrating_until > now(), false()).label("is_migrating"),
        *(getattr(LimitsRow, name) for name in LIMITS),
    ).outerjoin(LimitsRow, LimitsRow.tenant_id == TenantRow.id)


def wake_calls(tenant_id: UUID, in_s: float) -> list[Call]:
    """Do what `wake` does at the end of a tenant's unit."""
    return [AS_PLATFORM, Call(SQL.wake, {"tenant_id": tenant_id, "in_s": in_s})]


def list_all(session: Session) -> list[Tenant]:
    """Give all tenants by name, `public` and those being deleted among them."""
    return [of_row(row) for row in session.execute(_tenants().order_by(TenantRow.name))]


def list_ids(session: Session) -> list[UUID]:
    """Give the ids of all tenants."""
    return list(session.scalars(select(TenantRow.id)))


def list_killed(session: Session) -> list[UUID]:
    """Give the ids of tenants that are being deleted and whose tasks may not run any more."""
    killed = DELETION_STEPS[DELETION_STEPS.index("kill") :]
    query = select(TenantRow.id).where(TenantRow.deletion_step.in_(killed))
    return list(session.scalars(query))


def hint_key(session: Session) -> bytes:
    """Give the key that this installation signs its hints with."""
    return session.scalars(select(ServerKeyRow.value).where(ServerKeyRow.name == HINT_KEY)).one()


def wake(session: Session, tenant_id: UUID, in_s: float, *, reconcile: bool = False) -> None:
    """See to it that the scheduler looks after a tenant no later than `in_s` seconds from now.

    It only ever moves the moment earlier, so that it seldom writes and never makes the tenant's
    transactions wait for one another.

    Parameters:
        session: acts as the platform; a tenant's own rows of the transaction come before.
        tenant_id: the tenant.
        in_s: seconds.
        reconcile: its packages are to be looked after too.
    """
    due = after(in_s)
    row = update(WakeupRow).where(WakeupRow.tenant_id == tenant_id)
    session.execute(row.where(WakeupRow.due_at > due).values(due_at=due))
    if reconcile:
        session.execute(row.where(WakeupRow.reconcile_at > due).values(reconcile_at=due))


def idle_s() -> float:
    """Give the seconds until a tenant that wants nothing is looked after all the same.

    They vary, lest a thousand tenants that were made together are looked after together.
    """
    return IDLE_S * (0.5 + random())  # noqa: S311  # nobody is kept out by it


def due_tenants(session: Session, limit: int, patience_s: float) -> Sequence[Row[UUID, str, bool]]:
    """Take the tenants that are due, and put each off for a little, until its worker has looked.

    Several schedulers may ask at once: each due tenant is given to one of them.

    Parameters:
        session: acts as the platform.
        limit: how many to take at most.
        patience_s: seconds until a tenant is due again if no worker says otherwise.

    Returns:
        Rows of tenant's id, its name, and whether its packages are to be looked after too.
    """
    due = (
        select(
            WakeupRow.tenant_id,
            TenantRow.name,
            (WakeupRow.reconcile_at <= after(0)).label("packages"),
        )
        .join(TenantRow, TenantRow.id == WakeupRow.tenant_id)
        .where(WakeupRow.due_at <= after(0), TenantRow.status == ACTIVE)
        .order_by(WakeupRow.due_at)
        .limit(limit)
        .with_for_update(of=WakeupRow, skip_locked=True)
    )
    rows = session.execute(due).all()
    if rows:
        session.execute(
            update(WakeupRow)
            .where(WakeupRow.tenant_id.in_([row.tenant_id for row in rows]))
            .values(due_at=after(patience_s))
        )
    return rows
