"""Cancelled executions: nothing more starts, nothing is stored, and the end stays what it is."""

from uuid import uuid4

import pytest

from cloacina.errors import Conflict
from cloacina.executions.claims import Completed, Failed, GivenBack
from cloacina.executions.errors import (
    ExecutionNotCancellable,
    ExecutionNotFound,
    ExecutionNotPausable,
    ExecutionNotResumable,
    LostClaim,
)
from tests.cloacina.executions.runs import Runs, chain, failed, task


def test_all_that_has_not_ended_is_skipped_and_what_has_stays(runs: Runs) -> None:
    package = runs.workflow(task("done"), task("runs"), task("waits"), task("later", "runs"))
    execution_id = runs.start(package, x=1)
    runs.complete(runs.must_claim(execution_id))
    runs.must_claim(execution_id)
    before = len(runs.events(execution_id))

    runs.cancel(execution_id)

    assert runs.states(execution_id) == {
        "done": "Completed",
        "runs": "Skipped",
        "waits": "Skipped",
        "later": "Skipped",
    }
    execution = runs.get(execution_id)
    assert (execution.status, execution.error, execution.context) == ("Cancelled", None, {"x": 1})
    assert execution.completed_at is not None
    assert runs.events(execution_id)[before:] == [
        *(("task_skipped", name, {"reason": "cancelled"}) for name in ("runs", "waits", "later")),
        ("workflow_cancelled", None, None),
    ]
    row = runs.row(execution_id, "runs")
    assert (row.claim_token, row.lease_until, row.sub_status) == (None, None, None)
    assert runs.execution_row(execution_id).open_tasks == 0


@pytest.mark.parametrize("claim_more", [False, True])
@pytest.mark.parametrize("outcome", [Completed("{}"), failed(), Failed("again"), GivenBack()])
def test_what_comes_of_a_running_task_is_refused(
    runs: Runs, outcome: Completed | Failed | GivenBack, claim_more: bool
) -> None:
    execution_id = runs.start(runs.workflow(*chain("a", "b")))
    other_id = runs.start(runs.workflow(*chain("a")))
    claim = runs.must_claim(execution_id)
    runs.cancel(execution_id)
    events = runs.events(execution_id)

    assert not runs.renew(claim)
    with pytest.raises(LostClaim):
        runs.finish(claim, outcome, claim_more=claim_more)

    assert runs.events(execution_id) == events
    assert runs.get(execution_id).status == "Cancelled"
    # and nothing of another was claimed on the way
    assert runs.states(other_id) == {"a": "Ready"}


def test_nothing_of_it_is_claimed_given_back_or_ended_any_more(runs: Runs) -> None:
    execution_id = runs.start(runs.workflow(task("a"), task("b")))
    runs.must_claim(execution_id)
    runs.cancel(execution_id)
    runs.set_task(execution_id, "a", lease_until=-1)
    runs.set_execution(execution_id, deadline_at=-1)
    assert runs.claim(execution_id) is None
    assert runs.claim() is None
    assert runs.give_back() == 0
    assert runs.end_overdue() == 0
    assert runs.get(execution_id).status == "Cancelled"


def test_what_waits_for_a_retry_is_cancelled_too(runs: Runs) -> None:
    later = {"initial_delay_s": 60.0, "jitter": False}
    execution_id = runs.start(runs.workflow(task("a", retry=later)))
    runs.finish(runs.must_claim(execution_id), Failed("again"))
    runs.cancel(execution_id)
    runs.set_task(execution_id, "a", ready_at=-1)
    assert runs.claim() is None
    assert runs.states(execution_id) == {"a": "Skipped"}


def test_a_paused_one_can_be_cancelled(runs: Runs) -> None:
    execution_id = runs.start(runs.workflow(*chain("a", "b")))
    runs.pause(execution_id)
    runs.cancel(execution_id)
    assert runs.get(execution_id).status == "Cancelled"
    assert runs.execution_row(execution_id).paused_at is None


@pytest.mark.parametrize("end", ["Completed", "Failed", "Cancelled"])
def test_what_has_ended_is_neither_cancelled_paused_nor_resumed(runs: Runs, end: str) -> None:
    execution_id = runs.start(runs.workflow(*chain("a")))
    if end == "Cancelled":
        runs.cancel(execution_id)
    else:
        outcome = Completed("{}") if end == "Completed" else failed()
        runs.finish(runs.must_claim(execution_id), outcome)
    events = runs.events(execution_id)
    asked: list[tuple[object, type[Conflict], str, str]] = [
        (runs.cancel, ExecutionNotCancellable, "execution_not_cancellable", "cancelled"),
        (runs.pause, ExecutionNotPausable, "execution_not_pausable", "paused"),
        (runs.resume, ExecutionNotResumable, "execution_not_resumable", "resumed"),
    ]
    for ask, error, code, word in asked:
        with pytest.raises(error) as caught:
            ask(execution_id)
        assert (caught.value.code, isinstance(caught.value, Conflict)) == (code, True)
        assert caught.value.message == f"execution '{execution_id}' is {end} and cannot be {word}"
    assert runs.events(execution_id) == events
    assert runs.get(execution_id).status == end


def test_an_execution_that_is_not_there_is_not_found(runs: Runs) -> None:
    for ask in (runs.cancel, runs.pause, runs.resume, runs.rerun):
        with pytest.raises(ExecutionNotFound):
            ask(uuid4())
