"""The changes that one transaction makes to one execution.

Whoever makes them holds the execution's row locked, before any row of its tasks: so events have no
gaps, joins see each other's ends, and nothing deadlocks.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import Select, func, insert, select, update
from sqlalchemy.orm import Session

from cloacina.dag.context import final_context
from cloacina.dag.graph import Graph
from cloacina.dag.settle import Settlement, settle
from cloacina.dag.states import (
    RULES_NOT_SATISFIED,
    ExecutionState,
    TaskState,
    execution_outcome,
)
from cloacina.dag.values import dump_json
from cloacina.db import instant
from cloacina.executions.models import EventRow, ExecutionRow, TaskRow


class Transition:
    """A step of one execution.

    Parameters:
        session: acts as the tenant.
        execution: the row, locked in this transaction.
        graph: of the package that the execution runs.

    Attributes:
        moment: the database's time once the row was locked.
    """

    def __init__(self, session: Session, execution: ExecutionRow, graph: Graph) -> None:
        self.execution = execution
        self.graph = graph
        self.moment: datetime = session.scalars(select(instant())).one()
        self._session = session
        self._events: list[dict[str, Any]] = []

    def event(self, kind: str, task_id: str | None = None, **data: object) -> None:
        """Note that something happened; `data` becomes the event's JSON."""
        self.execution.last_event += 1
        self._events.append(
            {
                "id": uuid4(),
                "execution_id": self.execution.id,
                "sequence_num": self.execution.last_event,
                "event_type": kind,
                "event_data": json.dumps(data) if data else None,
                "task_id": task_id,
                "created_at": self.moment,
            }
        )

    def task_ended(self, task_id: str, state: TaskState) -> int:
        """Draw the consequences of a task's end.

        Parameters:
            task_id: the task, whose row says so already.
            state: how it ended.

        Returns:
            How many tasks became ready.
        """
        settlement = settle(self.graph, {task_id: state}, _Records(self._session, self.execution))
        self._write(settlement)
        self.note_settlement(settlement)
        self.execution.open_tasks -= 1
        if self.execution.open_tasks == 0:
            self._end()
        return len(settlement.ready)

    def note_settlement(self, settlement: Settlement) -> None:
        """Note the events of tasks that became ready or skipped, and count the skipped as ended."""
        for task_id in settlement.ready:
            self.event("task_marked_ready", task_id)
        for task_id in settlement.skipped:
            self.event("task_skipped", task_id, reason=RULES_NOT_SATISFIED)
        self.execution.open_tasks -= len(settlement.skipped)

    def close(self) -> None:
        """Write the events. The transition ends here."""
        self._session.flush()
        if self._events:
            self._session.execute(insert(EventRow), self._events)

    def end_if_nothing_is_open(self) -> None:
        """End an execution all of whose tasks were skipped from the start."""
        if self.execution.open_tasks == 0:
            self._end()

    def _write(self, settlement: Settlement) -> None:
        self._update(
            settlement.ready, status=TaskState.READY, ready_at=self.moment, open_dependencies=0
        )
        self._update(
            settlement.skipped,
            status=TaskState.SKIPPED,
            completed_at=self.moment,
            open_dependencies=0,
        )
        by_count: dict[int, list[str]] = {}
        for task_id, count in settlement.remaining.items():
            by_count.setdefault(count, []).append(task_id)
        for count, task_ids in by_count.items():
            self._update(task_ids, open_dependencies=count)

    def _update(self, task_ids: Collection[str], **values: object) -> None:
        if task_ids:
            self._session.execute(
                update(TaskRow)
                .where(TaskRow.execution_id == self.execution.id, TaskRow.task_id.in_(task_ids))
                .values(updated_at=self.moment, **values),
                execution_options={"synchronize_session": False},
            )

    def _end(self) -> None:
        self._session.flush()
        counts = self._session.execute(
            select(TaskRow.status, func.count())
            .where(TaskRow.execution_id == self.execution.id)
            .group_by(TaskRow.status)
        )
        states = (status for status, count in counts for _ in range(count))
        state, error = execution_outcome(states)
        self.execution.status = state
        self.execution.error = error
        self.execution.completed_at = self.moment
        records = _Records(self._session, self.execution)
        context = final_context(
            self.graph,
            records.outputs(self.graph.leaves),
            json.loads(self.execution.input_context),
        )
        self.execution.final_context = dump_json(context)
        if state is ExecutionState.COMPLETED:
            self.event("workflow_completed")
        else:
            self.event("workflow_failed", reason=error)


class _Records:
    """What is recorded of an execution's tasks, for `cloacina.dag.settle`."""

    def __init__(self, session: Session, execution: ExecutionRow) -> None:
        self._session = session
        self._execution = execution

    def remaining(self, ids: Collection[str]) -> Mapping[str, int]:
        return self._column(TaskRow.open_dependencies, ids)

    def outcomes(self, ids: Collection[str]) -> Mapping[str, str]:
        return self._column(TaskRow.status, ids)

    def outputs(self, ids: Collection[str]) -> Mapping[str, Mapping[str, Any]]:
        return {
            task_id: json.loads(text)
            for task_id, text in output_texts(self._session, self._execution, ids).items()
        }

    def _column(self, column: Any, ids: Collection[str]) -> dict[str, Any]:
        return _pairs(self._session, _of(self._execution, ids, column))


def output_texts(session: Session, execution: ExecutionRow, ids: Collection[str]) -> dict[str, str]:
    """Give the stored outputs of those of these tasks that Completed, as JSON text."""
    query = _of(execution, ids, TaskRow.output_context)
    return _pairs(session, query.where(TaskRow.status == TaskState.COMPLETED))


def _of(execution: ExecutionRow, ids: Iterable[str], column: Any) -> Select[Any]:
    return select(TaskRow.task_id, column).where(
        TaskRow.execution_id == execution.id, TaskRow.task_id.in_(list(ids))
    )


def _pairs(session: Session, query: Select[Any]) -> dict[str, Any]:
    return dict(session.execute(query).all())
