"""Starts executions and tells how they stand."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from cloacina.dag.context import dump_context
from cloacina.dag.graph import Graph
from cloacina.dag.settle import start
from cloacina.dag.states import ExecutionState, TaskState
from cloacina.db import now
from cloacina.executions.errors import ExecutionNotFound
from cloacina.executions.idempotency import Idempotency
from cloacina.executions.models import EventRow, ExecutionRow, TaskRow
from cloacina.executions.params import with_defaults
from cloacina.executions.transition import Transition
from cloacina.packages.models import PackageRow
from cloacina.packages.services import Package

MANUAL = "manual"

# the server sets these itself; what a caller gives under such a name is dropped
_RESERVED_KEYS = frozenset(
    {
        "scheduled_time",
        "schedule_id",
        "schedule_timezone",
        "schedule_expression",
        "trigger_name",
        "triggered_at",
    }
)


@dataclass(frozen=True)
class ExecutionSummary:
    """An execution as lists show it."""

    id: UUID
    workflow_name: str
    status: str
    started_at: datetime
    completed_at: datetime | None
    trigger_origin: str | None


@dataclass(frozen=True)
class Execution(ExecutionSummary):
    """An execution.

    Parameters:
        package_name: of the package that it runs.
        workflow_version: of the tasks and their source, 16 hex digits.
        context: what it ended with; what it began with until it ends.
        error: why it failed.
    """

    package_name: str
    workflow_version: str
    context: Mapping[str, Any]
    error: str | None


@dataclass(frozen=True)
class Event:
    """Something that happened in an execution; `event_data` is JSON text."""

    id: UUID
    event_type: str
    event_data: str | None
    task_name: str | None
    created_at: datetime
    sequence_num: int


@dataclass(frozen=True)
class TaskInfo:
    """A task of an execution."""

    id: UUID
    task_name: str
    status: str
    attempt: int
    max_attempts: int
    last_error: str | None
    error_details: str | None
    sub_status: str | None
    started_at: datetime | None
    completed_at: datetime | None
    created_at: datetime
    updated_at: datetime


def create(
    session: Session,
    package: Package,
    context: Mapping[str, Any],
    *,
    max_context_bytes: int,
    origin: str = MANUAL,
    request_id: str | None = None,
    idempotency: Idempotency | None = None,
) -> UUID:
    """Accept an execution: insert it with its tasks, the roots being ready.

    Parameters:
        session: acts as the tenant.
        package: the version to run, which is built.
        context: the initial context, as the caller gave it.
        max_context_bytes: the size limit.
        origin: what started it.
        request_id: of the request that did.
        idempotency: of that request, if its caller gave a key.

    Returns:
        The execution's id.

    Raises:
        WorkflowInputInvalid: a declared param is missing or of a wrong type.
        ContextTooLarge, ContextError: the context cannot be stored.
    """
    definition = package.definition or {}
    given = {key: value for key, value in context.items() if key not in _RESERVED_KEYS}
    initial = with_defaults(definition.get("params", ()), given)
    text = dump_context(initial, max_context_bytes)
    graph = Graph.from_definition(definition)
    moment: datetime = session.scalars(select(now())).one()
    execution = ExecutionRow(
        id=uuid4(),
        package_id=package.id,
        workflow_name=package.workflow_name,
        workflow_version=package.workflow_version or "",
        status=ExecutionState.PENDING,
        trigger_origin=origin,
        request_id=request_id,
        idempotency_key=idempotency.key if idempotency else None,
        request_hash=idempotency.request_hash if idempotency else None,
        input_context=text,
        open_tasks=len(graph.tasks),
        last_event=0,
        started_at=moment,
    )
    session.add(execution)
    session.flush()
    settlement = start(graph, initial)
    session.execute(
        insert(TaskRow),
        _task_rows(execution.id, graph, settlement.ready, settlement.skipped, moment),
    )
    transition = Transition(session, execution, graph)
    transition.event("workflow_started")
    transition.note_settlement(settlement)
    transition.end_if_nothing_is_open()
    transition.close()
    return execution.id


def _task_rows(
    execution_id: UUID,
    graph: Graph,
    ready: Sequence[str],
    skipped: Sequence[str],
    moment: datetime,
) -> list[dict[str, Any]]:
    states = dict.fromkeys(ready, TaskState.READY) | dict.fromkeys(skipped, TaskState.SKIPPED)
    # a dependency that was skipped at the start has ended
    ended = frozenset(skipped)
    rows = []
    for position, task in enumerate(graph.tasks):
        state = states.get(task.id, TaskState.NOT_STARTED)
        rows.append(
            {
                "id": uuid4(),
                "execution_id": execution_id,
                "task_id": task.id,
                "position": position,
                "status": state,
                "open_dependencies": sum(name not in ended for name in task.dependencies),
                "attempt": 0,
                "max_attempts": task.retry.max_attempts,
                "resets": 0,
                "ready_at": moment if state is TaskState.READY else None,
                "completed_at": moment if state is TaskState.SKIPPED else None,
                "created_at": moment,
                "updated_at": moment,
            }
        )
    return rows


def list_executions(
    session: Session, *, status: str | None, workflow: str | None, limit: int, offset: int
) -> Sequence[ExecutionSummary]:
    """Give a page of executions, the newest first.

    Parameters:
        session: acts as the tenant.
        status: only those in this state.
        workflow: only those of this workflow.
        limit, offset: the page.
    """
    query = select(
        ExecutionRow.id,
        ExecutionRow.workflow_name,
        ExecutionRow.status,
        ExecutionRow.started_at,
        ExecutionRow.completed_at,
        ExecutionRow.trigger_origin,
    )
    if status is not None:
        query = query.where(ExecutionRow.status == status)
    if workflow is not None:
        query = query.where(ExecutionRow.workflow_name == workflow)
    query = query.order_by(ExecutionRow.started_at.desc(), ExecutionRow.id.desc())
    return [
        ExecutionSummary(**row._mapping)
        for row in session.execute(query.limit(limit).offset(offset))
    ]


def get(session: Session, execution_id: UUID) -> Execution:
    """Give an execution.

    Raises:
        ExecutionNotFound: there is none of this id.
    """
    found = session.execute(
        select(ExecutionRow, PackageRow.package_name)
        .join(PackageRow, PackageRow.id == ExecutionRow.package_id)
        .where(ExecutionRow.id == execution_id)
    ).one_or_none()
    if found is None:
        raise ExecutionNotFound(execution_id)
    row, package_name = found
    return Execution(
        id=row.id,
        workflow_name=row.workflow_name,
        status=row.status,
        started_at=row.started_at,
        completed_at=row.completed_at,
        trigger_origin=row.trigger_origin,
        package_name=package_name,
        workflow_version=row.workflow_version,
        context=json.loads(row.final_context or row.input_context),
        error=row.error,
    )


def list_events(
    session: Session,
    execution_id: UUID,
    tenant_name: str,
    *,
    since: datetime | None = None,
    after_sequence: int | None = None,
) -> Sequence[Event]:
    """Give the events of an execution in order; none for an unknown one.

    Parameters:
        session: acts as the tenant.
        execution_id: the execution.
        tenant_name: begins the tasks' full names.
        since: only those at or after this moment.
        after_sequence: only those with a higher sequence number.
    """
    query = select(EventRow).where(EventRow.execution_id == execution_id)
    if since is not None:
        query = query.where(EventRow.created_at >= since)
    if after_sequence is not None:
        query = query.where(EventRow.sequence_num > after_sequence)
    rows = session.scalars(query.order_by(EventRow.sequence_num)).all()
    prefix = task_prefix(session, execution_id, tenant_name) if rows else ""
    return [
        Event(
            id=row.id,
            event_type=row.event_type,
            event_data=row.event_data,
            task_name=f"{prefix}{row.task_id}" if row.task_id else None,
            created_at=row.created_at,
            sequence_num=row.sequence_num,
        )
        for row in rows
    ]


def list_tasks(session: Session, execution_id: UUID, tenant_name: str) -> Sequence[TaskInfo]:
    """Give the tasks of an execution in order of their declaration.

    Parameters:
        session: acts as the tenant.
        execution_id: the execution.
        tenant_name: begins the tasks' full names.

    Raises:
        ExecutionNotFound: there is none of this id.
    """
    prefix = task_prefix(session, execution_id, tenant_name)
    rows = session.scalars(
        select(TaskRow).where(TaskRow.execution_id == execution_id).order_by(TaskRow.position)
    )
    return [
        TaskInfo(
            id=row.id,
            task_name=f"{prefix}{row.task_id}",
            status=row.status,
            attempt=row.attempt,
            max_attempts=row.max_attempts,
            last_error=row.last_error,
            error_details=row.error_details,
            sub_status=row.sub_status,
            started_at=row.started_at,
            completed_at=row.completed_at,
            created_at=row.created_at,
            updated_at=row.updated_at,
        )
        for row in rows
    ]


def task_prefix(session: Session, execution_id: UUID, tenant_name: str) -> str:
    """Give what stands before a task's id in its full name, `tenant::package::workflow::task`.

    Parameters:
        session: acts as the tenant.
        execution_id: the execution.
        tenant_name: begins the name.

    Raises:
        ExecutionNotFound: there is none of this id.
    """
    names = session.execute(
        select(PackageRow.package_name, ExecutionRow.workflow_name)
        .join(ExecutionRow, PackageRow.id == ExecutionRow.package_id)
        .where(ExecutionRow.id == execution_id)
    ).one_or_none()
    if names is None:
        raise ExecutionNotFound(execution_id)
    return f"{tenant_name}::{names.package_name}::{names.workflow_name}::"
