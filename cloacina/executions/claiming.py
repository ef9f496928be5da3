"""Claims a task that is ready: of one execution, or the one of a tenant that waits longest."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from cloacina.db import Call, Row, Unit
from cloacina.executions.claims import LEASE_S, Claim, Terms
from cloacina.executions.graphs import GraphCache
from cloacina.executions.inputs import input_calls, read_input
from cloacina.executions.transition import SQL, Transition
from cloacina.packages.services import Package

_NOBODY = UUID(int=0)


def claim_next(
    unit: Unit,
    graphs: GraphCache,
    terms: Terms,
    execution_id: UUID | None,
    most_running: Callable[[], int] | None = None,
) -> tuple[Claim | None, bool]:
    """Claim a ready task, and commit.

    Parameters:
        unit: acts as the tenant.
        graphs: of the packages.
        terms: of the worker.
        execution_id: only a task of this execution; None: the one that waits longest.
        most_running: gives the tasks of the tenant that may run at once, once the unit has begun;
            None: any number.

    Returns:
        The claim, or None when there is nothing that nobody else is just looking at; and whether
        the tenant runs as many tasks as it may.
    """
    calls = [Call(SQL.lock_claims), Call(SQL.count_running)] if most_running is not None else []
    first = _candidate_calls(execution_id)
    rows = unit.ask(*calls, *first)
    if most_running is not None and rows[1][0].running >= most_running():
        return None, True
    execution, task = _candidate(rows[len(calls) :], execution_id)
    if task is None or execution is None:
        return None, False
    package, graph = graphs.entry(unit, execution.package_id)
    step = Transition(unit, execution, graph, max_context_bytes=terms.max_context_bytes)
    taking = Taking(step, package, task, terms)
    return taking.claim(unit.commit(*taking.calls())), False


def _candidate_calls(execution_id: UUID | None) -> list[Call]:
    if execution_id is None:
        return [Call(SQL.lock_ready, {"execution_id": _NOBODY})]
    which = {"execution_id": execution_id}
    return [Call(SQL.lock_execution, which), Call(SQL.pick_ready, which)]


def _candidate(
    rows: Sequence[list[Row]], execution_id: UUID | None
) -> tuple[Row | None, Row | None]:
    found = [part[0] if part else None for part in rows]
    if execution_id is None:
        return found[0], found[0]
    execution, task = found
    if execution is None or execution.status not in ("Pending", "Running"):
        return None, None
    return execution, task


def lock_any_other(unit: Unit, execution_id: UUID) -> tuple[Row | None, Row | None]:
    """Lock a ready task of another execution; it passes over locks, so that nobody waits twice."""
    (rows,) = unit.ask(Call(SQL.lock_ready, {"execution_id": execution_id}))
    return (rows[0], rows[0]) if rows else (None, None)


class Taking:
    """A claim in the making: what it writes, and the claim once that is written.

    Parameters:
        step: of the task's execution.
        package: that it runs.
        task: with `task_id` and `attempt`, how often it was started before.
        terms: of the worker.
        outputs: outputs of tasks that are known already, as JSON text.
    """

    def __init__(
        self,
        step: Transition,
        package: Package,
        task: Any,
        terms: Terms,
        outputs: dict[str, str] | None = None,
    ) -> None:
        self.step = step
        self._package = package
        self._task = step.graph.task(task.task_id)
        self._terms = terms
        self._token = uuid4()
        self._begun = time.monotonic()
        self._attempt = task.attempt + 1
        self._known = outputs or {}
        step.running(terms.execution_timeout_s)
        step.claimed(task.task_id)
        self._place = step.write(
            SQL.claim_task,
            task_id=task.task_id,
            attempt=self._attempt,
            token=self._token,
            worker=terms.worker,
            lease_s=LEASE_S,
        )
        step.event("task_started", task.task_id, attempt=self._attempt, worker=terms.worker)

    def calls(self) -> list[Call]:
        """Give what is to be written, and what is to be read for the input."""
        known = input_calls(self.step.id, self._task, self._terms.max_context_bytes, self._known)
        return [*self.step.calls(), *known]

    def claim(self, rows: Sequence[list[Row]]) -> Claim:
        """Give the claim, from the rows that its calls gave."""
        text, size = read_input(self._task, self._terms.max_context_bytes, self._known, rows)
        return Claim(
            id=rows[self._place][0].task_uuid,
            token=self._token,
            execution_id=self.step.id,
            package=self._package,
            graph=self.step.graph,
            task=self._task,
            attempt=self._attempt,
            open_tasks=self.step.open_tasks,
            input_context=text,
            input_bytes=size,
            held_since=self._begun,
        )


@dataclass(frozen=True)
class NewlyReady:
    """A task that a transition has just made ready, as `pick_ready` gives those that were."""

    task_id: str
    attempt: int = 0
