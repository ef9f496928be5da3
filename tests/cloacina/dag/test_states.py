from hypothesis import given
from hypothesis import strategies as st

from cloacina.dag.states import (
    TERMINAL_EXECUTION_STATES,
    TERMINAL_TASK_STATES,
    ExecutionState,
    SubStatus,
    TaskState,
    execution_outcome,
)


def test_the_states_are_those_of_the_specification():
    assert " ".join(ExecutionState) == "Pending Running Paused Completed Failed Cancelled"
    assert " ".join(TaskState) == "NotStarted Ready Running Completed Failed Skipped"
    assert " ".join(SubStatus) == "Active Deferred"
    assert set(TERMINAL_EXECUTION_STATES) == {"Completed", "Failed", "Cancelled"}
    assert set(TERMINAL_TASK_STATES) == {"Completed", "Failed", "Skipped"}


@given(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9))
def test_an_execution_fails_exactly_when_a_task_failed(failed, completed, skipped):
    state, error = execution_outcome(failed, completed, skipped)

    assert state == ("Failed" if failed else "Completed")
    assert (error is None) == (state == "Completed")


def test_the_error_text_counts_the_tasks():
    assert execution_outcome(1, 2, 3) == (
        ExecutionState.FAILED,
        "1 task(s) failed, 2 completed, 3 skipped",
    )
