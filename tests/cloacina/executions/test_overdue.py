"""Executions whose time is over."""

import pytest

from cloacina.executions.claims import Completed
from cloacina.executions.errors import LostClaim
from tests.cloacina.executions.runs import Runs, chain, task


def test_it_fails_with_what_runs_and_skips_the_rest(runs: Runs) -> None:
    package = runs.workflow(task("done"), task("runs"), task("waits"), task("later", "runs"))
    execution_id = runs.start(package, x=1)
    runs.complete(runs.must_claim(execution_id))
    claim = runs.must_claim(execution_id)
    runs.set_execution(execution_id, deadline_at=-0.01)
    before = len(runs.events(execution_id))

    assert runs.end_overdue() == 1

    error = "timeout: the execution took longer than 3600 s and was ended"
    execution = runs.get(execution_id)
    assert (execution.status, execution.error) == ("Failed", error)
    assert runs.states(execution_id) == {
        "done": "Completed",
        "runs": "Failed",
        "waits": "Skipped",
        "later": "Skipped",
    }
    assert runs.row(execution_id, "runs").last_error == error
    assert runs.events(execution_id)[before:] == [
        ("task_failed", "runs", {"error": error}),
        ("task_skipped", "waits", {"reason": "timeout"}),
        ("task_skipped", "later", {"reason": "timeout"}),
        ("workflow_failed", None, {"reason": error}),
    ]
    assert not runs.renew(claim)
    with pytest.raises(LostClaim):
        runs.finish(claim, Completed("{}"))
    assert runs.end_overdue() == 0


def test_the_time_begins_with_the_first_claim_and_no_other_claim_moves_it(runs: Runs) -> None:
    execution_id = runs.start(runs.workflow(*chain("a", "b")))
    assert runs.execution_row(execution_id).deadline_at is None
    claim = runs.must_claim(execution_id)
    first = runs.execution_row(execution_id).deadline_at
    assert first is not None
    runs.lose(claim)
    runs.complete(runs.must_claim(execution_id))
    runs.must_claim(execution_id)
    assert runs.execution_row(execution_id).deadline_at == first


def test_one_that_waits_to_begin_has_no_limit(runs: Runs) -> None:
    runs.start(runs.workflow(*chain("a")))
    assert runs.end_overdue() == 0


def test_what_ended_or_got_more_time_meanwhile_is_let_alone(runs: Runs) -> None:
    package = runs.workflow(*chain("a"))
    ended, longer, paused = (runs.start(package) for _ in range(3))
    claims = {each: runs.must_claim(each) for each in (ended, longer, paused)}
    for each in claims:
        runs.set_execution(each, deadline_at=-0.01)
    runs.complete(claims[ended])
    runs.set_execution(longer, deadline_at=60)
    runs.pause(paused)
    for each, status in ((ended, "Completed"), (longer, "Running"), (paused, "Paused")):
        with runs.unit() as unit:
            assert not runs.control(unit).end_overdue(each, 3600)
        assert runs.get(each).status == status
    assert runs.end_overdue() == 0
