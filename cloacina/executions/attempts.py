"""Runs claimed tasks in children, and keeps watch over them: claim, time limit, log, shutdown."""

import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from uuid import UUID

from cloacina.dag.errors import ContextTooLarge
from cloacina.db import DATABASE_ERRORS, Database, as_tenant
from cloacina.errors import DatabaseUnavailable
from cloacina.executions import claims
from cloacina.executions.attempt_log import AttemptLog
from cloacina.executions.claims import RENEW_S, Claim, ClaimRef, GivenBack, Outcome, Terms
from cloacina.executions.drain import Drain
from cloacina.executions.errors import LostClaim
from cloacina.executions.graphs import GraphCache
from cloacina.executions.handing import Taken
from cloacina.executions.log_sink import LogSink
from cloacina.executions.outcomes import CANNOT_RUN, of_answer, of_failure
from cloacina.executions.parking import Door
from cloacina.packages.cache import PackageCache, package_code
from cloacina.packages.errors import NotWanted
from cloacina.sandbox.attempt import Answer, Attempt, Deferred, Resumable
from cloacina.sandbox.code import Code
from cloacina.sandbox.errors import ChildAbandoned, ChildDied, ChildTimedOut, LeaseOver
from cloacina.sandbox.pool import Sandbox
from cloacina.settings import Settings
from cloacina.tenants import services as tenants
from cloacina.tenants.errors import TenantNotFound
from cloacina.tenants.models import Tenant

log = logging.getLogger(__name__)

_MOST_CODES = 100

LOOK_S = 0.25
"""Seconds between two looks at a task that runs: at its log, and at whether the worker stops."""


class Attempts:
    """Runs the tasks that one slot has claimed.

    Parameters:
        database: the slot's.
        sandbox: its way to children.
        cache: unpacked packages.
        door: to where tasks wait without a slot.
        settings: the worker's.
        terms: of the worker.
        graphs: of the packages.
        drain: says when the worker is to stop.
    """

    def __init__(
        self,
        database: Database,
        sandbox: Sandbox,
        cache: PackageCache,
        door: Door,
        *,
        settings: Settings,
        terms: Terms,
        graphs: GraphCache,
        drain: Drain,
    ) -> None:
        self._database = database
        self._sandbox = sandbox
        self._cache = cache
        self._door = door
        self._settings = settings
        self._terms = terms
        self._graphs = graphs
        self._drain = drain
        self._codes: OrderedDict[UUID, Code] = OrderedDict()

    def run(self, tenant: Tenant, claim: Claim) -> tuple[Outcome | None, LogSink]:
        """Run a task.

        Returns:
            What came of it, None when the claim was lost or the task waits elsewhere; and the end
            of its log, which goes into the transaction that stores the outcome.
        """
        sink = LogSink(
            self._database,
            tenant,
            claim.execution_id,
            claim.task.id,
            claim.attempt,
            log=AttemptLog(self._settings.max_log_bytes),
        )
        timeout_s = self._timeout_s(claim)
        hold = Hold(self._database, tenant, claim)

        def still_wanted() -> bool:
            return self._drain.left_s() > 0 and hold.still_mine()

        try:
            if claim.input_context is None:
                raise ContextTooLarge(claim.input_bytes, self._settings.max_context_bytes)
            if claim.input_bytes > self._settings.max_context_bytes:
                # what several tasks put out may be too much once it is merged
                raise ContextTooLarge(claim.input_bytes, self._settings.max_context_bytes)
            attempt = self._sandbox.start(
                self._code(tenant, claim, still_wanted),
                claim.task.id,
                claim.input_context,
                lease=hold.lease_until,
                on_output=sink.feed,
                still_wanted=still_wanted,
            )
        except (ChildAbandoned, NotWanted):
            if self._drain.left_s() <= 0:
                return GivenBack(), sink
            self._lost(ClaimRef.of(claim), sink)
            return None, sink
        except CANNOT_RUN as error:
            if isinstance(error, OSError):
                log.error("tenant %s, task %s: %s", tenant.name, claim.id, error)
            return of_failure(error, timeout_s), sink
        return self._watch(tenant, claim, attempt, sink, hold, timeout_s), sink

    def resume(self, taken: Taken) -> tuple[Tenant, Claim, Outcome | None, LogSink] | None:
        """Go on with a task that has waited without a slot.

        Returns:
            Whose it is, its claim, and as `run`; None when its claim is lost.
        """
        sink_log = AttemptLog.of_state(taken.log)
        ref = taken.ref
        sink = LogSink(
            self._database, taken.owner, ref.execution_id, ref.task_id, ref.attempt, log=sink_log
        )
        attempt = Attempt.attach(taken.state, taken.fds, sink.feed)
        try:
            with self._database.unit(tenants.enter(taken.owner.id)) as unit:
                tenant = tenants.entered(unit, taken.owner.id)
                claim = claims.restore(unit, self._graphs, self._terms, ref)
                claims.set_deferred(unit, claim, self._terms, deferred=False)
        except (LostClaim, TenantNotFound, DatabaseUnavailable, *DATABASE_ERRORS):
            attempt.kill()
            self._lost(ref, sink)
            return None
        hold = Hold(self._database, tenant, claim)
        attempt.extend(hold.lease_until())
        attempt.resume()
        return tenant, claim, self._watch(tenant, claim, attempt, sink, hold, taken.left_s), sink

    def _watch(  # noqa: PLR0917  # what one attempt holds
        self,
        tenant: Tenant,
        claim: Claim,
        attempt: Attempt,
        sink: LogSink,
        hold: "Hold",
        left_s: float,
    ) -> Outcome | None:
        """Wait for what comes of an attempt."""
        deadline = time.monotonic() + left_s
        try:
            while True:
                left_s = deadline - time.monotonic()
                if left_s <= 0:
                    raise ChildTimedOut
                if self._drain.left_s() <= 0:
                    attempt.kill()
                    return GivenBack()
                if not hold.keep(attempt):
                    attempt.kill()
                    self._lost(ClaimRef.of(claim), sink)
                    return None
                match attempt.wait(min(left_s, LOOK_S)):
                    case Answer(content):
                        size = self._settings.max_context_bytes
                        return of_answer(content, str(claim.input_context), size)
                    case Deferred():
                        left_s = deadline - time.monotonic()
                        self._park(tenant, claim, attempt, sink, left_s)
                        return None
                    case Resumable():
                        raise ChildDied("the process that ran the code did not wait for anything")
                sink.flush_if_due()
        except LeaseOver:
            # the claim was renewed too late for the child: it comes back as any that was lost
            self._lost(ClaimRef.of(claim), sink)
            return None
        except CANNOT_RUN as error:
            attempt.kill()
            return of_failure(error, self._timeout_s(claim))
        except BaseException:
            attempt.kill()
            raise

    def _park(
        self, tenant: Tenant, claim: Claim, attempt: Attempt, sink: LogSink, left_s: float
    ) -> None:
        ref = ClaimRef.of(claim)
        try:
            with self._database.unit(as_tenant(tenant)) as unit:
                claims.set_deferred(unit, claim, self._terms, deferred=True)
            self._door.park(tenant, ref, attempt, sink, left_s)
        except (LostClaim, DatabaseUnavailable, OSError, *DATABASE_ERRORS):
            attempt.kill()
            self._lost(ref, sink)

    def _timeout_s(self, claim: Claim) -> float:
        return claim.task.timeout_s or self._settings.task_timeout_s

    def _code(self, tenant: Tenant, claim: Claim, still_mine: Callable[[], bool]) -> Code:
        folder = self._cache.ensure(self._database, tenant, claim.package, still_mine)
        code = self._codes.get(claim.package.id)
        if code is None:
            code = self._codes[claim.package.id] = package_code(tenant, claim.package, folder)
            if len(self._codes) > _MOST_CODES:
                self._codes.popitem(last=False)
        return code

    def _lost(self, ref: ClaimRef, sink: LogSink) -> None:
        sink.close()
        log.warning(
            "execution %s, task %s: the claim was lost, its result is not stored",
            ref.execution_id,
            ref.task_id,
        )


class Hold:
    """Holds on to a claim while its task runs, and to the child no longer than to the claim.

    Parameters:
        database: where the claim is.
        tenant: whose task it is.
        claim: the claim, made or renewed just now.
    """

    def __init__(self, database: Database, tenant: Tenant, claim: Claim) -> None:
        self._database = database
        self._tenant = tenant
        self._claim = claim
        self._renewed_at = self._looked_at = claim.held_since

    def keep(self, attempt: Attempt) -> bool:
        """Renew the claim when that is due, and let the child live as long; False: it is lost."""
        if time.monotonic() - self._looked_at < RENEW_S:
            return True
        if not self.still_mine():
            return False
        attempt.extend(self.lease_until())
        return True

    def lease_until(self) -> float:
        """Give the moment until which nobody else can have the claim, by the monotonic clock."""
        return self._renewed_at + claims.LEASE_S

    def still_mine(self) -> bool:
        """Renew the claim; False: it is somebody else's, or may be by now."""
        self._looked_at = begun = time.monotonic()
        try:
            with self._database.unit(as_tenant(self._tenant)) as unit:
                mine = bool(claims.renew(unit, [self._claim]))
        except DatabaseUnavailable:
            # nobody else can have claimed it before the lease is over
            return time.monotonic() < self.lease_until()
        except DATABASE_ERRORS:
            # refused: the tenant is being deleted, or is gone
            return False
        self._renewed_at = begun
        return mine
