"""Claims: one live one for a task, fenced, and given back when their worker is gone."""

import json
from uuid import uuid4

import pytest

from cloacina.executions.claims import LEASE_S, MOST_RESETS, Completed
from cloacina.executions.errors import LostClaim
from tests.cloacina.executions.runs import Runs, chain, failed, task


def test_a_claimed_task_is_nobody_elses(runs: Runs) -> None:
    execution_id = runs.start(runs.workflow(*chain("a", "b")))
    runs.must_claim(execution_id)
    assert runs.claim(execution_id) is None
    assert runs.claim() is None


def test_a_claim_of_nothing_and_of_no_execution_is_none(runs: Runs) -> None:
    assert runs.claim() is None
    assert runs.claim(uuid4()) is None
    execution_id = runs.start(runs.workflow(*chain("a")))
    runs.run(execution_id)
    assert runs.claim(execution_id) is None


def test_whatever_waits_longest_is_claimed_where_no_execution_is_named(runs: Runs) -> None:
    package = runs.workflow(*chain("a"))
    first, second = runs.start(package), runs.start(package)
    runs.set_task(second, "a", ready_at=-60)
    runs.set_task(first, "a", ready_at=-30)
    assert [runs.must_claim().execution_id for _ in range(2)] == [second, first]


def test_a_lease_is_held_on_to_while_it_is_renewed(runs: Runs) -> None:
    execution_id = runs.start(runs.workflow(*chain("a")))
    claim = runs.must_claim(execution_id)
    before = runs.row(execution_id, "a").lease_until
    runs.set_task(execution_id, "a", lease_until=1)
    assert runs.renew(claim)
    after = runs.row(execution_id, "a").lease_until
    assert before is not None
    assert after is not None
    assert after >= before
    assert runs.give_back() == 0
    assert LEASE_S == 8


def test_a_claim_whose_lease_is_over_is_given_back_and_costs_no_attempt(runs: Runs) -> None:
    execution_id = runs.start(runs.workflow(*chain("a")))
    claim = runs.must_claim(execution_id, worker="gone")
    runs.lose(claim)
    assert runs.events(execution_id)[-1] == ("task_reset", "a", {"reason": "worker_lost"})
    row = runs.row(execution_id, "a")
    assert (row.status, row.attempt, row.resets, row.claim_token) == ("Ready", 0, 1, None)

    again = runs.must_claim(execution_id, worker="alive")
    assert (again.attempt, again.input_context) == (1, claim.input_context)
    assert again.token != claim.token
    runs.complete(again)
    assert runs.get(execution_id).status == "Completed"


def test_what_comes_of_a_lost_claim_is_refused_and_changes_nothing(runs: Runs) -> None:
    execution_id = runs.start(runs.workflow(*chain("a", "b")), x=1)
    lost = runs.must_claim(execution_id)
    runs.lose(lost)
    for outcome in (Completed('{"forged": 1}'), failed()):
        with pytest.raises(LostClaim):
            runs.finish(lost, outcome)
        assert not runs.renew(lost)
    again = runs.must_claim(execution_id)
    before = runs.events(execution_id)
    for outcome in (Completed('{"forged": 1}'), failed()):
        with pytest.raises(LostClaim):
            runs.finish(lost, outcome)
        assert not runs.renew(lost)
    assert runs.events(execution_id) == before
    runs.complete(again)
    with pytest.raises(LostClaim):
        runs.finish(lost, Completed('{"forged": 1}'))
    assert json.loads(runs.must_claim(execution_id).input_context) == {"x": 1}


def test_a_result_is_taken_once(runs: Runs) -> None:
    execution_id = runs.start(runs.workflow(*chain("a", "b")))
    claim = runs.must_claim(execution_id)
    runs.complete(claim)
    for outcome in (Completed("{}"), failed()):
        with pytest.raises(LostClaim):
            runs.finish(claim, outcome)
    assert runs.states(execution_id) == {"a": "Completed", "b": "Ready"}


def test_a_late_result_is_taken_while_nobody_else_has_the_claim(runs: Runs) -> None:
    execution_id = runs.start(runs.workflow(*chain("a")))
    claim = runs.must_claim(execution_id)
    runs.set_task(execution_id, "a", lease_until=-60)
    runs.complete(claim)
    assert runs.give_back() == 0
    assert runs.get(execution_id).status == "Completed"


def test_a_task_whose_worker_is_lost_again_and_again_fails(runs: Runs) -> None:
    execution_id = runs.start(runs.workflow(*chain("a", "b")), x=1)
    for _ in range(MOST_RESETS):
        runs.lose(runs.must_claim(execution_id))
    assert runs.states(execution_id) == {"a": "Ready", "b": "NotStarted"}
    runs.lose(runs.must_claim(execution_id))

    assert runs.states(execution_id) == {"a": "Failed", "b": "Ready"}
    row = runs.row(execution_id, "a")
    assert row.last_error is not None
    assert row.last_error.startswith("worker_lost: ")
    kinds = runs.kinds(execution_id)
    assert kinds.count("task_reset a") == MOST_RESETS
    assert kinds[-2:] == ["task_failed a", "task_marked_ready b"]
    runs.run(execution_id)
    assert runs.get(execution_id).error == "1 task(s) failed, 1 completed, 0 skipped"


def test_the_last_task_of_an_execution_ends_it_also_when_its_worker_is_lost(runs: Runs) -> None:
    execution_id = runs.start(runs.workflow(*chain("a")))
    for _ in range(MOST_RESETS + 1):
        runs.lose(runs.must_claim(execution_id))
    assert runs.get(execution_id).status == "Failed"
    assert runs.kinds(execution_id)[-1] == "workflow_failed"


def test_all_claims_of_a_worker_that_is_gone_are_given_back_at_once(runs: Runs) -> None:
    package = runs.workflow(*(task(f"t{number}") for number in range(5)))
    executions = [runs.start(package) for _ in range(3)]
    claimed = [runs.must_claim(each) for each in executions for _ in range(5)]
    for claim in claimed[:-1]:
        runs.set_task(claim.execution_id, claim.task.id, lease_until=-1)
    assert runs.give_back() == 14
    assert runs.give_back() == 0
    assert [list(runs.states(each).values()).count("Ready") for each in executions] == [5, 5, 4]
    assert all(runs.kinds(each).count("task_reset t0") == 1 for each in executions)


def test_several_tasks_of_one_execution_may_be_given_up_at_once(runs: Runs) -> None:
    package = runs.workflow(task("a"), task("b"), task("join", "a", "b"))
    execution_id = runs.start(package)
    for _ in range(MOST_RESETS + 1):
        for name in [runs.must_claim(execution_id).task.id for _ in range(2)]:
            runs.set_task(execution_id, name, lease_until=-1)
        assert runs.give_back() == 2
    assert runs.states(execution_id) == {"a": "Failed", "b": "Failed", "join": "Ready"}
    assert runs.must_claim(execution_id).input_context == "{}"
