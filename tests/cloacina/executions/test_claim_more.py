"""The next task is claimed in the transaction that ends the last one."""

import pytest

from cloacina.executions.claims import Claim, Completed, Failed, GivenBack, Outcome
from tests.cloacina.executions.runs import Runs, chain, failed, input_of, task

LATER = {"initial_delay_s": 60.0, "jitter": False}


def follow(runs: Runs, claim: Claim, outcome: Outcome) -> Claim:
    """Finish an attempt, after which there is more to do."""
    following = runs.finish(claim, outcome, claim_more=True).following
    assert following is not None
    row = runs.row(following.execution_id, following.task.id)
    assert (row.status, row.sub_status) == ("Running", "Active")
    assert (row.claim_token, row.attempt) == (following.token, following.attempt)
    assert row.id == following.id
    assert runs.renew(following)
    return following


def test_a_chain_is_worked_off_claim_by_claim(runs: Runs) -> None:
    execution_id = runs.start(runs.workflow(*chain("a", "b", "c")), x=1)
    claim = runs.must_claim(execution_id)
    for name in "bc":
        claim = follow(runs, claim, Completed('{"by": 1}'))
        assert (claim.task.id, claim.attempt) == (name, 1)
    finished = runs.finish(claim, Completed('{"end": true}'), claim_more=True)
    assert (finished.ended, finished.following) == (True, None)
    assert runs.get(execution_id).context == {"end": True}
    assert runs.kinds(execution_id)[2:5] == [
        "task_started a",
        "task_completed a",
        "task_marked_ready b",
    ]


@pytest.mark.parametrize(
    "outcome", [Completed('{"own": 1}'), Failed("again"), failed()], ids=["well", "again", "badly"]
)
def test_whatever_came_of_the_last_one_the_next_gets_its_own_input(
    runs: Runs, outcome: Outcome
) -> None:
    package = runs.workflow(
        task("last", retry=LATER), task("a"), task("b"), task("root"), task("join", "a", "b")
    )
    execution_id = runs.start(package, x=1)
    last, a, b = (runs.must_claim(execution_id) for _ in range(3))
    runs.complete(a, a=1)
    root = follow(runs, b, Completed('{"x": 1, "b": 2}'))
    assert (root.task.id, input_of(root)) == ("root", {"x": 1})
    join = follow(runs, last, outcome)
    assert (join.task.id, input_of(join)) == ("join", {"x": 1, "a": 1, "b": 2})


@pytest.mark.parametrize("outcome", [Completed("{}"), Failed("again"), failed()])
def test_another_executions_task_gets_its_own_input_too(runs: Runs, outcome: Outcome) -> None:
    package = runs.workflow(task("a", retry=LATER))
    first, second = runs.start(package, n=1), runs.start(package, n=2)
    following = follow(runs, runs.must_claim(first), outcome)
    assert (following.execution_id, input_of(following)) == (second, {"n": 2})


def test_a_retry_that_follows_at_once_is_claimed_as_the_next_attempt(runs: Runs) -> None:
    execution_id = runs.start(runs.workflow(*chain("a", "b")), x=1)
    claim = runs.must_claim(execution_id)
    runs.finish(claim, Failed("again"))
    again = runs.must_claim(execution_id)
    assert (again.attempt, input_of(again)) == (2, {"x": 1})


def test_what_was_given_back_is_claimed_again_as_the_same_attempt(runs: Runs) -> None:
    execution_id = runs.start(runs.workflow(*chain("a")))
    runs.finish(runs.must_claim(execution_id), Failed("again"))
    again = follow(runs, runs.must_claim(execution_id), GivenBack())
    assert (again.task.id, again.attempt) == ("a", 2)
    assert runs.row(execution_id, "a").attempt == 2


def test_tasks_of_the_own_execution_come_first_in_order_of_declaration(runs: Runs) -> None:
    package = runs.workflow(task("after", "root"), task("root"), task("z"), task("later", "root"))
    first, second = runs.start(package), runs.start(package)
    runs.set_task(second, "root", ready_at=-60)
    claim = runs.must_claim(first)
    taken = []
    while claim.execution_id == first:
        taken.append(claim.task.id)
        claim = follow(runs, claim, Completed("{}"))
    assert taken == ["root", "after", "z", "later"]
    assert claim.execution_id == second
