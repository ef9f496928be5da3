"""Takes in what tenants send: packages and executions. Hints go out once all is committed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO
from uuid import UUID

from cloacina import logs
from cloacina.db import Database
from cloacina.dispatch import Dispatcher
from cloacina.executions import services as executions
from cloacina.packages import services as packages
from cloacina.packages.archive import inspect_archive
from cloacina.packages.errors import WorkflowPaused
from cloacina.tenants import services as tenants
from cloacina.tenants.models import Tenant

HINT_LOST_S = 3
"""Seconds until the scheduler looks after a tenant, in case the hint does not arrive."""


@dataclass(frozen=True)
class Started:
    """An execution that was accepted."""

    execution_id: UUID
    workflow_name: str


def upload_package(
    database: Database, dispatcher: Dispatcher, tenant: Tenant, archive: BinaryIO
) -> UUID:
    """Check and store an archive, and have it built.

    Parameters:
        database: the database.
        dispatcher: for the hint.
        tenant: whose package it is.
        archive: the archive's bytes; it can be read twice.

    Returns:
        The package's id; the same for the same bytes.

    Raises:
        InvalidPackage: says all that is wrong; nothing is stored.
    """
    info = inspect_archive(archive)
    archive.seek(0)
    with database.tenant(tenant) as session:
        package_id = packages.store(session, info, archive)
        database.act_as_platform(session)
        tenants.wake(session, tenant.id, HINT_LOST_S, reconcile=True)
    dispatcher.reconcile(tenant.id, tenant.name)
    return package_id


def start_execution(
    database: Database,
    dispatcher: Dispatcher,
    tenant: Tenant,
    name: str,
    context: Mapping[str, Any],
    *,
    max_context_bytes: int,
) -> Started:
    """Accept an execution of a workflow. When this returns, it is committed.

    Parameters:
        database: the database.
        dispatcher: for the hint.
        tenant: whose workflow it is.
        name: the workflow's or its package's name.
        context: the initial context.
        max_context_bytes: the size limit.

    Returns:
        The execution.

    Raises:
        WorkflowNotFound: there is none, or its package is still building.
        WorkflowPaused: it is paused.
        WorkflowInputInvalid: a declared param is missing or of a wrong type.
        ContextTooLarge, ContextError: the context cannot be stored.
    """
    with database.tenant(tenant) as session:
        package = packages.find_active(session, name)
        if package.paused:
            raise WorkflowPaused(name)
        execution_id = executions.create(
            session,
            package,
            context,
            max_context_bytes=max_context_bytes,
            request_id=logs.request_id.get(),
        )
        database.act_as_platform(session)
        tenants.wake(session, tenant.id, HINT_LOST_S)
    dispatcher.run(tenant.id, tenant.name, execution_id)
    return Started(execution_id, package.workflow_name)
