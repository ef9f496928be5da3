"""What workers do for a tenant besides running its tasks: builds, lost claims, the next wake-up."""

import logging

from sqlalchemy import case, delete, func, select, update
from sqlalchemy.orm import Session

from cloacina.dag.errors import InvalidWorkflow
from cloacina.dag.graph import Graph
from cloacina.dag.states import TERMINAL_EXECUTION_STATES, TaskState
from cloacina.db import Database, after, now
from cloacina.executions import claims
from cloacina.executions.engine import package_code
from cloacina.executions.graphs import GraphCache
from cloacina.executions.models import ExecutionRow, TaskRow
from cloacina.executions.params import check_slots
from cloacina.packages import builds
from cloacina.packages.builds import Build
from cloacina.packages.cache import PackageCache
from cloacina.packages.errors import InvalidPackage
from cloacina.packages.models import ArchiveChunkRow, PackageRow
from cloacina.sandbox.errors import ChildError, LoadFailed
from cloacina.sandbox.pool import Sandbox
from cloacina.tenants import services as tenants
from cloacina.tenants.models import Tenant, WakeupRow

log = logging.getLogger(__name__)

SWEEP_S = claims.LEASE_S
"""Seconds between two looks after a tenant that has open executions."""

_IS_OPEN = ExecutionRow.status.not_in(TERMINAL_EXECUTION_STATES)


def sweep(database: Database, graphs: GraphCache, tenant: Tenant) -> None:
    """Give back lost claims, and set when the tenant is next due.

    The new moment is written only where nobody has moved the old one meanwhile; should a moment be
    lost all the same, the next look after the tenant's packages comes within its interval.

    Parameters:
        database: the worker's.
        graphs: the worker's.
        tenant: the tenant.
    """
    with database.platform() as session:
        seen = session.scalar(select(WakeupRow.due_at).where(WakeupRow.tenant_id == tenant.id))
        database.act_as_tenant(session, tenant)
        lost = claims.give_back_lost(session, graphs)
        next_s = _next_due_s(session)
        database.act_as_platform(session)
        due = after(next_s) if next_s is not None else WakeupRow.reconcile_at
        session.execute(
            update(WakeupRow)
            .where(WakeupRow.tenant_id == tenant.id, WakeupRow.due_at == seen)
            .values(due_at=case((WakeupRow.reconcile_at < due, WakeupRow.reconcile_at), else_=due))
        )
    if lost:
        log.warning("tenant %s: gave back %d claims of workers that are gone", tenant.name, lost)


def _next_due_s(session: Session) -> float | None:
    """Seconds until an execution wants a look; None when none is open."""
    if session.scalar(select(ExecutionRow.id).where(_IS_OPEN).limit(1)) is None:
        return None
    retry_at, present = session.execute(
        select(func.min(TaskRow.ready_at), now()).where(
            TaskRow.status == TaskState.READY, TaskRow.ready_at > now()
        )
    ).one()
    if retry_at is None:
        return SWEEP_S
    return min(SWEEP_S, max(0.0, (retry_at - present).total_seconds()))


def reconcile(
    database: Database,
    sandbox: Sandbox,
    cache: PackageCache,
    tenant: Tenant,
    *,
    interval_s: int,
) -> None:
    """Build the packages of a tenant that wait for it, and drop what deleted ones left.

    Parameters:
        database, sandbox, cache: the worker's.
        tenant: the tenant.
        interval_s: seconds until the next look.
    """
    with database.platform() as session:
        session.execute(
            update(WakeupRow)
            .where(WakeupRow.tenant_id == tenant.id)
            .values(reconcile_at=after(interval_s))
        )
        tenants.wake(session, tenant.id, interval_s)
    while _build_next(database, sandbox, cache, tenant):
        pass
    with database.tenant(tenant) as session:
        _purge_deleted(session)


def _build_next(database: Database, sandbox: Sandbox, cache: PackageCache, tenant: Tenant) -> bool:
    with database.tenant(tenant) as session:
        build = builds.claim_next(session)
        if build is None:
            return False
    package = build.package
    try:
        folder = cache.ensure(database, tenant, package)
        definition = sandbox.load(package_code(tenant, package, folder))
        graph = _checked_graph(definition)
        version = graph.content_version(package.source_hash)
        with database.tenant(tenant) as session:
            builds.succeed(session, build, definition, version)
    except LoadFailed as error:
        _fail(database, tenant, build, f"{error.message}\n{error.traceback}".strip())
    except (ChildError, InvalidWorkflow, InvalidPackage) as error:
        _fail(database, tenant, build, error.message)
    else:
        log.info("tenant %s: built %s %s", tenant.name, package.package_name, package.version)
    return True


def _checked_graph(definition: dict[str, object]) -> Graph:
    graph = Graph.from_definition(definition)
    check_slots(definition.get("params"))
    if not isinstance(definition.get("description"), str | None):
        raise InvalidWorkflow("Workflow: its description must be a text")
    triggers = definition.get("triggers")
    if triggers:
        raise InvalidWorkflow(
            "this server does not run triggers and schedules yet: remove @cloaca.trigger"
            " and start the workflow by hand or through the API"
        )
    return graph


def _fail(database: Database, tenant: Tenant, build: Build, error: str) -> None:
    with database.tenant(tenant) as session:
        builds.fail(session, build, error)
    package = build.package
    log.info("tenant %s: %s %s failed to build", tenant.name, package.package_name, package.version)


def _purge_deleted(session: Session) -> None:
    """Drop the archives of deleted packages that no open execution runs any more."""
    in_use = select(ExecutionRow.package_id).where(_IS_OPEN)
    gone = select(PackageRow.id).where(
        PackageRow.deleted_at.is_not(None), PackageRow.id.not_in(in_use)
    )
    session.execute(
        delete(ArchiveChunkRow).where(ArchiveChunkRow.package_id.in_(gone)),
        execution_options={"synchronize_session": False},
    )
