"""The engine's units of work, and the loop in which a worker's slot runs a tenant's tasks."""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import exc

from cloacina.dag.context import check_size
from cloacina.db import Database
from cloacina.dispatch import Dispatcher
from cloacina.errors import DatabaseUnavailable
from cloacina.executions import claims
from cloacina.executions.claims import Claim, Completed, Outcome
from cloacina.executions.errors import LostClaim
from cloacina.executions.graphs import GraphCache
from cloacina.executions.outcomes import CANNOT_RUN, of_answer, of_failure
from cloacina.packages.cache import PackageCache, import_paths
from cloacina.packages.errors import NotWanted
from cloacina.packages.services import Package
from cloacina.sandbox import Answer, Attempt, Code, Sandbox
from cloacina.sandbox.errors import ChildAbandoned, ChildDied, ChildTimedOut
from cloacina.settings import Settings
from cloacina.tenants import services as tenants
from cloacina.tenants.models import Tenant

log = logging.getLogger(__name__)

TRY_AGAIN_S = 0.5
"""Seconds between two tries to store an outcome while the database is away."""

SLICE_S = 0.05
"""Seconds that a slot goes on with one tenant before it lets the others have a turn."""


LOOK_EVERY_S = 2.0
"""Seconds between two renewals of a claim whose task runs."""

CHILD_LEASE_S = claims.LEASE_S + 2
"""Seconds that a child outlives its slot: its claim is nobody's before that."""


class Engine:
    """What one slot of a worker does with tasks.

    Parameters:
        database: its own connections.
        dispatcher: for hints of what is left.
        sandbox: its own children.
        cache: unpacked packages.
        settings: the worker's.
        worker: the worker's name, for people.
    """

    def __init__(
        self,
        database: Database,
        dispatcher: Dispatcher,
        sandbox: Sandbox,
        cache: PackageCache,
        *,
        settings: Settings,
        worker: str,
    ) -> None:
        self._database = database
        self._dispatcher = dispatcher
        self._sandbox = sandbox
        self._cache = cache
        self._settings = settings
        self._worker = worker
        self.graphs = GraphCache()

    def run(self, tenant: Tenant, execution_id: UUID | None) -> int:
        """Run tasks of a tenant for a time slice.

        Parameters:
            tenant: the tenant.
            execution_id: where to look first; None: wherever.

        Returns:
            How many attempts it ran.
        """
        ends = time.monotonic() + SLICE_S
        count = 0
        claim = self._claim(tenant, execution_id)
        try:
            while claim is not None:
                outcome = self._attempt(tenant, claim)
                count += 1
                if outcome is None:
                    # left to whoever has it, or to the sweep once its lease is over
                    break
                go_on = time.monotonic() < ends
                following = self._finish(tenant, claim, outcome, claim_more=go_on)
                claim = following or (self._claim(tenant, None) if go_on else None)
        finally:
            self._sandbox.rest()
        return count

    def _claim(self, tenant: Tenant, execution_id: UUID | None) -> Claim | None:
        with self._database.tenant(tenant) as session:
            claim = claims.claim_next(session, self.graphs, self._worker, execution_id)
        if claim is None and execution_id is not None:
            return self._claim(tenant, None)
        return claim

    def _attempt(self, tenant: Tenant, claim: Claim) -> Outcome | None:
        """Run a task; None when the claim was lost meanwhile."""
        task = claim.task
        timeout_s = task.timeout_s or self._settings.task_timeout_s
        still_mine = _Renewal(self._database, tenant, claim).still_mine
        try:
            # what several tasks put out may be too much once it is merged
            check_size(claim.input_context, self._settings.max_context_bytes)
            code = self._code(tenant, claim, still_mine)
            attempt = self._sandbox.start(
                code,
                task.id,
                claim.input_context,
                lease_s=CHILD_LEASE_S,
                on_output=_drop,
                still_wanted=still_mine,
            )
            answer = _follow(attempt, timeout_s, still_mine)
            return of_answer(answer, claim.input_context, self._settings.max_context_bytes)
        except (ChildAbandoned, NotWanted):
            _log_lost(claim)
            return None
        except CANNOT_RUN as error:
            if isinstance(error, OSError):
                log.error("tenant %s, task %s: %s", tenant.name, claim.id, error)
            return of_failure(error, timeout_s)

    def _finish(
        self, tenant: Tenant, claim: Claim, outcome: Outcome, *, claim_more: bool
    ) -> Claim | None:
        """Store the outcome, also where the database is away for less than a lease."""
        give_up = time.monotonic() + claims.LEASE_S
        while True:
            try:
                return self._store(tenant, claim, outcome, claim_more=claim_more)
            except LostClaim:
                _log_lost(claim)
                return None
            except DatabaseUnavailable:
                if time.monotonic() >= give_up:
                    raise
                time.sleep(TRY_AGAIN_S)

    def _store(
        self, tenant: Tenant, claim: Claim, outcome: Outcome, *, claim_more: bool
    ) -> Claim | None:
        """Store the outcome and claim the execution's next task, in one transaction."""
        following: Claim | None = None
        with self._database.tenant(tenant) as session:
            graph = self.graphs.graph(session, claim.package.id)
            finished = claims.finish(session, graph, claim, outcome)
            if claim_more and not finished.ended:
                following = claims.claim_next(
                    session, self.graphs, self._worker, claim.execution_id
                )
            left = not claim_more and claims.is_any_ready(session)
            if finished.retry_in_s is not None:
                self._database.act_as_platform(session)
                tenants.wake(session, tenant.id, finished.retry_in_s)
        _log(claim, outcome)
        # this slot takes one of them itself, or leaves what is left to the next turn
        hints = finished.ready - (following is not None) if claim_more else int(left)
        for _ in range(min(hints, self._settings.concurrency)):
            self._dispatcher.run(tenant.id, tenant.name, claim.execution_id)
        return following

    def _code(self, tenant: Tenant, claim: Claim, still_mine: Callable[[], bool]) -> Code:
        folder = self._cache.ensure(self._database, tenant, claim.package, still_mine)
        return package_code(tenant, claim.package, folder)


def _follow(attempt: Attempt, timeout_s: float, still_mine: Callable[[], bool]) -> dict[str, Any]:
    """Wait for a task's answer; whatever stops the wait, nothing of the task goes on."""
    ends = time.monotonic() + timeout_s
    look = time.monotonic() + LOOK_EVERY_S
    try:
        while True:
            came = attempt.wait(max(0.0, min(ends, look) - time.monotonic()))
            if isinstance(came, Answer):
                return came.content
            if came is not None:
                raise ChildDied("deferral is not available yet")
            if time.monotonic() >= ends:
                raise ChildTimedOut
            if time.monotonic() >= look:
                if not still_mine():
                    raise ChildAbandoned
                attempt.extend(CHILD_LEASE_S)
                look = time.monotonic() + LOOK_EVERY_S
    except BaseException:
        attempt.kill()
        raise


def _drop(_stream: str, _data: bytes) -> None:
    pass


def _log(claim: Claim, outcome: Outcome) -> None:
    log.info(
        "execution %s, task %s, attempt %d: %s",
        claim.execution_id,
        claim.task.id,
        claim.attempt,
        "completed" if isinstance(outcome, Completed) else outcome.error.split("\n")[0],
    )


def _log_lost(claim: Claim) -> None:
    log.warning(
        "execution %s, task %s: the claim was lost, its result is not stored",
        claim.execution_id,
        claim.task.id,
    )


class _Renewal:
    """Holds on to a claim while its task runs."""

    def __init__(self, database: Database, tenant: Tenant, claim: Claim) -> None:
        self._database = database
        self._tenant = tenant
        self._claim = claim
        self._held_since = time.monotonic()

    def still_mine(self) -> bool:
        try:
            with self._database.tenant(self._tenant) as session:
                mine = claims.renew(session, self._claim)
        except DatabaseUnavailable:
            # nobody else can have claimed it before the lease is over
            return time.monotonic() - self._held_since < claims.LEASE_S
        except exc.DBAPIError:
            # refused: the tenant is being deleted, or is gone
            return False
        self._held_since = time.monotonic()
        return mine


def package_code(tenant: Tenant, package: Package, folder: Path) -> Code:
    """Describe an unpacked package to the sandbox."""
    return Code(
        tenant_id=tenant.id,
        content_hash=package.content_hash,
        tenant=tenant.name,
        package=package.package_name,
        workflow=package.workflow_name,
        entry_module=package.entry_module,
        paths=import_paths(folder),
    )
