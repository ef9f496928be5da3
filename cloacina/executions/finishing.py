"""Ends attempts: stores what came of them and all that follows from it, in one transaction."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from random import random
from typing import Any
from uuid import UUID

from cloacina.dag.states import TaskState
from cloacina.db import Call, Row, Unit, storable
from cloacina.executions.claiming import NewlyReady, Taking, lock_any_other
from cloacina.executions.claims import (
    LEASE_S,
    MOST_RESETS,
    WORKER_LOST,
    Claim,
    Completed,
    Failed,
    GivenBack,
    Outcome,
    Terms,
)
from cloacina.executions.errors import LostClaim
from cloacina.executions.graphs import GraphCache
from cloacina.executions.transition import SQL, Records, Transition
from cloacina.tenants import services as tenants

# a little more than what an honest child cuts its own down to (cloaca/_failure.py)
_LONGEST_ERROR, _LONGEST_DETAILS = 12_000, 60_000


@dataclass(frozen=True)
class Finished:
    """What the end of an attempt changed.

    Parameters:
        ready: tasks of the execution that may run now and could not before.
        ended: the execution has ended.
        following: the claim that was made in the same transaction.
        left: tasks of the tenant wait for somebody to claim them, as far as was looked.
    """

    ready: int
    ended: bool
    following: Claim | None = None
    left: bool = False


def finish(
    unit: Unit,
    graphs: GraphCache,
    terms: Terms,
    claim: Claim,
    outcome: Outcome,
    *,
    tenant_id: UUID,
    claim_more: bool = False,
    is_open: Callable[[], bool] = lambda: True,
    also: Sequence[Call] = (),
) -> Finished:
    """Store what came of an attempt and all that follows from it, claim another task, and commit.

    Parameters:
        unit: acts as the tenant.
        graphs: of the packages.
        terms: of the worker.
        claim: the claim.
        outcome: what came of it.
        tenant_id: whose it is, for the wake-up of a retry.
        claim_more: whether to claim a task that waits: of the execution first, else of another.
        is_open: says, once the unit has begun, whether the tenant may begin further tasks.
        also: what else is stored with it.

    Raises:
        LostClaim: the claim was given to somebody else; nothing is stored.
    """
    finishing = _Finishing(
        unit, graphs, terms, claim, outcome, claim_more=claim_more, is_open=is_open
    )
    return finishing.run(tenant_id, also)


class _Finishing:
    def __init__(
        self,
        unit: Unit,
        graphs: GraphCache,
        terms: Terms,
        claim: Claim,
        outcome: Outcome,
        *,
        claim_more: bool,
        is_open: Callable[[], bool],
    ) -> None:
        self._unit = unit
        self._graphs = graphs
        self._terms = terms
        self._claim = claim
        self._outcome = outcome
        self._claim_more = claim_more
        self._is_open = is_open
        self._output = outcome.context if isinstance(outcome, Completed) else None

    def run(self, tenant_id: UUID, also: Sequence[Call]) -> Finished:
        step, records, picked, other, left = self._read()
        ready, retry_in_s = self._change(step, records)
        taking = self._taking(step, ready, picked, other)
        own = [*also, *([] if taking is not None and taking.step is step else step.calls())]
        claiming = taking.calls() if taking is not None else []
        # the platform's rows come last
        waking = [] if retry_in_s is None else tenants.wake_calls(tenant_id, retry_in_s)
        rows = self._unit.commit(*own, *claiming, *waking)[len(own) : len(own) + len(claiming)]
        return Finished(
            ready=len(ready),
            ended=step.has_ended,
            following=taking.claim(rows) if taking is not None else None,
            left=left or bool(ready),
        )

    def _read(self) -> tuple[Transition, Records, Row | None, Row | None, bool]:
        """Lock the execution, write the outcome, and read what may be needed, in one round trip."""
        which = {"execution_id": self._claim.execution_id}
        joins = [
            name
            for name in self._claim.graph.dependents(self._claim.task.id)
            if len(self._claim.graph.task(name).dependencies) > 1
        ]
        calls = [Call(SQL.lock_execution, which), self._outcome_call()]
        if joins:
            calls.append(Call(SQL.open_dependencies, {**which, "task_ids": joins}))
        looks_elsewhere = self._claim_more and self._claim.open_tasks <= 1
        if looks_elsewhere:
            calls.append(Call(SQL.lock_ready, which))
        else:
            calls.append(Call(SQL.pick_ready if self._claim_more else SQL.is_any_ready, which))
        execution, mine, *counts, found = self._unit.ask(*calls)
        if not execution or not mine:
            raise LostClaim
        self._outcome_row = mine[0]
        size = self._terms.max_context_bytes
        step = Transition(self._unit, execution[0], self._claim.graph, max_context_bytes=size)
        outputs = {} if self._output is None else {self._claim.task.id: self._output}
        remaining = {row.task_id: row.open_dependencies for rows in counts for row in rows}
        records = Records(self._unit, step.id, size, remaining, outputs)
        row = found[0] if found else None
        if self._claim_more and not self._is_open():
            self._claim_more = False
            return step, records, None, None, False
        if not self._claim_more:
            return step, records, None, None, bool(row and row.found)
        return (
            step,
            records,
            None if looks_elsewhere else row,
            row if looks_elsewhere else None,
            False,
        )

    def _outcome_call(self) -> Call:
        mine: dict[str, Any] = {"task_uuid": self._claim.id, "token": self._claim.token}
        match self._outcome:
            case Completed(context):
                return Call(SQL.complete, mine | {"output": context})
            case Failed() as failed:
                told = mine | _told(failed)
                if self._retries(failed):
                    self._delay_s = self._claim.task.retry.delay_s(self._claim.attempt, random)
                    return Call(SQL.retry, told | {"delay_s": self._delay_s})
                return Call(SQL.fail, told)
            case GivenBack():
                return Call(SQL.give_back, mine | {"lost": 0, "ready_at": None})

    def _retries(self, failed: Failed) -> bool:
        return failed.retryable and self._claim.task.retry.allows_another(self._claim.attempt)

    def _change(self, step: Transition, records: Records) -> tuple[tuple[str, ...], float | None]:
        """Draw the consequences; gives the tasks that became ready, and the wait of a retry."""
        task_id = self._claim.task.id
        match self._outcome:
            case Completed():
                step.event("task_completed", task_id)
                state = TaskState.COMPLETED
            case Failed() as failed if self._retries(failed):
                retry_at: datetime = self._outcome_row.ready_at
                step.event(
                    "task_retry_scheduled",
                    task_id,
                    attempt=self._claim.attempt,
                    retry_at=retry_at.astimezone(UTC).isoformat(timespec="microseconds"),
                )
                return (), self._delay_s
            case Failed() as failed:
                step.event("task_failed", task_id, error=_told(failed)["error"])
                state = TaskState.FAILED
            case GivenBack(reason):
                step.ready_again(task_id)
                step.event("task_reset", task_id, reason=reason)
                return (task_id,), None
        outputs = {} if self._output is None else {task_id: self._output}
        return step.tasks_ended({task_id: state}, outputs, records).ready, None

    def _taking(
        self, step: Transition, ready: tuple[str, ...], picked: Row | None, other: Row | None
    ) -> Taking | None:
        """Choose what to claim next."""
        if not self._claim_more:
            return None
        if other is None and step.claimable:
            own = self._own(step, ready, picked)
            if own is not None:
                outputs = {} if self._output is None else {self._claim.task.id: self._output}
                return Taking(step, self._claim.package, own, self._terms, outputs)
        if other is None:
            _, other = lock_any_other(self._unit, step.id)
        if other is None:
            return None
        package, graph = self._graphs.entry(self._unit, other.package_id)
        size = self._terms.max_context_bytes
        another = Transition(self._unit, other, graph, max_context_bytes=size)
        return Taking(another, package, other, self._terms)

    def _own(self, step: Transition, ready: tuple[str, ...], picked: Row | None) -> Any:
        """Give the execution's next task: the one that was declared first."""
        order = step.graph.position
        first = min(ready, key=order, default=None)
        if first is None or (picked is not None and order(picked.task_id) < order(first)):
            return picked
        # what was given back had begun before; all else that is newly ready had not
        given_back = first == self._claim.task.id
        return NewlyReady(first, self._claim.attempt - 1 if given_back else 0)


def _told(failed: Failed) -> dict[str, str | None]:
    return {
        "error": storable(failed.error, _LONGEST_ERROR),
        "details": failed.details and storable(failed.details, _LONGEST_DETAILS),
    }


def give_back_lost(unit: Unit, graphs: GraphCache, terms: Terms, execution_id: UUID) -> int:
    """Give back the claims of an execution that nobody renewed in time, and commit.

    Returns:
        How many claims were given back.
    """
    which = {"execution_id": execution_id}
    execution, tasks = unit.ask(Call(SQL.lock_execution, which), Call(SQL.lost_claims, which))
    if not execution or not tasks:
        return 0
    graph = graphs.entry(unit, execution[0].package_id)[1]
    step = Transition(unit, execution[0], graph, max_context_bytes=terms.max_context_bytes)
    given_up: dict[str, TaskState] = {}
    for task in tasks:
        mine = {"task_uuid": task.task_uuid, "token": task.claim_token}
        if task.resets < MOST_RESETS:
            step.write(SQL.give_back, **mine, lost=1, ready_at=step.ready_at)
            step.event("task_reset", task.task_id, reason=WORKER_LOST)
            continue
        error = f"{WORKER_LOST}: the worker was lost {task.resets + 1} times while it ran this task"
        step.write(SQL.fail, **mine, error=error, details=None)
        step.event("task_failed", task.task_id, error=error)
        given_up[task.task_id] = TaskState.FAILED
    if given_up:
        step.tasks_ended(given_up, {}, Records(unit, step.id, terms.max_context_bytes, {}, {}))
    unit.commit(*step.calls())
    return len(tasks)


def lost_executions(unit: Unit, *, grace_s: float = LEASE_S, most: int = 100) -> list[UUID]:
    """Give executions that have claims which nobody renewed in time.

    Parameters:
        unit: acts as the tenant.
        grace_s: seconds after the database's own start in which nobody is held to his lease.
        most: executions to give at most.
    """
    rows = unit.ask(Call(SQL.lost_executions, {"grace_s": grace_s, "most": most}))[0]
    return [row.execution_id for row in rows]
