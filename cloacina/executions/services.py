"""Tells how executions stand."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cloacina.dag.states import ExecutionState
from cloacina.db import Call, Unit
from cloacina.executions.errors import ExecutionNotFound
from cloacina.executions.models import EventRow, ExecutionRow, TaskRow
from cloacina.executions.transition import SQL
from cloacina.packages.models import PackageRow


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
        rerun_of: the execution that it repeats.
    """

    package_name: str
    workflow_version: str
    context: Mapping[str, Any]
    error: str | None
    rerun_of: UUID | None


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


def count_by_status(session: Session) -> Mapping[str, int]:
    """Give how many executions there are in each state; the session acts as the tenant."""
    query = select(ExecutionRow.status, func.count()).group_by(ExecutionRow.status)
    found = {row[0]: int(row[1]) for row in session.execute(query)}
    return {str(state): found.get(state, 0) for state in ExecutionState}


def get(unit: Unit, execution_id: UUID) -> Execution:
    """Give an execution; callers ask for it again and again.

    Parameters:
        unit: acts as the tenant; it ends with this.
        execution_id: the execution.

    Raises:
        ExecutionNotFound: there is none of this id.
    """
    (rows,) = unit.commit(Call(SQL.show, {"execution_id": execution_id}))
    if not rows:
        raise ExecutionNotFound(execution_id)
    values = rows[0]._asdict()
    return Execution(**{**values, "context": json.loads(values["context"])})


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
