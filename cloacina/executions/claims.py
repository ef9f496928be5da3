"""Claims of tasks: who may run what, until when, and what came of it.

A claim carries a token. Every later write asks for that token, so what a worker brings after its
claim was given to another is refused and never stored.
"""

import json
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from random import random
from typing import Any
from uuid import UUID, uuid4

from cloacina.dag.context import input_context
from cloacina.dag.errors import ContextTooLarge
from cloacina.dag.graph import Graph, Task
from cloacina.dag.states import SubStatus, TaskState
from cloacina.dag.values import dump_json
from cloacina.db import Call, Row, Unit, storable
from cloacina.executions.errors import LostClaim
from cloacina.executions.graphs import GraphCache
from cloacina.executions.transition import (
    SQL,
    Records,
    Transition,
    output_texts,
    outputs_call,
)
from cloacina.packages.services import Package
from cloacina.tenants import services as tenants

LEASE_S = 8
"""Seconds after which a claim is lost whose worker does not renew it."""

MOST_RESETS = 3
"""Times that a task's claim may be lost before the task is given up (spec: Guarantees)."""

WORKER_LOST = "worker_lost"
WORKER_STOPPED = "worker_stopped"

# a little more than what an honest child cuts its own down to (cloaca/_failure.py)
_LONGEST_ERROR, _LONGEST_DETAILS = 12_000, 60_000

_NOBODY = UUID(int=0)


@dataclass(frozen=True)
class Terms:
    """On which terms a worker claims.

    Parameters:
        worker: for people: who has it.
        max_context_bytes: the size limit of a context.
        execution_timeout_s: seconds that an execution may take from its first claim.
    """

    worker: str
    max_context_bytes: int
    execution_timeout_s: float


@dataclass(frozen=True)
class Claim:
    """The right to run one attempt of a task.

    Parameters:
        id: the task's row.
        token: the fence.
        execution_id: the execution.
        package: the version that the execution runs.
        graph: of that package.
        task: the task, as its workflow declares it.
        attempt: counts from 1.
        open_tasks: tasks of the execution that had not ended when this was claimed.
        input_context: JSON text; None when what is to be merged is too much.
        input_bytes: its size, or that of all that was to be merged.
        held_since: a moment of the machine's monotonic clock before the lease began.
    """

    id: UUID
    token: UUID
    execution_id: UUID
    package: Package
    graph: Graph
    task: Task
    attempt: int
    open_tasks: int
    input_context: str | None
    input_bytes: int
    held_since: float


@dataclass(frozen=True)
class ClaimRef:
    """What names a claim, of which `restore` makes the whole again."""

    id: UUID
    token: UUID
    execution_id: UUID
    task_id: str
    attempt: int

    @classmethod
    def of(cls, claim: Claim) -> "ClaimRef":
        """Name a claim."""
        return cls(claim.id, claim.token, claim.execution_id, claim.task.id, claim.attempt)


@dataclass(frozen=True)
class Completed:
    """An attempt that succeeded, with the context that it gave, as JSON text."""

    context: str


@dataclass(frozen=True)
class Failed:
    """An attempt that did not succeed.

    Parameters:
        error: one line for people.
        details: a traceback or the like.
        retryable: another attempt may help.
    """

    error: str
    details: str | None = None
    retryable: bool = True


@dataclass(frozen=True)
class GivenBack:
    """An attempt that its worker broke off; it costs the task none."""

    reason: str = WORKER_STOPPED


Outcome = Completed | Failed | GivenBack


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


def claim_next(
    unit: Unit,
    graphs: GraphCache,
    terms: Terms,
    execution_id: UUID | None,
    most_running: int | None = None,
) -> tuple[Claim | None, bool]:
    """Claim a ready task, and commit.

    Parameters:
        unit: acts as the tenant.
        graphs: of the packages.
        terms: of the worker.
        execution_id: only a task of this execution; None: the one that waits longest.
        most_running: tasks of the tenant that may run at once; None: any number.

    Returns:
        The claim, or None when there is nothing that nobody else is just looking at; and whether
        the tenant runs as many tasks as it may.
    """
    calls = [Call(SQL.lock_claims), Call(SQL.count_running)] if most_running is not None else []
    first = _candidate_calls(execution_id)
    rows = unit.ask(*calls, *first)
    if most_running is not None and rows[1][0].running >= most_running:
        return None, True
    execution, task = _candidate(rows[len(calls) :], execution_id)
    if task is None or execution is None:
        return None, False
    package, graph = graphs.entry(unit, execution.package_id)
    step = Transition(unit, execution, graph, max_context_bytes=terms.max_context_bytes)
    taking = _Taking(step, package, task, terms)
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


def _any_other(unit: Unit, execution_id: UUID) -> tuple[Row | None, Row | None]:
    """Lock a ready task of another execution; it passes over locks, so that nobody waits twice."""
    (rows,) = unit.ask(Call(SQL.lock_ready, {"execution_id": execution_id}))
    return (rows[0], rows[0]) if rows else (None, None)


class _Taking:
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
        known = _input_calls(self.step.id, self._task, self._terms, self._known)
        return [*self.step.calls(), *known]

    def claim(self, rows: Sequence[list[Row]]) -> Claim:
        """Give the claim, from the rows that its calls gave."""
        text, size = _input(self._task, self._terms, self._known, rows)
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


def _input_calls(
    execution_id: UUID, task: Task, terms: Terms, known: Mapping[str, str]
) -> list[Call]:
    """Ask for what a task starts with, as far as it is not known."""
    if not task.dependencies:
        return [Call(SQL.root_input, {"execution_id": execution_id})]
    if known.keys() >= set(task.dependencies):
        return []
    return [outputs_call(execution_id, task.dependencies, terms.max_context_bytes)]


def _input(
    task: Task, terms: Terms, known: Mapping[str, str], rows: Sequence[list[Row]]
) -> tuple[str | None, int]:
    """Give what a task starts with, and its size; the last of the rows are `_input_calls`'."""
    names = task.dependencies
    if not names:
        return rows[-1][0].text, rows[-1][0].total
    if known.keys() >= set(names):
        texts = {name: known[name] for name in names}
    else:
        try:
            texts = output_texts(rows[-1], terms.max_context_bytes)
        except ContextTooLarge as error:
            return None, error.size
    if len(texts) == 1:
        # merged with nothing it stays as it is
        text = next(iter(texts.values()))
    else:
        outputs = {name: json.loads(found) for name, found in texts.items()}
        text = dump_json(input_context(task, outputs, {}))
    return text, len(text.encode(errors="surrogatepass"))


@dataclass(frozen=True)
class _NewlyReady:
    """A task that a transition has just made ready, as `pick_ready` gives those that were."""

    task_id: str
    attempt: int = 0


def renew(unit: Unit, held: Collection[Claim | ClaimRef]) -> set[UUID]:
    """Hold on to claims for another lease, and commit.

    Returns:
        The tokens of those that are still held; of the others, stop working on them.
    """
    values = {
        "task_uuids": [claim.id for claim in held],
        "tokens": [claim.token for claim in held],
        "lease_s": LEASE_S,
    }
    return {row.claim_token for row in unit.commit(Call(SQL.renew, values))[0]}


def restore(unit: Unit, graphs: GraphCache, terms: Terms, ref: ClaimRef) -> Claim:
    """Give a whole claim again.

    Raises:
        LostClaim: the execution is gone.
    """
    begun = time.monotonic()
    (rows,) = unit.ask(Call(SQL.of_execution, {"execution_id": ref.execution_id}))
    if not rows:
        raise LostClaim
    package, graph = graphs.entry(unit, rows[0].package_id)
    task = graph.task(ref.task_id)
    calls = _input_calls(ref.execution_id, task, terms, {})
    text, size = _input(task, terms, {}, unit.ask(*calls))
    return Claim(
        id=ref.id,
        token=ref.token,
        execution_id=ref.execution_id,
        package=package,
        graph=graph,
        task=task,
        attempt=ref.attempt,
        open_tasks=rows[0].open_tasks,
        input_context=text,
        input_bytes=size,
        held_since=begun,
    )


def set_deferred(unit: Unit, claim: Claim, terms: Terms, *, deferred: bool) -> None:
    """Note that a claimed task waits without a slot, or works again, and commit.

    Raises:
        LostClaim: the claim was given to somebody else.
    """
    sub_status = SubStatus.DEFERRED if deferred else SubStatus.ACTIVE
    execution, mine = unit.ask(
        Call(SQL.lock_execution, {"execution_id": claim.execution_id}),
        Call(
            SQL.defer,
            {
                "task_uuid": claim.id,
                "token": claim.token,
                "sub_status": str(sub_status),
                "lease_s": LEASE_S,
            },
        ),
    )
    if not execution or not mine:
        raise LostClaim
    step = Transition(unit, execution[0], claim.graph, max_context_bytes=terms.max_context_bytes)
    step.event("task_deferred" if deferred else "task_resumed", claim.task.id)
    unit.commit(*step.calls())


def finish(
    unit: Unit,
    graphs: GraphCache,
    terms: Terms,
    claim: Claim,
    outcome: Outcome,
    *,
    tenant_id: UUID,
    claim_more: bool = False,
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

        also: what else is stored with it.

    Raises:
        LostClaim: the claim was given to somebody else; nothing is stored.
    """
    return _Finishing(unit, graphs, terms, claim, outcome, claim_more=claim_more).run(
        tenant_id, also
    )


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
    ) -> None:
        self._unit = unit
        self._graphs = graphs
        self._terms = terms
        self._claim = claim
        self._outcome = outcome
        self._claim_more = claim_more
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
    ) -> _Taking | None:
        """Choose what to claim next."""
        if not self._claim_more:
            return None
        if other is None and step.claimable:
            own = self._own(step, ready, picked)
            if own is not None:
                outputs = {} if self._output is None else {self._claim.task.id: self._output}
                return _Taking(step, self._claim.package, own, self._terms, outputs)
        if other is None:
            _, other = _any_other(self._unit, step.id)
        if other is None:
            return None
        package, graph = self._graphs.entry(self._unit, other.package_id)
        size = self._terms.max_context_bytes
        another = Transition(self._unit, other, graph, max_context_bytes=size)
        return _Taking(another, package, other, self._terms)

    def _own(self, step: Transition, ready: tuple[str, ...], picked: Row | None) -> Any:
        """Give the execution's next task: the one that was declared first."""
        order = step.graph.position
        first = min(ready, key=order, default=None)
        if first is None or (picked is not None and order(picked.task_id) < order(first)):
            return picked
        # what was given back had begun before; all else that is newly ready had not
        given_back = first == self._claim.task.id
        return _NewlyReady(first, self._claim.attempt - 1 if given_back else 0)


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
