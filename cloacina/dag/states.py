"""The states of executions and tasks, and how an execution ends."""

from enum import StrEnum
from typing import Final


class ExecutionState(StrEnum):
    """Where an execution of a workflow stands."""

    PENDING = "Pending"
    RUNNING = "Running"
    PAUSED = "Paused"
    COMPLETED = "Completed"
    FAILED = "Failed"
    CANCELLED = "Cancelled"


class TaskState(StrEnum):
    """Where a task of an execution stands."""

    NOT_STARTED = "NotStarted"
    READY = "Ready"
    RUNNING = "Running"
    COMPLETED = "Completed"
    FAILED = "Failed"
    SKIPPED = "Skipped"


class SubStatus(StrEnum):
    """What a running task does: it works, or it waits without a worker's slot."""

    ACTIVE = "Active"
    DEFERRED = "Deferred"


TERMINAL_EXECUTION_STATES: Final = frozenset(
    {ExecutionState.COMPLETED, ExecutionState.FAILED, ExecutionState.CANCELLED}
)
TERMINAL_TASK_STATES: Final = frozenset({TaskState.COMPLETED, TaskState.FAILED, TaskState.SKIPPED})

RULES_NOT_SATISFIED: Final = "Trigger rules not satisfied"
"""The reason in the event of a task that its trigger rules skipped."""


def execution_outcome(
    failed: int, completed: int, skipped: int
) -> tuple[ExecutionState, str | None]:
    """Tell how an execution ends, once every task of it has.

    Parameters:
        failed, completed, skipped: how many tasks ended so.

    Returns:
        Failed with its error text when any task failed, else Completed without one.
    """
    if not failed:
        return ExecutionState.COMPLETED, None
    return (
        ExecutionState.FAILED,
        f"{failed} task(s) failed, {completed} completed, {skipped} skipped",
    )
