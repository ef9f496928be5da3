"""Changes a tenant's packages, and has the audit log say so in the same transaction."""

from sqlalchemy.orm import Session

from cloacina.audit import services as audit
from cloacina.db import Database
from cloacina.packages import services as packages
from cloacina.packages.services import Package
from cloacina.tenants.models import Tenant


def set_paused(database: Database, tenant: Tenant, name: str, *, paused: bool) -> Package:
    """Pause or resume a workflow.

    Parameters:
        database: the database.
        tenant: whose workflow it is.
        name: of the workflow or of its package, or the package's id.
        paused: no new execution is accepted.

    Returns:
        Its package.

    Raises:
        WorkflowNotFound: there is none.
    """
    with database.tenant(tenant) as session:
        is_news = packages.find(session, name).paused != paused
        package = packages.set_paused(session, name, paused=paused)
        if is_news:
            database.act_as_platform(session)
            record(session, "workflow.pause" if paused else "workflow.resume", tenant, package)
    return package


def record(
    session: Session, action: str, tenant: Tenant, package: Package, *, outcome: str = audit.OK
) -> None:
    """Say in the audit log what was done with a package.

    Parameters:
        session: acts as the platform; the tenant's rows of the transaction come before.
        action: what was done.
        tenant: whose package it is.
        package: the package.
        outcome: `ok`, or the code of an error.
    """
    audit.record(
        session,
        action,
        tenant,
        subject=package.package_name,
        outcome=outcome,
        version=package.version,
        package_id=package.id,
        content_hash=package.content_hash,
    )
