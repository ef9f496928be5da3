"""Takes in what tenants send: packages and executions. Hints go out once all is committed."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO
from uuid import UUID

from cloacina import logs
from cloacina.db import DATABASE_ERRORS, Database, as_tenant, is_duplicate
from cloacina.dispatch import HINT_LOST_S, Dispatcher
from cloacina.executions import creation
from cloacina.executions import idempotency as idempotencies
from cloacina.executions.graphs import GraphCache
from cloacina.executions.idempotency import Idempotency
from cloacina.lifecycle import changes
from cloacina.packages import services as packages
from cloacina.packages.archive import inspect_archive
from cloacina.packages.errors import WorkflowNotFound, WorkflowPaused
from cloacina.tenants import services as tenants
from cloacina.tenants.models import Tenant


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
        known = packages.stored_id(session, info)
        package_id = known or packages.store(session, info, archive)
        package = packages.get(session, package_id)
        database.act_as_platform(session)
        tenants.wake(session, tenant.id, HINT_LOST_S, reconcile=True)
        if known is None:
            changes.record(session, "package.upload", tenant, package)
    dispatcher.reconcile(tenant.id, tenant.name)
    return package_id


def start_execution(  # noqa: PLR0917  # the parts of one request
    database: Database,
    dispatcher: Dispatcher,
    graphs: GraphCache,
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
        graphs: of the packages.
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
    accept = partial(
        _accept, database, graphs, tenant, name, context, max_context_bytes, idempotency
    )
    try:
        started, is_new = accept()
    except DATABASE_ERRORS as error:
        if idempotency is None or not is_duplicate(error):
            raise
        # the same key came a second time before the first was committed: now it is
        started, is_new = accept()
    if is_new:
        dispatcher.run(tenant.id, tenant.name, started.execution_id)
    return started


def _accept(  # noqa: PLR0917  # called in one place
    database: Database,
    graphs: GraphCache,
    tenant: Tenant,
    name: str,
    context: Mapping[str, Any],
    max_context_bytes: int,
    idempotency: Idempotency | None,
) -> tuple[Started, bool]:
    """Insert an execution, unless its request has started one already; say whether it is new."""
    asked = idempotencies.calls(idempotency) if idempotency else []
    with database.unit(as_tenant(tenant)) as unit:
        *known, found = unit.ask(*asked, packages.find_active_call(name))
        if idempotency and (earlier := idempotencies.started(idempotency, known[-1])):
            return Started(*earlier), False
        if not found:
            raise WorkflowNotFound(name)
        if found[0].paused:
            raise WorkflowPaused(name)
        package, graph = graphs.entry(unit, found[0].id)
        text = creation.checked_context(package, context, max_context_bytes)
        request = creation.Request(
            moment=found[0].moment,
            context=text,
            request_id=logs.request_id.get(),
            idempotency=idempotency,
        )
        execution_id, calls = creation.create(unit, package, graph, request, max_context_bytes)
        unit.commit(*calls, *tenants.wake_calls(tenant.id, HINT_LOST_S))
    return Started(execution_id, package.workflow_name), True
