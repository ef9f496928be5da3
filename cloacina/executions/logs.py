"""Logs of tasks: stores what attempts write, and gives it back by page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from cloacina.db import Call, Unit
from cloacina.executions.attempt_log import Line
from cloacina.executions.errors import ExecutionNotFound
from cloacina.executions.models import LogLineRow
from cloacina.executions.services import task_prefix
from cloacina.executions.transition import SQL

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


def append(  # noqa: PLR0917  # of one attempt
    unit: Unit,
    execution_id: UUID,
    task_id: str,
    attempt: int,
    lines: Sequence[Line],
    present: float,
) -> bool:
    """Store lines of an attempt, and commit.

    Parameters:
        unit: acts as the tenant.
        execution_id: the execution.
        task_id: the task's plain id.
        attempt: counts from 1.
        lines: of an `AttemptLog`.
        present: what that log's clock says now.

    Returns:
        False when there is no such execution any more; nothing is stored then.
    """
    (found,) = unit.ask(Call(SQL.lock_for_log, {"execution_id": execution_id}))
    if not found:
        return False
    unit.commit(append_call(execution_id, task_id, attempt, lines, present))
    return True


def append_call(
    execution_id: UUID, task_id: str, attempt: int, lines: Sequence[Line], present: float
) -> Call:
    """Store lines in a unit that has locked the execution; parameters as for `append`."""
    return Call(
        SQL.append_log,
        {
            "execution_id": execution_id,
            "task_id": task_id,
            "attempt": attempt,
            "streams": [line.stream for line in lines],
            # by the database's clock it is as long ago as by this process's
            "ages": [present - line.moment for line in lines],
            "lines": [line.text for line in lines],
        },
    )


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
