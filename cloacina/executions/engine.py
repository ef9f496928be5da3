"""The loop in which a worker's slot runs a tenant's tasks."""

import logging
import time
from functools import partial
from uuid import UUID

from cloacina.db import DATABASE_ERRORS, Database, Unit, is_passing
from cloacina.db.database import search_path
from cloacina.dispatch import Dispatcher, queue_name
from cloacina.errors import DatabaseUnavailable
from cloacina.executions import finishing
from cloacina.executions.attempts import Attempts
from cloacina.executions.claiming import claim_next
from cloacina.executions.claims import Claim, Completed, Failed, GivenBack, Outcome, Terms
from cloacina.executions.drain import Drain
from cloacina.executions.errors import LostClaim
from cloacina.executions.finishing import Finished
from cloacina.executions.graphs import GraphCache
from cloacina.executions.handing import Taken
from cloacina.executions.log_sink import LogSink
from cloacina.executions.served import ServedQueues
from cloacina.settings import Settings
from cloacina.tenants import limits
from cloacina.tenants import services as tenants
from cloacina.tenants.models import Tenant

log = logging.getLogger(__name__)

TRY_AGAIN_S = 0.5
"""Seconds between two tries to store an outcome while the database is away."""

PATIENCE_S = 300.0
"""Seconds in which an outcome is tried to be stored; its token decides whether it may still be."""

SLICE_S = 0.05
"""Seconds that a slot goes on with one tenant before it looks whether others wait for a turn."""

LONGEST_SLICE_S = 1.0
"""Seconds after which it looks anew for what to do, even where nobody else waits."""

_MOST_SCOPES = 10_000

AT_CAP_S = 1.0
"""Seconds until a tenant that runs as many tasks as it may is looked after again."""


class Engine:
    """What one slot of a worker does with tasks.

    Parameters:
        database: its own connections.
        dispatcher: for hints of what is left.
        attempts: runs claimed tasks in children.
        graphs: of the packages.
        settings: the worker's.
        terms: of the worker.
        drain: says when the worker is to stop.
        queues: of the tenants that the worker serves.
    """

    def __init__(
        self,
        database: Database,
        dispatcher: Dispatcher,
        attempts: Attempts,
        graphs: GraphCache,
        *,
        settings: Settings,
        terms: Terms,
        drain: Drain,
        queues: ServedQueues,
    ) -> None:
        self._database = database
        self._dispatcher = dispatcher
        self._attempts = attempts
        self._settings = settings
        self._drain = drain
        self._queues = queues
        self._graphs = graphs
        self._terms = terms
        self._scopes: dict[UUID, str | None] = {}

    def run(self, tenant_id: UUID, execution_id: UUID | None) -> int:
        """Run tasks of a tenant for a time slice.

        Parameters:
            tenant_id: the tenant.
            execution_id: where to look first; None: wherever.

        Returns:
            How many attempts it ran.

        Raises:
            TenantNotFound: the tenant is gone.
            TenantSuspended, TenantMigrating, TenantSchemaTooNew: nothing may start there now.
        """
        tenant, claim = self._begin(tenant_id, execution_id)
        turn = _Turn(self._dispatcher, self._queues, tenant)
        count = 0
        while claim is not None:
            count += 1
            outcome, sink = self._attempts.run(tenant, claim)
            goes_on = not self._drain.has_begun() and turn.goes_on()
            claim = self._go_on(tenant, claim, outcome, sink, goes_on=goes_on)
        return count

    def resume(self, taken: Taken) -> None:
        """Go on with a task that has waited without a slot, until it ends or waits again."""
        resumed = self._attempts.resume(taken)
        if resumed is not None:
            self._go_on(*resumed, goes_on=False)

    def _begin(self, tenant_id: UUID, execution_id: UUID | None) -> tuple[Tenant, Claim | None]:
        """Find the tenant and claim a first task, unless it runs as many as it may."""
        try:
            with self._database.unit(tenants.enter(tenant_id)) as unit:
                unit.expected = self._scopes.get(tenant_id)
                return self._first(unit, tenant_id, execution_id)
        except DATABASE_ERRORS:
            # there are no tables of a tenant that is gone, or other ones
            with self._database.platform() as session:
                tenants.find_open(session, tenant_id)
            raise

    def _first(
        self, unit: Unit, tenant_id: UUID, execution_id: UUID | None
    ) -> tuple[Tenant, Claim | None]:
        if self._drain.has_begun():
            # the hint is another worker's to follow
            tenant = tenants.entered(unit, tenant_id)
            self._hint(tenant, 1, execution_id)
            return tenant, None

        def most_running() -> int:
            tenant = tenants.entered(unit, tenant_id)
            tenants.check_open(tenant)
            slots = self._queues.slots(queue_name(tenant.name))
            default = limits.defaults(self._settings, slots)
            return limits.allowed(tenant.limits, default).max_concurrent_tasks

        claim, is_full = claim_next(unit, self._graphs, self._terms, execution_id, most_running)
        tenant = tenants.entered(unit, tenant_id)
        self._remember(unit, tenant)
        if claim is None and execution_id is not None and not is_full:
            claim, _ = claim_next(unit, self._graphs, self._terms, None)
        if is_full:
            # the end of one of them brings the next hint; should it be lost, this does
            unit.commit(*tenants.wake_calls(tenant.id, AT_CAP_S))
        return tenant, claim

    def _remember(self, unit: Unit, tenant: Tenant) -> None:
        """Keep where a tenant's tables are, so that the next claim is prepared for it."""
        if len(self._scopes) >= _MOST_SCOPES:
            self._scopes.clear()
        self._scopes[tenant.id] = unit.scope

    def _go_on(
        self,
        tenant: Tenant,
        claim: Claim,
        outcome: Outcome | None,
        sink: LogSink,
        *,
        goes_on: bool,
    ) -> Claim | None:
        """Store an outcome, and give the claim that the slot goes on with."""
        finished = None
        if outcome is not None:
            finished = self._finish(tenant, claim, outcome, sink, goes_on=goes_on)
        if finished is None:
            # lost, or waiting elsewhere: nothing is stored, but there may be more to do
            if goes_on:
                return self._begin(tenant.id, None)[1]
            self._hint(tenant, 1, None)
            return None
        # this slot takes one of them itself, or leaves what is left to the next turn
        hints = finished.ready - (finished.following is not None) if goes_on else finished.left
        self._hint(tenant, min(hints, self._settings.concurrency), claim.execution_id)
        return finished.following

    def _finish(
        self, tenant: Tenant, claim: Claim, outcome: Outcome, sink: LogSink, *, goes_on: bool
    ) -> Finished | None:
        """Store the outcome, also after an outage of the database."""
        give_up = time.monotonic() + PATIENCE_S
        while True:
            try:
                with self._database.unit(tenants.re_enter(tenant)) as unit:
                    unit.expected = search_path(tenant.schema)
                    finished = finishing.finish(
                        unit,
                        self._graphs,
                        self._terms,
                        claim,
                        outcome,
                        tenant_id=tenant.id,
                        claim_more=goes_on,
                        is_open=partial(tenants.is_active, unit),
                        also=sink.rest_calls(),
                    )
            except LostClaim:
                log.warning(
                    "execution %s, task %s: the claim was lost, its result is not stored",
                    claim.execution_id,
                    claim.task.id,
                )
                sink.close()
                return None
            except (DatabaseUnavailable, *DATABASE_ERRORS) as error:
                is_late = time.monotonic() >= give_up or self._drain.left_s() <= 0
                if is_late or not is_passing(error):
                    raise
                time.sleep(TRY_AGAIN_S)
            else:
                _log(claim, outcome)
                return finished

    def _hint(self, tenant: Tenant, count: int, execution_id: UUID | None) -> None:
        for _ in range(count):
            self._dispatcher.run(tenant.id, tenant.name, execution_id)


class _Turn:
    """A slot's turn with one tenant: until others wait, which it asks after each slice.

    Parameters:
        dispatcher: knows what waits.
        queues: of the tenants that the worker serves.
        tenant: whose turn it is.
    """

    def __init__(self, dispatcher: Dispatcher, queues: ServedQueues, tenant: Tenant) -> None:
        self._dispatcher = dispatcher
        self._queues = queues
        self._own = queue_name(tenant.name)
        self._next_look = time.monotonic() + SLICE_S
        self._ends = time.monotonic() + LONGEST_SLICE_S

    def goes_on(self) -> bool:
        """Say whether the slot goes on with the tenant."""
        now = time.monotonic()
        if now < self._next_look:
            return True
        self._next_look = now + SLICE_S
        if now >= self._ends:
            return False
        return not self._dispatcher.is_any_waiting(self._queues.names(), but=self._own)


def _log(claim: Claim, outcome: Outcome) -> None:
    # what went well is in the tables, and there may be hundreds a second of it
    level = logging.INFO
    match outcome:
        case Completed():
            level, end = logging.DEBUG, "completed"
        case Failed(error):
            end = error.split("\n")[0]
        case GivenBack(reason):
            end = f"given back: {reason}"
    log.log(
        level,
        "execution %s, task %s, attempt %d: %s",
        claim.execution_id,
        claim.task.id,
        claim.attempt,
        end,
    )
