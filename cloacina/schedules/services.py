"""Tells what starts a tenant's workflows by itself, and what it started."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from cloacina.executions.models import ExecutionRow
from cloacina.schedules.errors import TriggerNotFound
from cloacina.schedules.models import ScheduleRow

_RECENT = 10


@dataclass(frozen=True)
class Schedule:
    """What starts a workflow by itself.

    Parameters:
        id: names it in the API.
        schedule_type: `cron` or `trigger`.
        workflow_name: what it starts.
        enabled: its package's author has it on.
        cron_expression, timezone: when a `cron` starts the workflow.
        trigger_name, poll_interval_ms: what a `trigger` is called, and how often it looks.
        next_run_at, last_run_at: when it is due, and when it last was.
        paused, paused_at: an operator has it off, since when.
        created_at: when its package was loaded.
    """

    id: UUID
    schedule_type: str
    workflow_name: str
    enabled: bool
    cron_expression: str | None
    timezone: str | None
    trigger_name: str | None
    poll_interval_ms: int | None
    next_run_at: datetime | None
    last_run_at: datetime | None
    paused: bool
    paused_at: datetime | None
    created_at: datetime


@dataclass(frozen=True)
class ScheduledExecution:
    """An execution that a schedule started, and the time that it was due at."""

    id: UUID
    scheduled_time: datetime | None
    started_at: datetime
    completed_at: datetime | None


def _schedule(row: ScheduleRow) -> Schedule:
    return Schedule(**{field.name: getattr(row, field.name) for field in fields(Schedule)})


def list_schedules(session: Session, limit: int, offset: int) -> Sequence[Schedule]:
    """Give a page of the tenant's schedules, the oldest first."""
    query = select(ScheduleRow).order_by(ScheduleRow.created_at, ScheduleRow.id)
    return [_schedule(row) for row in session.scalars(query.limit(limit).offset(offset))]


def get_schedule(session: Session, name: str) -> Schedule:
    """Give the schedule of a trigger's name, else the oldest of a workflow's name.

    Raises:
        TriggerNotFound: there is none.
    """
    row = session.scalars(
        select(ScheduleRow)
        .where(or_(ScheduleRow.trigger_name == name, ScheduleRow.workflow_name == name))
        # false sorts before true; a cron schedule has no trigger's name at all
        .order_by(
            ScheduleRow.trigger_name.is_distinct_from(name), ScheduleRow.created_at, ScheduleRow.id
        )
        .limit(1)
    ).first()
    if row is None:
        raise TriggerNotFound(name)
    return _schedule(row)


def recent_executions(session: Session, schedule_id: UUID) -> Sequence[ScheduledExecution]:
    """Give the last ten executions that a schedule started, the newest first."""
    query = (
        select(
            ExecutionRow.id,
            ExecutionRow.scheduled_time,
            ExecutionRow.started_at,
            ExecutionRow.completed_at,
        )
        .where(ExecutionRow.schedule_id == schedule_id)
        .order_by(ExecutionRow.started_at.desc(), ExecutionRow.id.desc())
        .limit(_RECENT)
    )
    return [ScheduledExecution(**row._mapping) for row in session.execute(query)]
