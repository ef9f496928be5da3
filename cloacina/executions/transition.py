"""The changes that one transaction makes to one execution.

Whoever makes them holds the execution's row locked, before any row of its tasks: so events have no
gaps, joins see each other's ends, and nothing deadlocks. What is to be written is gathered first
and sent in one go.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from cloacina.dag.context import check_size, final_context
from cloacina.dag.errors import ContextError, ContextTooLarge
from cloacina.dag.graph import Graph
from cloacina.dag.settle import Settlement, settle
from cloacina.dag.states import (
    RULES_NOT_SATISFIED,
    ExecutionState,
    TaskState,
    execution_outcome,
)
from cloacina.dag.values import dump_json
from cloacina.db import Call, Row, SqlFile, Statement, Unit

SQL = SqlFile(Path(__file__).with_name("statements.sql"))

MOST_MERGED = 16
"""Outputs that are merged may together be this many times as large as one context may be."""


@dataclass(frozen=True)
class NewExecution:
    """An execution that is not in the tables yet, as `lock_execution` gives those that are."""

    id: UUID
    moment: datetime
    open_tasks: int
    skipped_tasks: int
    failed_tasks: int = 0
    status: str = ExecutionState.PENDING
    last_event: int = 0
    deadline_at: datetime | None = None
    paused_at: datetime | None = None


class Transition:
    """A step of one execution.

    Parameters:
        unit: acts as the tenant.
        execution: what `lock_execution` gave, or a `NewExecution`.
        graph: of the package that the execution runs.
        max_context_bytes: the size limit of a context.

    Attributes:
        moment: the database's time once the row was locked.
        status: of the execution.
        open_tasks: tasks that have not ended.
    """

    def __init__(
        self,
        unit: Unit,
        execution: Row | NewExecution,
        graph: Graph,
        *,
        max_context_bytes: int,
    ) -> None:
        self.id: UUID = execution.id
        self.graph = graph
        self.moment: datetime = execution.moment
        self.status = ExecutionState(execution.status)
        self.open_tasks: int = execution.open_tasks
        self.deadline_at: datetime | None = execution.deadline_at
        self.paused_at: datetime | None = execution.paused_at
        self._outputs_of = execution.id
        self._unit = unit
        self._max_context_bytes = max_context_bytes
        self._failed: int = execution.failed_tasks
        self._skipped: int = execution.skipped_tasks
        self._last_event: int = execution.last_event
        self._kinds: list[str] = []
        self._datas: list[str | None] = []
        self._task_ids: list[str | None] = []
        self._writes: list[Call] = []
        self._ready: list[str] = []
        self._outputs: dict[str, str] = {}
        self._ended: dict[str, Any] | None = None

    def event(self, kind: str, task_id: str | None = None, **data: object) -> None:
        """Note that something happened; `data` becomes the event's JSON."""
        self._kinds.append(kind)
        self._datas.append(json.dumps(data) if data else None)
        self._task_ids.append(task_id)

    def write(self, statement: Statement, **parameters: object) -> int:
        """Add a statement about this execution; it also gets `execution_id` and `moment`.

        Returns:
            Its place in `calls`.
        """
        own = {"execution_id": self.id, "moment": self.moment}
        self._writes.append(Call(statement, own | parameters))
        return len(self._writes) - 1

    @property
    def has_ended(self) -> bool:
        """Whether no task is open any more."""
        return self._ended is not None

    @property
    def claimable(self) -> bool:
        """Whether its tasks may be started."""
        return self._ended is None and self.status in (
            ExecutionState.PENDING,
            ExecutionState.RUNNING,
        )

    @property
    def ready_at(self) -> datetime | None:
        """When a task may be claimed that becomes ready now.

        What is paused waits without a time, so that no claim has to pass over it.
        """
        return None if self.status is ExecutionState.PAUSED else self.moment

    def tasks_ended(
        self, ended: Mapping[str, TaskState], outputs: Mapping[str, str], records: "Records"
    ) -> Settlement:
        """Draw the consequences of the end of tasks.

        Parameters:
            ended: how each of them ended; their rows say so already.
            outputs: what those that Completed put out, as JSON text.
            records: of the other tasks.

        Returns:
            What became ready and what was skipped.
        """
        self._outputs |= outputs
        self.open_tasks -= len(ended)
        self._failed += sum(state is TaskState.FAILED for state in ended.values())
        settlement = settle(self.graph, ended, records)
        self.settled(settlement)
        return settlement

    def settled(self, settlement: Settlement) -> None:
        """Write what a settlement says, and end the execution when nothing is open any more."""
        self._ready += settlement.ready
        if settlement.skipped:
            self.write(SQL.skip, task_ids=list(settlement.skipped))
        by_count: dict[int, list[str]] = {}
        for task_id, count in settlement.remaining.items():
            by_count.setdefault(count, []).append(task_id)
        for count, task_ids in by_count.items():
            self.write(SQL.count_down, task_ids=task_ids, remaining=count)
        self.note_settlement(settlement)
        if self.open_tasks == 0:
            self._end()

    def ready_again(self, task_id: str) -> None:
        """Make a task ready that was claimed."""
        self._ready.append(task_id)

    def claimed(self, task_id: str) -> None:
        """Leave a task out of those that become ready: it is claimed at once."""
        self._ready = [name for name in self._ready if name != task_id]

    def note_settlement(self, settlement: Settlement) -> None:
        """Note the events of tasks that became ready or skipped, and count the skipped as ended."""
        for task_id in settlement.ready:
            self.event("task_marked_ready", task_id)
        for task_id in settlement.skipped:
            self.event("task_skipped", task_id, reason=RULES_NOT_SATISFIED)
        self.open_tasks -= len(settlement.skipped)
        self._skipped += len(settlement.skipped)

    def end_if_nothing_is_open(self, origin: UUID | None) -> None:
        """End an execution all of whose tasks have ended from the start.

        Parameters:
            origin: the execution whose outputs it takes over; its own rows are not there yet.
        """
        if self.open_tasks == 0:
            self._outputs_of = origin or self.id
            self._end()

    def running(self, timeout_s: float) -> None:
        """Note that a task was claimed: the first claim starts the clock of the time limit."""
        self.status = ExecutionState.RUNNING
        if self.deadline_at is None:
            self.deadline_at = self.moment + timedelta(seconds=timeout_s)

    def stop(
        self,
        state: ExecutionState,
        *,
        reason: str,
        skipped: Sequence[str],
        failed: Sequence[str],
        error: str | None,
    ) -> None:
        """End the execution and all its open tasks before their time.

        Parameters:
            state: Cancelled or Failed.
            reason: in the events.
            skipped: open tasks that never run (again); whoever runs one finds its claim gone.
            failed: open tasks that count as failed.
            error: why, for people; None when somebody wanted it so.
        """
        if failed:
            self.write(SQL.time_out, task_ids=list(failed), error=error)
        if skipped:
            self.write(SQL.skip, task_ids=list(skipped))
        for task_id in failed:
            self.event("task_failed", task_id, error=error)
        for task_id in skipped:
            self.event("task_skipped", task_id, reason=reason)
        self._failed += len(failed)
        self._skipped += len(skipped)
        self.open_tasks = 0
        self._close_as(state, error, None)

    def calls(self) -> list[Call]:
        """Give all that is to be written; the transition ends here."""
        calls = list(self._writes)
        if self._ready:
            # after the other writes, whose places are known to those who added them
            ready = {"task_ids": self._ready, "ready_at": self.ready_at, "moment": self.moment}
            calls.append(Call(SQL.make_ready, ready | {"execution_id": self.id}))
        if self._ended is None:
            calls.append(Call(SQL.update_execution, self._columns()))
        else:
            calls.append(Call(SQL.end_execution, self._columns() | self._ended))
        return calls + self._event_calls()

    def calls_of_new(self, columns: Mapping[str, Any]) -> list[Call]:
        """Give all that is to be written of an execution that is not in the tables yet.

        Parameters:
            columns: of its row, beyond those that change later.
        """
        insert = Call(SQL.insert_execution, {**self._columns(), **columns})
        end = (
            [] if self._ended is None else [Call(SQL.end_execution, self._columns() | self._ended)]
        )
        return [insert, *self._writes, *end, *self._event_calls()]

    def _columns(self) -> dict[str, Any]:
        return {
            "execution_id": self.id,
            "moment": self.moment,
            "status": str(self.status),
            "last_event": self._last_event + len(self._kinds),
            "open_tasks": self.open_tasks,
            "failed_tasks": self._failed,
            "skipped_tasks": self._skipped,
            "deadline_at": self.deadline_at,
            "paused_at": self.paused_at,
        }

    def _event_calls(self) -> list[Call]:
        events = {
            "execution_id": self.id,
            "moment": self.moment,
            "first": self._last_event + 1,
            "kinds": self._kinds,
            "datas": self._datas,
            "task_ids": self._task_ids,
        }
        return [Call(SQL.insert_events, events)] if self._kinds else []

    def _end(self) -> None:
        completed = len(self.graph.tasks) - self._failed - self._skipped
        state, error = execution_outcome(self._failed, completed, self._skipped)
        context: str | None = None
        try:
            context = self._final_context()
        except ContextError as too_much:
            state, error = ExecutionState.FAILED, too_much.message
        self._close_as(state, error, context)

    def _close_as(self, state: ExecutionState, error: str | None, context: str | None) -> None:
        self.status = state
        self._ended = {"status": str(state), "error": error, "final_context": context}
        if state is ExecutionState.COMPLETED:
            self.event("workflow_completed")
        elif state is ExecutionState.CANCELLED:
            self.event("workflow_cancelled")
        else:
            self.event("workflow_failed", reason=error)

    def _final_context(self) -> str | None:
        """Give what the execution ends with; None: what it began with."""
        leaves = self.graph.leaves
        missing = [name for name in leaves if name not in self._outputs]
        if missing and len(leaves) > 1:
            self._outputs |= read_outputs(
                self._unit, self._outputs_of, missing, self._max_context_bytes
            )
        texts = {name: self._outputs[name] for name in leaves if name in self._outputs}
        if not texts:
            return None
        if len(texts) == 1:
            # merged with nothing it stays as it is
            return next(iter(texts.values()))
        outputs = {name: json.loads(text) for name, text in texts.items()}
        merged = dump_json(final_context(self.graph, outputs, {}))
        check_size(merged, self._max_context_bytes)
        return merged


class Records:
    """What is recorded of an execution's tasks, for `cloacina.dag.settle`; it asks when it must.

    Parameters:
        unit: acts as the tenant.
        execution_id: the execution, whose row is locked.
        max_context_bytes: the size limit of a context.
        remaining: open dependencies of tasks, as they were read already.
    """

    def __init__(
        self,
        unit: Unit,
        execution_id: UUID,
        max_context_bytes: int,
        remaining: Mapping[str, int],
        outputs: Mapping[str, str],
    ) -> None:
        self._unit = unit
        self._execution_id = execution_id
        self._max_context_bytes = max_context_bytes
        self._remaining = remaining
        self._outputs = outputs

    def remaining(self, ids: Collection[str], /) -> Mapping[str, int]:
        """Give, for each of these tasks, how many of its dependencies have not ended."""
        found = {name: self._remaining[name] for name in ids if name in self._remaining}
        unread = [name for name in ids if name not in found]
        rows = self._ask(SQL.open_dependencies, unread) if unread else []
        return found | {row.task_id: row.open_dependencies for row in rows}

    def outcomes(self, ids: Collection[str], /) -> Mapping[str, str]:
        """Give the states of these tasks."""
        return {row.task_id: row.status for row in self._ask(SQL.statuses, ids)}

    def outputs(self, ids: Collection[str], /) -> Mapping[str, Mapping[str, Any]]:
        """Give the outputs of those of these tasks that Completed; {} for too many to look at."""
        unread = [name for name in ids if name not in self._outputs]
        try:
            read = read_outputs(self._unit, self._execution_id, unread, self._max_context_bytes)
        except ContextTooLarge:
            read = {}
        return {name: json.loads(text) for name, text in {**self._outputs, **read}.items()}

    def _ask(self, statement: Any, ids: Collection[str]) -> list[Row]:
        call = Call(statement, {"execution_id": self._execution_id, "task_ids": list(ids)})
        return self._unit.ask(call)[0]


def outputs_call(execution_id: UUID, task_ids: Collection[str], max_context_bytes: int) -> Call:
    """Ask for the outputs of those of these tasks that Completed."""
    return Call(
        SQL.outputs,
        {
            "execution_id": execution_id,
            "task_ids": list(task_ids),
            "most_bytes": MOST_MERGED * max_context_bytes,
        },
    )


def output_texts(rows: Sequence[Row], max_context_bytes: int) -> dict[str, str]:
    """Read what `outputs_call` gave.

    Raises:
        ContextTooLarge: all together are more than anyone would want to read.
    """
    if rows and rows[0].text is None:
        raise ContextTooLarge(int(rows[0].total), max_context_bytes)
    return {row.task_id: row.text for row in rows}


def read_outputs(
    unit: Unit, execution_id: UUID, task_ids: Collection[str], max_context_bytes: int
) -> dict[str, str]:
    """Ask for outputs and read them; parameters and errors as for the two."""
    if not task_ids:
        return {}
    rows = unit.ask(outputs_call(execution_id, task_ids, max_context_bytes))[0]
    return output_texts(rows, max_context_bytes)
