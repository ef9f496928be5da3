"""Deletes versions of packages, and what nobody needs of deleted ones."""

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from cloacina.dag.states import TERMINAL_EXECUTION_STATES
from cloacina.db import Database
from cloacina.dispatch import HINT_LOST_S
from cloacina.executions.models import ExecutionRow
from cloacina.lifecycle import changes
from cloacina.packages import services as packages
from cloacina.packages.models import ArchiveChunkRow, PackageRow
from cloacina.tenants import services as tenants
from cloacina.tenants.models import Tenant

_IS_OPEN = ExecutionRow.status.not_in(TERMINAL_EXECUTION_STATES)


def delete_package(database: Database, tenant: Tenant, name: str, version: str) -> None:
    """Delete a version of a package; an unknown one is no error.

    Its archive goes at once where no execution runs it, else with the last of them.

    Parameters:
        database: the database.
        tenant: whose package it is.
        name, version: of the package.
    """
    with database.tenant(tenant) as session:
        deleted = packages.delete_version(session, name, version)
        purge_deleted(session)
        is_left = is_any_left(session)
        database.act_as_platform(session)
        for package in deleted:
            changes.record(session, "package.delete", tenant, package)
        if is_left:
            # whoever looks after it then goes on until it is gone
            tenants.wake(session, tenant.id, HINT_LOST_S, reconcile=True)


def purge_deleted(session: Session) -> None:
    """Drop the archives of deleted packages that no open execution runs any more.

    Parameters:
        session: acts as the tenant.
    """
    in_use = select(ExecutionRow.package_id).where(_IS_OPEN)
    gone = select(PackageRow.id).where(
        PackageRow.deleted_at.is_not(None), PackageRow.id.not_in(in_use)
    )
    session.execute(
        delete(ArchiveChunkRow).where(ArchiveChunkRow.package_id.in_(gone)),
        execution_options={"synchronize_session": False},
    )


def is_any_left(session: Session) -> bool:
    """Say whether archives of deleted packages wait for the last execution that runs them.

    Parameters:
        session: acts as the tenant.
    """
    left = (
        select(ArchiveChunkRow.package_id)
        .join(PackageRow, PackageRow.id == ArchiveChunkRow.package_id)
        .where(PackageRow.deleted_at.is_not(None))
    )
    return session.scalar(select(left.exists())) is True
