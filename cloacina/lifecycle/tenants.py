"""Creates and deletes tenants: what takes several features in one transaction."""

import logging
from dataclasses import dataclass
from uuid import UUID, uuid4

from sqlalchemy import delete, exc, select
from sqlalchemy.orm import Session

from cloacina import schema as tables
from cloacina.db import Database, after, now
from cloacina.keys import services as keys
from cloacina.tenants import roles, services
from cloacina.tenants.errors import TenantCreationFailed, TenantRemovalFailed
from cloacina.tenants.models import ACTIVE, DELETING, PUBLIC_TENANT, Tenant, TenantRow, WakeupRow

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Removal:
    """What the deletion of a tenant did.

    Parameters:
        revoked_keys: live keys that it revoked.
        removed: there was such a tenant.
    """

    revoked_keys: int
    removed: bool


def create_tenant(
    database: Database,
    name: str,
    *,
    description: str | None = None,
    password: str | None = None,
) -> Tenant:
    """Create a tenant with its schema, role, grants and tables, in one transaction.

    Parameters:
        database: the database, which must be PostgreSQL.
        name: the tenant's name, and its schema's and its role's.
        description: for people.
        password: of the role's direct logins; without one nobody knows it.

    Returns:
        The tenant.

    Raises:
        TenantCreationFailed: the name cannot be used or is taken, or this is SQLite.
    """
    if database.is_sqlite:
        raise TenantCreationFailed(
            "multi-tenancy needs PostgreSQL; a server on SQLite has the one tenant 'public'"
        )
    services.check_name(name, (database.service_role, database.owner_role))
    try:
        with database.platform() as session:
            is_tenant = session.scalar(select(TenantRow.id).where(TenantRow.name == name))
            taken = "a tenant" if is_tenant else roles.name_is_taken(session, name)
            if taken:
                raise TenantCreationFailed(f"'{name}' is taken: {taken} of that name exists")
            verifier = roles.scram_verifier(session, name, password or keys.generate())
            return add_tenant(
                session, database, name, name, name, description=description, verifier=verifier
            )
    except exc.DBAPIError as error:
        if roles.is_duplicate(error):
            raise TenantCreationFailed(f"'{name}' is taken: it was just created") from None
        raise


def add_tenant(
    session: Session,
    database: Database,
    name: str,
    schema: str,
    role: str,
    *,
    description: str | None = None,
    verifier: str | None = None,
) -> Tenant:
    """Do the work of `create_tenant` in a transaction of the caller's, the names being checked."""
    if not database.is_sqlite:
        roles.create_role(session, role, schema, verifier)
        roles.create_schema(session, database, schema)
    version = tables.create(session, "tenant")
    if not database.is_sqlite:
        roles.grant_tables(session, role, schema)
        database.act_as_platform(session)
        roles.grant_connect(session, role)
    row = TenantRow(
        id=uuid4(),
        name=name,
        schema_name=schema,
        role_name=role,
        status=ACTIVE,
        description=description,
        created_at=now(),
        schema_version=version,
    )
    session.add(row)
    # it wants nothing yet
    later = after(services.idle_s())
    session.add(WakeupRow(tenant_id=row.id, due_at=later, reconcile_at=later))
    session.flush()
    return services.find_by_id(session, row.id)


def delete_tenant(database: Database, name: str) -> Removal:
    """Delete a tenant: its keys, sessions, schema and role. Doing it again goes on where it ended.

    Parameters:
        database: the database.
        name: the tenant.

    Returns:
        What was done; nothing for an unknown name.

    Raises:
        TenantRemovalFailed: it is the tenant that always exists, or its tables are in use.
    """
    if name == PUBLIC_TENANT:
        raise TenantRemovalFailed("the tenant 'public' always exists and cannot be removed")
    marked = _mark_deleting(database, name)
    if marked is None:
        return Removal(revoked_keys=0, removed=False)
    tenant, revoked = marked
    try:
        _close(database, tenant)
        _drop(database, tenant)
    except exc.DBAPIError as error:
        log.warning("tenant %s could not be removed: %s", name, error.orig)
        raise TenantRemovalFailed(
            f"tenant '{name}' could not be removed, its keys are revoked; try again"
        ) from None
    return Removal(revoked_keys=revoked, removed=True)


def _mark_deleting(database: Database, name: str) -> tuple[Tenant, int] | None:
    with database.platform() as session:
        row = session.scalar(select(TenantRow).where(TenantRow.name == name).with_for_update())
        if row is None:
            return None
        row.status = DELETING
        session.flush()
        return services.find_in_any_state(session, row.id), keys.revoke_all_of(session, row.id)


def _close(database: Database, tenant: Tenant) -> None:
    with database.platform() as session:
        there = _lock(session, tenant) and roles.role_exists(session, tenant.role)
        if there:
            roles.close_logins(session, tenant.role)
    if there:
        with database.platform() as session:
            if _lock(session, tenant):
                roles.end_sessions(session, tenant.role)


def _drop(database: Database, tenant: Tenant) -> None:
    with database.platform() as session:
        if not _lock(session, tenant):
            return
        roles.drop_schema(session, database, tenant.schema)
        database.act_as_platform(session)
        if roles.role_exists(session, tenant.role):
            roles.drop_role(session, tenant.role)
        _forget(session, tenant.id)


def _lock(session: Session, tenant: Tenant) -> bool:
    """Keep others from deleting the tenant at the same time; False when one of them has."""
    row = select(TenantRow.id).where(TenantRow.id == tenant.id).with_for_update()
    return session.scalar(row) is not None


def _forget(session: Session, tenant_id: UUID) -> None:
    session.execute(delete(WakeupRow).where(WakeupRow.tenant_id == tenant_id))
    session.execute(delete(TenantRow).where(TenantRow.id == tenant_id))
