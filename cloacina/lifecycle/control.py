"""Steers executions that were accepted. Hints go out once all is committed."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

from cloacina import logs
from cloacina.dag.states import ExecutionState
from cloacina.db import Database, as_tenant
from cloacina.dispatch import Dispatcher
from cloacina.executions.control import FAILED, START, Control
from cloacina.executions.graphs import GraphCache
from cloacina.lifecycle.intake import Started
from cloacina.tenants import limits
from cloacina.tenants.limits import Allowed
from cloacina.tenants.models import Tenant

__all__ = ["FAILED", "START", "Steering"]


@dataclass(frozen=True)
class Steering:
    """What may be done to the executions of all tenants; each call is a transaction.

    The errors are those of `executions.control.Control`.

    Parameters:
        database: the database.
        dispatcher: for hints.
        graphs: of the packages.
        max_context_bytes: the size limit of a context.
        defaults: what a tenant may use that has no limits of its own.
    """

    database: Database
    dispatcher: Dispatcher
    graphs: GraphCache
    max_context_bytes: int
    defaults: Allowed

    def cancel(self, tenant: Tenant, execution_id: UUID) -> ExecutionState:
        """End an execution. Whoever runs a task of it finds its claim gone, so no hint is sent."""
        with self._control(tenant) as control:
            return control.cancel(execution_id)

    def pause(self, tenant: Tenant, execution_id: UUID) -> ExecutionState:
        """Start no further task of an execution."""
        with self._control(tenant) as control:
            return control.pause(execution_id)

    def resume(self, tenant: Tenant, execution_id: UUID) -> ExecutionState:
        """Let an execution go on."""
        with self._control(tenant) as control:
            status = control.resume(execution_id, tenant.id)
        self.dispatcher.run(tenant.id, tenant.name, execution_id)
        return status

    def rerun(self, tenant: Tenant, execution_id: UUID, start_from: str) -> Started:
        """Run an execution again, from its start or from what failed; gives the new one."""
        with self._control(tenant) as control:
            new_id, workflow_name = control.rerun(
                execution_id,
                tenant.id,
                start_from=start_from,
                request_id=logs.request_id.get(),
                most_open=limits.allowed(tenant.limits, self.defaults).max_queued_executions,
            )
        self.dispatcher.run(tenant.id, tenant.name, new_id)
        return Started(new_id, workflow_name)

    @contextmanager
    def _control(self, tenant: Tenant) -> Iterator[Control]:
        with self.database.unit(as_tenant(tenant)) as unit:
            yield Control(unit, self.graphs, self.max_context_bytes)
