"""Takes in what tenants send: packages and executions. Hints go out once all is committed."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO
from uuid import UUID

from sqlalchemy.orm import Session

from cloacina import logs
from cloacina.db import DATABASE_ERRORS, Database, as_tenant, is_duplicate
from cloacina.dispatch import HINT_LOST_S, Dispatcher
from cloacina.executions import creation, queue
from cloacina.executions import idempotency as idempotencies
from cloacina.executions.graphs import GraphCache
from cloacina.executions.idempotency import Idempotency
from cloacina.lifecycle import changes
from cloacina.lifecycle.removal import purge_deleted
from cloacina.packages import services as packages
from cloacina.packages.archive import ArchiveInfo, inspect_archive
from cloacina.packages.errors import NoRoom, WorkflowNotFound, WorkflowPaused
from cloacina.packages.room import Room
from cloacina.tenants import limits
from cloacina.tenants import services as tenants
from cloacina.tenants.limits import Allowed
from cloacina.tenants.models import Limits, Tenant


@dataclass(frozen=True)
class Started:
    """An execution that was accepted."""

    execution_id: UUID
    workflow_name: str


def upload_package(
    database: Database,
    dispatcher: Dispatcher,
    tenant: Tenant,
    archive: BinaryIO,
    defaults: Allowed,
) -> UUID:
    """Check and store an archive, and have it built.

    Parameters:
        database: the database.
        dispatcher: for the hint.
        tenant: whose package it is.
        archive: the archive's bytes; it can be read twice.
        defaults: what a tenant may use that has no limits of its own.

    Returns:
        The package's id; the same for the same bytes.

    Raises:
        InvalidPackage: says all that is wrong; nothing is stored.
        NoRoom: the tenant stores as much as it may; neither.
    """
    info = inspect_archive(archive)
    archive.seek(0)
    limits.keep_row(database, tenant.id)
    with database.tenant(tenant) as session:
        package_id = packages.stored_id(session, info)
        stored = None
        if package_id is None:
            _make_room(session, _room(tenant.limits, defaults), info)
            package_id = packages.store(session, info, archive)
            stored = packages.get(session, package_id)
            # counted after it is written, so that nobody waits for somebody else's megabytes
            database.act_as_platform(session)
            own = limits.lock(session, tenant.id)
            database.act_as_tenant(session, tenant)
            _room(own, defaults).check_with(session, info)
        database.act_as_platform(session)
        tenants.wake(session, tenant.id, HINT_LOST_S, reconcile=True)
        if stored is not None:
            changes.record(session, "package.upload", tenant, stored)
    dispatcher.reconcile(tenant.id, tenant.name)
    return package_id


def _room(own: Limits, defaults: Allowed) -> Room:
    most = limits.allowed(own, defaults)
    return Room(most.max_packages, most.max_storage_bytes)


def _make_room(session: Session, room: Room, info: ArchiveInfo) -> None:
    """Refuse early what would be refused in the end, before it is written."""
    try:
        room.check_for(session, info)
    except NoRoom:
        # the archives of deleted versions may have been needed until a moment ago
        purge_deleted(session)
        room.check_for(session, info)


def start_execution(  # noqa: PLR0917  # the parts of one request
    database: Database,
    dispatcher: Dispatcher,
    graphs: GraphCache,
    tenant: Tenant,
    name: str,
    context: Mapping[str, Any],
    *,
    max_context_bytes: int,
    defaults: Allowed,
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
        defaults: what a tenant may use that has no limits of its own.
        idempotency_key: the same key with the same request starts nothing again for a day.

    Returns:
        The execution.

    Raises:
        WorkflowNotFound: there is none, or its package is still building.
        WorkflowPaused: it is paused.
        WorkflowInputInvalid: a declared param is missing or of a wrong type.
        ContextTooLarge, ContextError: the context cannot be stored.
        IdempotencyKeyReused: the key came with another request.
        QueueFull: the tenant has as many executions that have not ended as it may have.
    """
    idempotency = Idempotency.of(idempotency_key, name, context) if idempotency_key else None
    most_open = limits.allowed(tenant.limits, defaults).max_queued_executions
    accept = partial(
        _accept, database, graphs, tenant, name, context, max_context_bytes, most_open, idempotency
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
    most_open: int,
    idempotency: Idempotency | None,
) -> tuple[Started, bool]:
    """Insert an execution, unless its request has started one already; say whether it is new."""
    asked = idempotencies.calls(idempotency) if idempotency else []
    find = packages.find_active_call(name)
    with database.unit(as_tenant(tenant)) as unit:
        # the count comes first: whoever sees there what this very request has started before sees
        # it under the key as well
        counted, *known, found = unit.ask(queue.count_call(most_open), *asked, find)
        if idempotency and (earlier := idempotencies.started(idempotency, known[-1])):
            return Started(*earlier), False
        if not found:
            # another version may have become the active one at this very moment
            (found,) = unit.ask(find)
        if not found:
            raise WorkflowNotFound(name)
        if found[0].paused:
            raise WorkflowPaused(name)
        queue.check(counted, most_open)
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
