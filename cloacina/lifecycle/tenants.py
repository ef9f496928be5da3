"""Creates tenants, each in one transaction."""

from dataclasses import dataclass
from typing import Protocol
from uuid import uuid4

from sqlalchemy import exc, select
from sqlalchemy.orm import Session

from cloacina import schema as tables
from cloacina.audit import services as audit
from cloacina.db import Database, after, now
from cloacina.keys import services as keys
from cloacina.tenants import roles, services
from cloacina.tenants.errors import TenantCreationFailed
from cloacina.tenants.models import ACTIVE, DELETING, Tenant, TenantRow, WakeupRow


@dataclass(frozen=True)
class Tables:
    """Where the tables of a tenant in the making are, and who may use them."""

    schema: str
    role: str


class Filling(Protocol):
    """Gives a new tenant what it begins with, in the transaction that makes it."""

    def fill(self, session: Session, tables: Tables) -> None:
        """Put rows into the tenant's tables, as whichever role that takes."""

    def settle(self, session: Session, tenant: Tenant) -> None:
        """Say what the platform knows of the tenant; the session acts as the platform."""


def create_tenant(
    database: Database,
    name: str,
    *,
    description: str | None = None,
    password: str | None = None,
    filling: Filling | None = None,
) -> Tenant:
    """Create a tenant with its schema, role, grants and tables, in one transaction.

    Parameters:
        database: the database, which must be PostgreSQL.
        name: the tenant's name, and its schema's and its role's.
        description: for people.
        password: of the role's direct logins; without one nobody knows it.
        filling: gives it what it begins with; None: nothing.

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
            status = session.scalar(select(TenantRow.status).where(TenantRow.name == name))
            if status == DELETING:
                raise TenantCreationFailed(
                    f"'{name}' is taken: a tenant of that name is just being deleted; try again"
                )
            taken = "a tenant" if status else roles.name_is_taken(session, name)
            if taken:
                raise TenantCreationFailed(f"'{name}' is taken: {taken} of that name exists")
            roles.wait_little(session)
            verifier = roles.scram_verifier(session, name, password or keys.generate())
            tenant = add_tenant(
                session,
                database,
                name,
                name,
                name,
                description=description,
                verifier=verifier,
                filling=filling,
            )
            audit.record(session, "tenant.create", tenant)
            return tenant
    except exc.DBAPIError as error:
        if roles.is_duplicate(error):
            raise TenantCreationFailed(f"'{name}' is taken: it was just created") from None
        if roles.is_being_made(error):
            raise TenantCreationFailed(f"'{name}' is taken: it is just being created") from None
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
    filling: Filling | None = None,
) -> Tenant:
    """Do the work of `create_tenant` in a transaction of the caller's, the names being checked."""
    if not database.is_sqlite:
        roles.create_role(session, role, schema, verifier)
        roles.create_schema(session, database, schema)
    version = tables.create(session, "tenant")
    if not database.is_sqlite:
        roles.grant_tables(session, role, schema)
    if filling is not None:
        filling.fill(session, Tables(schema, role))
    if not database.is_sqlite:
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
    if filling is not None:
        filling.settle(session, services.find_by_id(session, row.id))
    return services.find_by_id(session, row.id)
