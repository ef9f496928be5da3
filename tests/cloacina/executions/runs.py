"""Executions that are driven by hand: claimed and finished without running any code."""

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import select, update

from cloacina.dag.graph import Graph
from cloacina.db import Database, Unit, after, as_tenant, now
from cloacina.executions import claiming, claims, creation, finishing, services
from cloacina.executions.claims import Claim, Completed, Failed, Outcome, Terms
from cloacina.executions.control import FAILED, Control, overdue_executions
from cloacina.executions.finishing import Finished
from cloacina.executions.graphs import GraphCache
from cloacina.executions.models import EventRow, ExecutionRow, TaskRow
from cloacina.packages import services as packages
from cloacina.packages.models import SUCCESS, PackageRow
from cloacina.packages.services import Package, package_value
from cloacina.tenants.models import Tenant

MAX_BYTES = 1024 * 1024
AT_ONCE = {"initial_delay_s": 0.0, "jitter": False}
ALWAYS = {"type": "Always"}


def task(task_id: str, *dependencies: str, **more: Any) -> dict[str, Any]:
    """Declare a task; by default its retries, of which there are two, follow at once."""
    return {"id": task_id, "dependencies": list(dependencies), "retry": AT_ONCE} | more


def definition(*tasks: dict[str, Any], params: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    """Define a workflow."""
    return {"description": None, "tasks": list(tasks), "params": list(params), "triggers": []}


def chain(*ids: str) -> list[dict[str, Any]]:
    """Declare tasks that follow one another."""
    return [task(name, *ids[max(place - 1, 0) : place]) for place, name in enumerate(ids)]


@dataclass
class Runs:
    """The executions of one tenant."""

    database: Database
    tenant: Tenant
    graphs: GraphCache = field(default_factory=GraphCache)
    max_context_bytes: int = MAX_BYTES

    def workflow(
        self, *tasks: dict[str, Any], params: Sequence[dict[str, Any]] = (), name: str = ""
    ) -> Package:
        """Have a built package of a workflow."""
        defined = definition(*tasks, params=params)
        Graph.from_definition(defined)
        name = name or f"wf-{uuid4().hex[:12]}"
        row = PackageRow(
            id=uuid4(),
            package_name=f"{name}-package",
            version="1.0.0",
            workflow_name=name,
            entry_module="demo.tasks",
            content_hash=uuid4().hex,
            source_hash="s",
            size_bytes=1,
            build_status=SUCCESS,
            active=True,
            definition=json.dumps(defined),
            workflow_version="0123456789abcdef",
            created_at=now(),
        )
        with self.database.tenant(self.tenant) as session:
            session.add(row)
            session.flush()
            session.refresh(row)
            return package_value(row)

    def start(self, package: Package, max_bytes: int = MAX_BYTES, /, **context: Any) -> UUID:
        """Accept an execution."""
        with self.unit() as unit:
            (found,) = unit.ask(packages.find_active_call(package.workflow_name))
            graph = self.graphs.entry(unit, package.id)[1]
            text = creation.checked_context(package, context, max_bytes)
            request = creation.Request(moment=found[0].moment, context=text)
            execution_id, calls = creation.create(unit, package, graph, request, max_bytes)
            unit.commit(*calls)
        return execution_id

    def unit(self) -> AbstractContextManager[Unit]:
        """Open a unit of work as the tenant."""
        return self.database.unit(as_tenant(self.tenant))

    def terms(self, worker: str = "worker-1") -> Terms:
        """Claim as a worker of this name."""
        return Terms(worker, max_context_bytes=self.max_context_bytes, execution_timeout_s=3600)

    def control(self, unit: Unit) -> Control:
        """Do something to an execution."""
        return Control(unit, self.graphs, self.max_context_bytes)

    def cancel(self, execution_id: UUID) -> None:
        """Cancel an execution."""
        with self.unit() as unit:
            self.control(unit).cancel(execution_id)

    def pause(self, execution_id: UUID) -> None:
        """Pause an execution."""
        with self.unit() as unit:
            self.control(unit).pause(execution_id)

    def resume(self, execution_id: UUID) -> None:
        """Let a paused execution go on."""
        with self.unit() as unit:
            self.control(unit).resume(execution_id, self.tenant.id)

    def rerun(self, execution_id: UUID, start_from: str = FAILED) -> UUID:
        """Run an execution again."""
        with self.unit() as unit:
            return self.control(unit).rerun(
                execution_id,
                self.tenant.id,
                start_from=start_from,
                request_id=None,
                most_open=1000,
            )[0]

    def end_overdue(self) -> int:
        """End the executions whose time is over."""
        with self.unit() as unit:
            overdue = overdue_executions(unit)
        count = 0
        for execution_id in overdue:
            with self.unit() as unit:
                count += self.control(unit).end_overdue(execution_id, 3600)
        return count

    def claim(self, execution_id: UUID | None = None, worker: str = "worker-1") -> Claim | None:
        """Claim a ready task."""
        with self.unit() as unit:
            return claiming.claim_next(unit, self.graphs, self.terms(worker), execution_id)[0]

    def must_claim(self, execution_id: UUID | None = None, worker: str = "worker-1") -> Claim:
        """Claim a ready task, of which there is one."""
        claim = self.claim(execution_id, worker)
        assert claim is not None
        return claim

    def finish(self, claim: Claim, outcome: Outcome, *, claim_more: bool = False) -> Finished:
        """Finish an attempt, and perhaps claim the next."""
        with self.unit() as unit:
            return finishing.finish(
                unit,
                self.graphs,
                self.terms(),
                claim,
                outcome,
                tenant_id=self.tenant.id,
                claim_more=claim_more,
            )

    def complete(self, claim: Claim, **output: Any) -> Finished:
        """Finish an attempt well, with the input and what comes to it."""
        return self.finish(claim, Completed(json.dumps(input_of(claim) | output)))

    def run(
        self, execution_id: UUID, outcome_of: Callable[[Claim], Outcome] | None = None
    ) -> list[Claim]:
        """Claim and finish until nothing is ready; gives the claims in order."""
        taken = []
        while claim := self.claim(execution_id):
            taken.append(claim)
            outcome = outcome_of(claim) if outcome_of else Completed(claim.input_context or "")
            self.finish(claim, outcome)
        return taken

    def set_task(self, execution_id: UUID, task_id: str, **seconds: float) -> None:
        """Set moments of a task, in seconds from now."""
        with self.database.tenant(self.tenant) as session:
            session.execute(
                update(TaskRow)
                .where(TaskRow.execution_id == execution_id, TaskRow.task_id == task_id)
                .values(**{name: after(value) for name, value in seconds.items()})
            )

    def set_execution(self, execution_id: UUID, **seconds: float) -> None:
        """Set moments of an execution, in seconds from now."""
        with self.database.tenant(self.tenant) as session:
            session.execute(
                update(ExecutionRow)
                .where(ExecutionRow.id == execution_id)
                .values(**{name: after(value) for name, value in seconds.items()})
            )

    def give_back(self) -> int:
        """Give back the claims whose lease is over."""
        with self.unit() as unit:
            lost = finishing.lost_executions(unit, grace_s=0)
        count = 0
        for execution_id in lost:
            with self.unit() as unit:
                count += finishing.give_back_lost(unit, self.graphs, self.terms(), execution_id)
        return count

    def lose(self, claim: Claim) -> None:
        """Let a claim's lease end and have it given back."""
        self.set_task(claim.execution_id, claim.task.id, lease_until=-0.01)
        assert self.give_back()
        assert not self.renew(claim)

    def renew(self, claim: Claim) -> bool:
        """Hold on to a claim."""
        with self.unit() as unit:
            return claim.token in claims.renew(unit, [claim])

    def get(self, execution_id: UUID) -> services.Execution:
        """Give an execution."""
        with self.unit() as unit:
            return services.get(unit, execution_id)

    def row(self, execution_id: UUID, task_id: str) -> TaskRow:
        """Give a task's row."""
        with self.database.tenant(self.tenant) as session:
            return session.scalars(
                select(TaskRow).where(
                    TaskRow.execution_id == execution_id, TaskRow.task_id == task_id
                )
            ).one()

    def execution_row(self, execution_id: UUID) -> ExecutionRow:
        """Give an execution's row."""
        with self.database.tenant(self.tenant) as session:
            return session.scalars(
                select(ExecutionRow).where(ExecutionRow.id == execution_id)
            ).one()

    def states(self, execution_id: UUID) -> dict[str, str]:
        """Give the state of each task, in order of declaration."""
        with self.database.tenant(self.tenant) as session:
            rows = session.execute(
                select(TaskRow.task_id, TaskRow.status)
                .where(TaskRow.execution_id == execution_id)
                .order_by(TaskRow.position)
            )
            return dict(rows.all())

    def events(self, execution_id: UUID) -> list[tuple[str, str | None, dict[str, Any] | None]]:
        """Give kind, task and data of each event; that they have no gap is held here."""
        with self.database.tenant(self.tenant) as session:
            rows = session.scalars(
                select(EventRow)
                .where(EventRow.execution_id == execution_id)
                .order_by(EventRow.sequence_num)
            ).all()
            last = session.scalars(
                select(ExecutionRow.last_event).where(ExecutionRow.id == execution_id)
            ).one()
        assert [row.sequence_num for row in rows] == list(range(1, last + 1))
        moments = [row.created_at for row in rows]
        assert moments == sorted(moments)
        return [
            (row.event_type, row.task_id, json.loads(row.event_data) if row.event_data else None)
            for row in rows
        ]

    def kinds(self, execution_id: UUID) -> list[str]:
        """Give the events as `kind task`."""
        return [
            kind if name is None else f"{kind} {name}"
            for kind, name, _ in self.events(execution_id)
        ]


def input_of(claim: Claim) -> dict[str, Any]:
    """Give what a claimed task starts with."""
    assert claim.input_context is not None
    context: dict[str, Any] = json.loads(claim.input_context)
    return context


def failed(error: str = "ValueError: no", *, retryable: bool = False) -> Failed:
    """An attempt that failed for good."""
    return Failed(error, "Traceback: …", retryable=retryable)
