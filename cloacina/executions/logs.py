"""Logs of tasks: stores what attempts write, and gives it back by page."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Select, func, insert, select
from sqlalchemy.orm import Session

from cloacina.db import instant
from cloacina.executions.attempt_log import Line
from cloacina.executions.errors import ExecutionNotFound
from cloacina.executions.models import ExecutionRow, LogLineRow
from cloacina.executions.services import task_prefix

MOST_LINES = 10_000
"""Lines of a page at most."""

MOST_CHARACTERS = 4 * 1024 * 1024
"""Characters of a page's lines at most, unless its first line alone has more."""


@dataclass(frozen=True)
class LogLine:
    """A line that a task wrote.

    Parameters:
        sequence: grows from line to line of an execution, with gaps.
        task_name: full, `tenant::package::workflow::task`.
        attempt: counts from 1.
        stream: `stdout` or `stderr`.
        at: when it was written, by the database's clock.
        line: without its end.
    """

    sequence: int
    task_name: str
    attempt: int
    stream: str
    at: datetime
    line: str


def append(
    session: Session,
    execution_id: UUID,
    task_id: str,
    attempt: int,
    lines: Sequence[Line],
    *,
    clock: Callable[[], float] = time.monotonic,
) -> bool:
    """Store lines of an attempt.

    The execution's row is locked first and until the commit. So serials become visible in their
    own order, and who has read up to one never misses a lower one that is committed later.

    Parameters:
        session: acts as the tenant; it may hold the execution's lock already.
        execution_id: the execution.
        task_id: the task's plain id.
        attempt: counts from 1.
        lines: of an `AttemptLog`.
        clock: that log's.

    Returns:
        False when there is no such execution any more; nothing is stored then.
    """
    locked = (
        select(ExecutionRow.id)
        .where(ExecutionRow.id == execution_id)
        # other transactions may go on to point at the row
        .with_for_update(key_share=True)
        .subquery()
    )
    # asked for outside the subquery: the time once the lock is there
    moment = session.scalar(select(instant()).select_from(locked))
    if moment is None:
        return False
    present = clock()
    rows = [
        {
            "execution_id": execution_id,
            "task_id": task_id,
            "attempt": attempt,
            "stream": line.stream,
            "at": moment - timedelta(seconds=present - line.moment),
            "line": line.text,
        }
        for line in lines
    ]
    if rows:
        session.execute(insert(LogLineRow), rows)
    return True


def list_lines(
    session: Session,
    execution_id: UUID,
    tenant_name: str,
    *,
    task: str | None = None,
    since: datetime | None = None,
    after: int | None = None,
    limit: int = MOST_LINES,
) -> Sequence[LogLine]:
    """Give a page of an execution's lines in order of their sequence; none for an unknown one.

    A page that is full may hold fewer lines than its limit, when they are long; only an empty one
    is the last.

    Parameters:
        session: acts as the tenant.
        execution_id: the execution.
        tenant_name: begins the tasks' full names.
        task: only lines of this task, by its plain id or its full name.
        since: only those at or after this moment.
        after: only those with a higher sequence.
        limit: lines at most.
    """
    try:
        prefix = task_prefix(session, execution_id, tenant_name)
    except ExecutionNotFound:
        return []
    query = select(LogLineRow).where(LogLineRow.execution_id == execution_id)
    if task is not None:
        query = query.where(LogLineRow.task_id == task.removeprefix(prefix))
    if since is not None:
        query = query.where(LogLineRow.at >= since)
    if after is not None:
        query = query.where(LogLineRow.serial > after)
    return [
        LogLine(
            sequence=row.serial,
            task_name=f"{prefix}{row.task_id}",
            attempt=row.attempt,
            stream=row.stream,
            at=row.at,
            line=row.line,
        )
        for row in session.execute(_page(query, limit))
    ]


def _page(query: Select[LogLineRow], limit: int) -> Select[LogLineRow]:
    """Hold a query of lines to the limits of a page, before anything is read of what is beyond."""
    lines = query.order_by(LogLineRow.serial).limit(limit).subquery()
    length = func.length(lines.c.line)
    before = func.sum(length).over(order_by=lines.c.serial) - length
    measured = select(lines, before.label("before")).subquery()
    return select(measured).where(measured.c.before < MOST_CHARACTERS).order_by(measured.c.serial)
