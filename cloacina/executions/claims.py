"""Claims of tasks: who may run what, until when, and what came of it.

A claim carries a token. Every later write asks for that token, so what a worker brings after its
claim was given to another is refused and never stored.
"""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import random
from uuid import UUID, uuid4

from sqlalchemy import Select, Update, select, update
from sqlalchemy.orm import Session

from cloacina.dag.context import input_context
from cloacina.dag.graph import Graph, Task
from cloacina.dag.states import ExecutionState, TaskState
from cloacina.dag.values import dump_json
from cloacina.db import after, instant, now, rows_changed, storable
from cloacina.executions.errors import LostClaim
from cloacina.executions.graphs import GraphCache
from cloacina.executions.models import ExecutionRow, TaskRow
from cloacina.executions.transition import Transition, output_texts
from cloacina.packages.services import Package

LEASE_S = 15
"""Seconds after which a claim is lost whose worker does not renew it."""

MOST_RESETS = 3
"""Times that a task's claim may be lost before the task is given up (spec: Guarantees)."""

WORKER_LOST = "worker_lost"

# a little more than what an honest child cuts its own down to (cloaca/_failure.py)
_LONGEST_ERROR, _LONGEST_DETAILS = 12_000, 60_000

_CLAIMABLE = (ExecutionState.PENDING, ExecutionState.RUNNING)


@dataclass(frozen=True)
class Claim:
    """The right to run one attempt of a task.

    Parameters:
        id: the task's row.
        token: the fence.
        execution_id: the execution.
        package: the version that the execution runs.
        task: the task, as its workflow declares it.
        attempt: counts from 1.
        input_context: JSON text.
    """

    id: UUID
    token: UUID
    execution_id: UUID
    package: Package
    task: Task
    attempt: int
    input_context: str


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


Outcome = Completed | Failed


@dataclass(frozen=True)
class Finished:
    """What the end of an attempt changed.

    Parameters:
        ready: tasks of the execution that may run now and could not before.
        ended: the execution has ended.
        retry_in_s: seconds until the task's next attempt, if there is one.
    """

    ready: int
    ended: bool
    retry_in_s: float | None = None


def claim_next(
    session: Session, graphs: GraphCache, worker: str, execution_id: UUID | None
) -> Claim | None:
    """Claim a ready task.

    Parameters:
        session: acts as the tenant.
        graphs: of the packages.
        worker: for people: who has it.
        execution_id: only a task of this execution; None: the one that waits longest.

    Returns:
        The claim, or None when there is nothing that nobody else is just looking at.
    """
    execution = session.scalars(_next_execution(execution_id)).one_or_none()
    if execution is None:
        return None
    task = session.scalar(
        select(TaskRow)
        .where(
            TaskRow.execution_id == execution.id,
            TaskRow.status == TaskState.READY,
            TaskRow.ready_at <= instant(),
        )
        .order_by(TaskRow.position)
        .limit(1)
    )
    if task is None:
        return None
    graph = graphs.graph(session, execution.package_id)
    transition = Transition(session, execution, graph)
    execution.status = ExecutionState.RUNNING
    task.status = TaskState.RUNNING
    task.attempt += 1
    task.claim_token = uuid4()
    task.worker = worker
    task.lease_until = after(LEASE_S)
    task.started_at = transition.moment
    task.updated_at = transition.moment
    transition.event("task_started", task.task_id, attempt=task.attempt, worker=worker)
    transition.close()
    return Claim(
        id=task.id,
        token=task.claim_token,
        execution_id=execution.id,
        package=graphs.package(session, execution.package_id),
        task=graph.task(task.task_id),
        attempt=task.attempt,
        input_context=_input_of(session, execution, graph.task(task.task_id)),
    )


def _next_execution(execution_id: UUID | None) -> Select[ExecutionRow]:
    query = select(ExecutionRow).where(ExecutionRow.status.in_(_CLAIMABLE))
    if execution_id is not None:
        return query.where(ExecutionRow.id == execution_id).with_for_update()
    return (
        query.join(TaskRow, TaskRow.execution_id == ExecutionRow.id)
        .where(TaskRow.status == TaskState.READY, TaskRow.ready_at <= instant())
        .order_by(TaskRow.ready_at)
        .limit(1)
        .with_for_update(of=ExecutionRow, skip_locked=True)
    )


def _locked(execution_id: UUID) -> Select[ExecutionRow]:
    return select(ExecutionRow).where(ExecutionRow.id == execution_id).with_for_update()


def is_any_ready(session: Session) -> bool:
    """Say whether a task of the tenant may be claimed now."""
    query = select(TaskRow.id).where(
        TaskRow.status == TaskState.READY, TaskRow.ready_at <= instant()
    )
    return session.scalar(query.limit(1)) is not None


def _input_of(session: Session, execution: ExecutionRow, task: Task) -> str:
    if not task.dependencies:
        return execution.input_context
    texts = output_texts(session, execution, task.dependencies)
    if len(texts) == 1:
        # merged with nothing it stays as it is
        return next(iter(texts.values()))
    outputs = {task_id: json.loads(text) for task_id, text in texts.items()}
    return dump_json(input_context(task, outputs, {}))


def renew(session: Session, claim: Claim) -> bool:
    """Hold on to a claim for another lease.

    Returns:
        False when it is somebody else's by now: stop working on it.
    """
    mine = _update_of(claim).values(lease_until=after(LEASE_S))
    return rows_changed(session, mine) == 1


def finish(session: Session, graph: Graph, claim: Claim, outcome: Outcome) -> Finished:
    """Store what came of an attempt, and all that follows from it, in one transaction.

    Parameters:
        session: acts as the tenant.
        graph: of the execution's package.
        claim: the claim.
        outcome: what came of it.

    Raises:
        LostClaim: the claim was given to somebody else; nothing is stored.
    """
    execution = session.scalar(_locked(claim.execution_id))
    task = session.scalar(
        select(TaskRow).where(
            TaskRow.id == claim.id,
            TaskRow.claim_token == claim.token,
            TaskRow.status == TaskState.RUNNING,
        )
    )
    if execution is None or task is None:
        raise LostClaim
    transition = Transition(session, execution, graph)
    _release(task, transition.moment)
    if isinstance(outcome, Completed):
        finished = _complete(transition, task, outcome)
    elif outcome.retryable and task.attempt < task.max_attempts:
        finished = _schedule_retry(transition, task, claim.task, outcome)
    else:
        finished = _fail(transition, task, outcome)
    transition.close()
    return finished


def _complete(transition: Transition, task: TaskRow, outcome: Completed) -> Finished:
    task.status = TaskState.COMPLETED
    task.output_context = outcome.context
    task.last_error = task.error_details = None
    task.completed_at = transition.moment
    transition.event("task_completed", task.task_id)
    return _ended(transition, task)


def _schedule_retry(transition: Transition, row: TaskRow, task: Task, outcome: Failed) -> Finished:
    delay_s = task.retry.delay_s(row.attempt, random)
    row.status = TaskState.READY
    row.ready_at = transition.moment + timedelta(seconds=delay_s)
    _note_failure(row, outcome)
    transition.event(
        "task_retry_scheduled",
        row.task_id,
        attempt=row.attempt,
        retry_at=row.ready_at.isoformat(timespec="microseconds"),
    )
    return Finished(ready=0, ended=False, retry_in_s=delay_s)


def _fail(transition: Transition, task: TaskRow, outcome: Failed) -> Finished:
    task.status = TaskState.FAILED
    _note_failure(task, outcome)
    task.completed_at = transition.moment
    transition.event("task_failed", task.task_id, error=task.last_error)
    return _ended(transition, task)


def _note_failure(task: TaskRow, outcome: Failed) -> None:
    task.last_error = storable(outcome.error, _LONGEST_ERROR)
    task.error_details = outcome.details and storable(outcome.details, _LONGEST_DETAILS)


def _ended(transition: Transition, task: TaskRow) -> Finished:
    ready = transition.task_ended(task.task_id, TaskState(task.status))
    return Finished(ready, ended=transition.execution.open_tasks == 0)


def give_back_lost(session: Session, graphs: GraphCache, limit: int = 100) -> int:
    """Give back the claims that nobody renewed in time.

    Parameters:
        session: acts as the tenant.
        graphs: of the packages.
        limit: executions that are looked after at most.

    Returns:
        How many claims were given back.
    """
    lost = (TaskRow.status == TaskState.RUNNING) & (TaskRow.lease_until < now())
    executions = session.scalars(
        select(TaskRow.execution_id).where(lost).distinct().limit(limit)
    ).all()
    count = 0
    for execution_id in sorted(executions):
        execution = session.scalars(_locked(execution_id)).one()
        transition = Transition(session, execution, graphs.graph(session, execution.package_id))
        tasks = session.scalars(
            select(TaskRow).where(TaskRow.execution_id == execution_id, lost)
        ).all()
        for task in tasks:
            _give_back(transition, task)
        transition.close()
        count += len(tasks)
    return count


def _give_back(transition: Transition, task: TaskRow) -> None:
    _release(task, transition.moment)
    if task.resets >= MOST_RESETS:
        text = f"{WORKER_LOST}: the worker was lost {task.resets + 1} times while it ran this task"
        _fail(transition, task, Failed(text, retryable=False))
        return
    task.status = TaskState.READY
    task.ready_at = transition.moment
    # a lost claim is not the task's fault and costs it no attempt
    task.attempt -= 1
    task.resets += 1
    transition.event("task_reset", task.task_id, reason=WORKER_LOST)


def _release(task: TaskRow, moment: datetime) -> None:
    task.claim_token = None
    task.lease_until = None
    task.updated_at = moment


def _update_of(claim: Claim) -> Update:
    return update(TaskRow).where(
        TaskRow.id == claim.id,
        TaskRow.claim_token == claim.token,
        TaskRow.status == TaskState.RUNNING,
    )
