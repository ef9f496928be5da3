"""What workers do for a tenant besides running its tasks: builds, lost claims, the next wake-up."""

import logging
from collections.abc import Sequence

from sqlalchemy import update

from cloacina.dag.errors import InvalidWorkflow
from cloacina.db import AS_PLATFORM, Call, Database, Row, after, as_tenant
from cloacina.dispatch import HINT_LOST_S
from cloacina.executions import claims, control, finishing
from cloacina.executions import transition as executions
from cloacina.executions.claims import Terms
from cloacina.executions.graphs import GraphCache, checked_graph
from cloacina.lifecycle import changes
from cloacina.lifecycle.removal import is_any_left, purge_deleted
from cloacina.packages import builds
from cloacina.packages.builds import Build
from cloacina.packages.cache import PackageCache, package_code
from cloacina.packages.errors import InvalidPackage
from cloacina.sandbox.errors import ChildError, LoadFailed
from cloacina.sandbox.pool import Sandbox
from cloacina.tenants import services as tenants
from cloacina.tenants.models import Tenant, WakeupRow

log = logging.getLogger(__name__)

SWEEP_S = claims.LEASE_S / 2
"""Seconds between two looks after a tenant that has open executions."""

BUILD_FAILED = "build_failed"
"""What the audit log says of a build that failed; why stands at the package."""


_UNMOVED_S = HINT_LOST_S + 1
"""Seconds: who has work for a tenant moves its next moment when it is further away than all but the
last of these."""


def sweep(database: Database, graphs: GraphCache, tenant: Tenant, terms: Terms) -> None:
    """Give back lost claims, end what is overdue, and set when the tenant is next due.

    The new moment is written only where nobody has moved the old one meanwhile, and nobody can have
    left it as it was because it was early enough; then the tenant is due once more.

    Parameters:
        database: the worker's.
        graphs: the worker's.
        tenant: the tenant.
        terms: of the worker.
    """
    with database.unit(AS_PLATFORM) as unit:
        seen = unit.commit(Call(tenants.SQL.wakeup, {"tenant_id": tenant.id}))[0]
    _give_back_lost(database, graphs, tenant, terms)
    _end_overdue(database, graphs, tenant, terms)
    with database.unit(as_tenant(tenant)) as unit:
        due = unit.ask(Call(executions.SQL.next_due))[0]
        if seen:
            put_off = {
                "tenant_id": tenant.id,
                "seen": seen[0].due_at,
                "in_s": _in_s(due),
                "least_s": _UNMOVED_S,
            }
            unit.commit(AS_PLATFORM, Call(tenants.SQL.put_off, put_off))


def _give_back_lost(database: Database, graphs: GraphCache, tenant: Tenant, terms: Terms) -> None:
    if database.was_away_within(claims.LEASE_S):
        # those who hold the claims could not renew them either: they get a lease to do so
        return
    with database.unit(as_tenant(tenant)) as unit:
        lost = finishing.lost_executions(unit)
    count = 0
    for execution_id in lost:
        with database.unit(as_tenant(tenant)) as unit:
            count += finishing.give_back_lost(unit, graphs, terms, execution_id)
    if count:
        log.warning("tenant %s: gave back %d claims of workers that are gone", tenant.name, count)


def _end_overdue(database: Database, graphs: GraphCache, tenant: Tenant, terms: Terms) -> None:
    with database.unit(as_tenant(tenant)) as unit:
        overdue = control.overdue_executions(unit)
    for execution_id in overdue:
        with database.unit(as_tenant(tenant)) as unit:
            steps = control.Control(unit, graphs, terms.max_context_bytes)
            if steps.end_overdue(execution_id, terms.execution_timeout_s):
                log.info("execution %s took too long and was ended", execution_id)


def _in_s(due: Sequence[Row]) -> float | None:
    """Seconds until an execution wants a look; None when none is open."""
    if not due:
        return None
    (row,) = due
    moments = [moment for moment in (row.ready_at, row.lease_until, row.deadline_at) if moment]
    waits = [(moment - row.moment).total_seconds() for moment in moments]
    # what is due now has its hints; should they be lost, this brings another
    return min(wait_s if wait_s > 0 else HINT_LOST_S for wait_s in [SWEEP_S, *waits])


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
        interval_s: seconds until the next look, while there is something that may want it.

    Raises:
        TenantNotFound, TenantSuspended, TenantMigrating, TenantSchemaTooNew: nothing more may start
            there by now.
    """
    mine = WakeupRow.tenant_id == tenant.id
    with database.platform() as session:
        next_look = session.scalar(
            update(WakeupRow)
            .where(mine)
            .values(reconcile_at=after(interval_s))
            .returning(WakeupRow.reconcile_at)
        )
        tenants.wake(session, tenant.id, interval_s)
    while _build_next(database, sandbox, cache, tenant):
        # the last one may have taken long
        with database.platform() as session:
            tenants.find_open(session, tenant.id)
    with database.tenant(tenant) as session:
        purge_deleted(session)
        if builds.is_any_open(session) or is_any_left(session):
            return
        # an upload since then has moved it, unless it was near enough as it was
        unmoved = (WakeupRow.reconcile_at == next_look, WakeupRow.reconcile_at > after(_UNMOVED_S))
        database.act_as_platform(session)
        session.execute(
            update(WakeupRow).where(mine, *unmoved).values(reconcile_at=after(tenants.idle_s()))
        )


def _build_next(database: Database, sandbox: Sandbox, cache: PackageCache, tenant: Tenant) -> bool:
    with database.tenant(tenant) as session:
        build = builds.claim_next(session)
        if build is None:
            return False
    package = build.package
    try:
        folder = cache.ensure(database, tenant, package)
        definition = sandbox.load(package_code(tenant, package, folder))
        graph = checked_graph(definition)
        version = graph.content_version(package.source_hash)
        with database.tenant(tenant) as session:
            if builds.succeed(session, build, definition, version):
                database.act_as_platform(session)
                changes.record(session, "package.build", tenant, package)
    except LoadFailed as error:
        _fail(database, tenant, build, f"{error.message}\n{error.traceback}".strip())
    except (ChildError, InvalidWorkflow, InvalidPackage) as error:
        _fail(database, tenant, build, error.message)
    else:
        log.info("tenant %s: built %s %s", tenant.name, package.package_name, package.version)
    return True


def _fail(database: Database, tenant: Tenant, build: Build, error: str) -> None:
    with database.tenant(tenant) as session:
        if builds.fail(session, build, error):
            database.act_as_platform(session)
            changes.record(session, "package.build", tenant, build.package, outcome=BUILD_FAILED)
    package = build.package
    log.info("tenant %s: %s %s failed to build", tenant.name, package.package_name, package.version)
