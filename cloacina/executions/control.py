"""Cancels, pauses, resumes and repeats executions, and ends those whose time is over."""

from uuid import UUID

from cloacina.dag.settle import kept_tasks
from cloacina.dag.states import (
    RULES_NOT_SATISFIED,
    TERMINAL_EXECUTION_STATES,
    ExecutionState,
    TaskState,
)
from cloacina.db import Call, Row, Unit
from cloacina.executions import queue
from cloacina.executions.creation import Request, create
from cloacina.executions.errors import (
    ExecutionNotCancellable,
    ExecutionNotFound,
    ExecutionNotPausable,
    ExecutionNotRerunnable,
    ExecutionNotResumable,
)
from cloacina.executions.graphs import GraphCache
from cloacina.executions.transition import SQL, Transition
from cloacina.packages.errors import WorkflowPaused
from cloacina.tenants import services as tenants

CANCELLED = "cancelled"
TIMEOUT = "timeout"
RERUN = "rerun"

FAILED, START = "failed", "start"
"""From where an execution may be run again."""


class Control:
    """What may be done to the executions of one tenant, each in a transaction of its own.

    Parameters:
        unit: acts as the tenant; each method commits it.
        graphs: of the packages.
        max_context_bytes: the size limit of a context.
    """

    def __init__(self, unit: Unit, graphs: GraphCache, max_context_bytes: int) -> None:
        self._unit = unit
        self._graphs = graphs
        self._max_context_bytes = max_context_bytes

    def cancel(self, execution_id: UUID) -> ExecutionState:
        """End an execution: what has not ended never runs, and what runs is killed within seconds.

        Returns:
            Its new state.

        Raises:
            ExecutionNotFound: there is none of this id.
            ExecutionNotCancellable: it has ended.
        """
        step, row, open_tasks = self._locked(execution_id)
        if row.status in TERMINAL_EXECUTION_STATES:
            raise ExecutionNotCancellable(execution_id, row.status)
        names = [task.task_id for task in open_tasks]
        step.stop(ExecutionState.CANCELLED, reason=CANCELLED, skipped=names, failed=(), error=None)
        self._unit.commit(*step.calls())
        return step.status

    def pause(self, execution_id: UUID) -> ExecutionState:
        """Start no further task of an execution; those that run go on to their end.

        Returns:
            Its new state.

        Raises:
            ExecutionNotFound: there is none of this id.
            ExecutionNotPausable: it is paused already, or has ended.
        """
        step, row, _ = self._locked(execution_id)
        if not step.claimable:
            raise ExecutionNotPausable(execution_id, row.status)
        step.status = ExecutionState.PAUSED
        step.paused_at = step.moment
        step.write(SQL.hold_ready)
        step.event("workflow_paused")
        self._unit.commit(*step.calls())
        return step.status

    def resume(self, execution_id: UUID, tenant_id: UUID) -> ExecutionState:
        """Let an execution go on; its time limit does not count the pause.

        Parameters:
            execution_id: the execution.
            tenant_id: its tenant, which is due at once.

        Returns:
            Its new state.

        Raises:
            ExecutionNotFound: there is none of this id.
            ExecutionNotResumable: it is not paused.
        """
        step, row, _ = self._locked(execution_id)
        if step.status is not ExecutionState.PAUSED:
            raise ExecutionNotResumable(execution_id, row.status)
        began = step.deadline_at is not None
        step.status = ExecutionState.RUNNING if began else ExecutionState.PENDING
        if step.deadline_at is not None and step.paused_at is not None:
            step.deadline_at += step.moment - step.paused_at
        step.paused_at = None
        step.write(SQL.release_ready)
        step.event("workflow_resumed")
        self._unit.commit(*step.calls(), *tenants.wake_calls(tenant_id, 0))
        return step.status

    def rerun(
        self,
        execution_id: UUID,
        tenant_id: UUID,
        *,
        start_from: str,
        request_id: str | None,
        most_open: int,
    ) -> tuple[UUID, str]:
        """Run an execution again, as a new one, on the version that it ran on.

        Parameters:
            execution_id: the one that has ended.
            tenant_id: its tenant, which is due at once.
            start_from: `start`, or `failed`: then all that does not hang on a task that failed, or
                never came to its turn, is taken over.
            request_id: of the request.
            most_open: executions of the tenant that may not have ended.

        Returns:
            The new execution's id, and the workflow's name.

        Raises:
            ExecutionNotFound: there is none of this id.
            ExecutionNotRerunnable: it has not ended, nothing in it failed, or its version of the
                package was deleted.
            WorkflowPaused: its workflow accepts no new executions.
            QueueFull: the tenant has so many.
        """
        which = {"execution_id": execution_id}
        by_rule = f"%{RULES_NOT_SATISFIED}%"
        rows, ended, counted = self._unit.ask(
            Call(SQL.origin, which),
            Call(SQL.ended_tasks, which | {"by_rule": by_rule}),
            queue.count_call(most_open),
        )
        if not rows:
            raise ExecutionNotFound(execution_id)
        (origin,) = rows
        if origin.status not in TERMINAL_EXECUTION_STATES:
            raise ExecutionNotRerunnable(
                f"execution '{execution_id}' is {origin.status}: cancel it or wait for its end"
            )
        if origin.is_paused:
            raise WorkflowPaused(origin.workflow_name)
        if origin.package_is_gone:
            raise ExecutionNotRerunnable(
                f"the package that execution '{execution_id}' ran was deleted:"
                f" run '{origin.workflow_name}' anew"
            )
        queue.check(counted, most_open)
        package, graph = self._graphs.entry(self._unit, origin.package_id)
        kept: dict[str, TaskState] = {}
        if start_from == FAILED:
            kept = kept_tasks(graph, {task.task_id: TaskState(task.status) for task in ended})
            if len(kept) == len(graph.tasks):
                raise ExecutionNotRerunnable(
                    f"nothing failed in execution '{execution_id}': run it again from the start"
                )
        request = Request(
            moment=origin.moment,
            context=origin.input_context,
            origin=RERUN,
            request_id=request_id,
            rerun_of=execution_id,
            kept=kept,
        )
        new_id, calls = create(self._unit, package, graph, request, self._max_context_bytes)
        self._unit.commit(*calls, *tenants.wake_calls(tenant_id, 0))
        return new_id, package.workflow_name

    def end_overdue(self, execution_id: UUID, timeout_s: float) -> bool:
        """End an execution whose time is over; what runs is killed within seconds.

        Parameters:
            execution_id: the execution.
            timeout_s: seconds that it had, for the text.

        Returns:
            False when it has ended otherwise, was paused or got more time meanwhile.
        """
        step, _, open_tasks = self._locked(execution_id)
        running = step.status is ExecutionState.RUNNING
        if not running or step.deadline_at is None or step.deadline_at >= step.moment:
            return False
        error = f"{TIMEOUT}: the execution took longer than {timeout_s:g} s and was ended"
        step.stop(
            ExecutionState.FAILED,
            reason=TIMEOUT,
            skipped=[task.task_id for task in open_tasks if task.status != TaskState.RUNNING],
            failed=[task.task_id for task in open_tasks if task.status == TaskState.RUNNING],
            error=error,
        )
        self._unit.commit(*step.calls())
        return True

    def _locked(self, execution_id: UUID) -> tuple[Transition, Row, list[Row]]:
        which = {"execution_id": execution_id}
        rows, open_tasks = self._unit.ask(
            Call(SQL.lock_execution, which), Call(SQL.open_tasks, which)
        )
        if not rows:
            raise ExecutionNotFound(execution_id)
        (row,) = rows
        graph = self._graphs.entry(self._unit, row.package_id)[1]
        step = Transition(self._unit, row, graph, max_context_bytes=self._max_context_bytes)
        return step, row, open_tasks


def overdue_executions(unit: Unit, most: int = 100) -> list[UUID]:
    """Give executions whose time is over, at most so many."""
    return [row.id for row in unit.ask(Call(SQL.overdue_executions, {"most": most}))[0]]
