"""Takes in what tenants send: packages and executions. Hints go out once all is committed."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO
from uuid import UUID

from sqlalchemy import exc

from cloacina import logs
from cloacina.db import Database
from cloacina.dispatch import Dispatcher
from cloacina.executions import services as executions
from cloacina.executions.idempotency import Idempotency, find_started
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
    idempotency_key: str | None = None,
) -> Started:
    """Accept an execution of a workflow. When this returns, it is committed.

    Parameters:
        database: the database.
        dispatcher: for the hint.
        tenant: whose workflow it is.
        name: the workflow's or its package's name.
        context: the initial context.
        max_context_bytes: the size limit.
        idempotency_key: the same key with the same request starts nothing again for a day.

    Returns:
        The execution.

    Raises:
        WorkflowNotFound: there is none, or its package is still building.
        WorkflowPaused: it is paused.
        WorkflowInputInvalid: a declared param is missing or of a wrong type.
        ContextTooLarge, ContextError: the context cannot be stored.
        IdempotencyKeyReused: the key came with another request.
    """
    idempotency = Idempotency.of(idempotency_key, name, context) if idempotency_key else None
    accept = partial(_accept, database, tenant, name, context, max_context_bytes, idempotency)
    try:
        started, is_new = accept()
    except exc.IntegrityError:
        if idempotency is None:
            raise
        # the same key came a second time before the first was committed: now it is
        started, is_new = accept()
    if is_new:
        dispatcher.run(tenant.id, tenant.name, started.execution_id)
    return started


def _accept(  # noqa: PLR0917  # called in one place
    database: Database,
    tenant: Tenant,
    name: str,
    context: Mapping[str, Any],
    max_context_bytes: int,
    idempotency: Idempotency | None,
) -> tuple[Started, bool]:
    """Insert an execution, unless its request has started one already; say whether it is new."""
    with database.tenant(tenant) as session:
        known = find_started(session, idempotency) if idempotency else None
        if known is not None:
            return Started(*known), False
        package = packages.find_active(session, name)
        if package.paused:
            raise WorkflowPaused(name)
        execution_id = executions.create(
            session,
            package,
            context,
            max_context_bytes=max_context_bytes,
            request_id=logs.request_id.get(),
            idempotency=idempotency,
        )
        database.act_as_platform(session)
        tenants.wake(session, tenant.id, HINT_LOST_S)
    return Started(execution_id, package.workflow_name), True
