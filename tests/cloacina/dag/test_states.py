from collections import Counter

import pytest
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
from tests.cloacina.dag.strategies import OUTCOMES


def test_the_states_are_those_of_the_specification():
    assert " ".join(ExecutionState) == "Pending Running Paused Completed Failed Cancelled"
    assert " ".join(TaskState) == "NotStarted Ready Running Completed Failed Skipped"
    assert " ".join(SubStatus) == "Active Deferred"
    assert set(TERMINAL_EXECUTION_STATES) == {"Completed", "Failed", "Cancelled"}
    assert set(TERMINAL_TASK_STATES) == {"Completed", "Failed", "Skipped"}


@given(st.lists(OUTCOMES))
def test_an_execution_fails_exactly_when_a_task_failed(states):
    state, error = execution_outcome(states)

    assert state == ("Failed" if "Failed" in states else "Completed")
    assert (error is None) == (state == "Completed")


def test_the_error_text_counts_the_tasks():
    counts = Counter(Completed=2, Failed=1, Skipped=3)

    assert execution_outcome(counts.elements()) == (
        ExecutionState.FAILED,
        "1 task(s) failed, 2 completed, 3 skipped",
    )


def test_an_execution_with_a_task_that_has_not_ended_has_no_outcome():
    with pytest.raises(ValueError, match="Ready, Running has not ended"):
        execution_outcome(["Completed", "Running", "Failed", "Ready"])
