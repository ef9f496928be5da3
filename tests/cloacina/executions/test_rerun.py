"""Executions that are run again: from the start, or from what failed."""

import json
from uuid import UUID

import pytest

from cloacina.executions.claims import Claim, Completed, Outcome
from cloacina.executions.errors import ExecutionNotRerunnable
from tests.cloacina.executions.runs import Runs, chain, failed, input_of, task

ON_SUCCESS = {"type": "TaskSuccess", "task_name": "bad"}


def run(runs: Runs, execution_id: UUID, *bad: str) -> list[str]:
    """Run an execution in which these tasks fail; each other adds its own name to the context."""

    def outcome(claim: Claim) -> Outcome:
        name = claim.task.id
        if name in bad:
            return failed()
        return Completed(json.dumps(input_of(claim) | {name: claim.attempt}))

    return [claim.task.id for claim in runs.run(execution_id, outcome)]


def test_from_the_start_all_runs_again_with_the_same_initial_context(runs: Runs) -> None:
    execution_id = runs.start(runs.workflow(*chain("a", "b")), x=1)
    run(runs, execution_id, "b")
    before = runs.events(execution_id)

    new_id = runs.rerun(execution_id, "start")

    assert new_id != execution_id
    new = runs.get(new_id)
    assert (new.status, new.trigger_origin, new.rerun_of) == ("Pending", "rerun", execution_id)
    assert new.context == {"x": 1}
    started = ("workflow_started", None, {"rerun_of": str(execution_id)})
    assert runs.events(new_id) == [started, ("task_marked_ready", "a", None)]
    assert run(runs, new_id) == ["a", "b"]
    assert runs.get(new_id).context == {"x": 1, "a": 1, "b": 1}
    # the origin stays as it was
    assert runs.events(execution_id) == before
    assert runs.get(execution_id).status == "Failed"


def test_what_completed_can_be_run_again_from_the_start_alone(runs: Runs) -> None:
    execution_id = runs.start(runs.workflow(*chain("a")))
    run(runs, execution_id)
    with pytest.raises(ExecutionNotRerunnable, match="nothing failed") as caught:
        runs.rerun(execution_id)
    assert caught.value.code == "execution_not_rerunnable"
    assert run(runs, runs.rerun(execution_id, "start")) == ["a"]


@pytest.mark.parametrize("start_from", ["start", "failed"])
def test_what_has_not_ended_is_not_run_again(runs: Runs, start_from: str) -> None:
    execution_id = runs.start(runs.workflow(*chain("a", "b")))
    for status, go_on in (
        ("Pending", lambda: runs.must_claim(execution_id)),
        ("Running", lambda: runs.pause(execution_id)),
        ("Paused", lambda: None),
    ):
        with pytest.raises(ExecutionNotRerunnable, match=f"is {status}: cancel it or wait"):
            runs.rerun(execution_id, start_from)
        go_on()


def test_from_what_failed_the_outputs_of_what_completed_are_taken_over(runs: Runs) -> None:
    package = runs.workflow(
        task("root"),
        task("good", "root"),
        task("bad", "root"),
        task("join", "good", "bad"),
        task("alone"),
    )
    execution_id = runs.start(package, x=1)
    # `join` ran after the failure, on what there was: it has to run again
    assert run(runs, execution_id, "bad") == ["root", "good", "bad", "join", "alone"]

    new_id = runs.rerun(execution_id)

    assert runs.states(new_id) == {
        "root": "Completed",
        "good": "Completed",
        "bad": "Ready",
        "join": "NotStarted",
        "alone": "Completed",
    }
    assert runs.execution_row(new_id).open_tasks == 2
    assert runs.row(new_id, "good").attempt == 1
    assert run(runs, new_id) == ["bad", "join"]
    new = runs.get(new_id)
    assert (new.status, new.error) == ("Completed", None)
    assert new.context == {"x": 1, "root": 1, "good": 1, "bad": 1, "join": 1, "alone": 1}
    kinds = runs.kinds(new_id)
    assert not [kind for kind in kinds if kind.endswith((" root", " good", " alone"))]


def test_what_the_rules_skipped_is_taken_over_unless_it_hangs_on_what_failed(runs: Runs) -> None:
    never = {"type": "Any", "conditions": []}
    package = runs.workflow(
        task("bad"),
        task("if_good", "bad", trigger_rules=ON_SUCCESS),
        task("never", trigger_rules=never),
        task("after", "never"),
    )
    execution_id = runs.start(package)
    run(runs, execution_id, "bad")
    new_id = runs.rerun(execution_id)
    assert runs.states(new_id) == {
        "bad": "Ready",
        "if_good": "NotStarted",
        "never": "Skipped",
        "after": "Completed",
    }
    assert run(runs, new_id) == ["bad", "if_good"]
    assert runs.execution_row(new_id).skipped_tasks == 1


def test_a_rerun_of_a_rerun_takes_over_what_that_took_over(runs: Runs) -> None:
    never = {"type": "Any", "conditions": []}
    package = runs.workflow(
        task("good"),
        task("never", trigger_rules=never),
        task("after", "never", "good"),
        task("bad"),
    )
    first = runs.start(package, x=1)
    run(runs, first, "bad")
    second = runs.rerun(first)
    assert run(runs, second, "bad") == ["bad"]
    assert runs.get(second).error == "1 task(s) failed, 2 completed, 1 skipped"

    third = runs.rerun(second)

    assert runs.get(third).rerun_of == second
    assert run(runs, third) == ["bad"]
    assert runs.states(third) == {
        "good": "Completed",
        "never": "Skipped",
        "after": "Completed",
        "bad": "Completed",
    }
    assert runs.get(third).context == {"good": 1, "after": 1, "x": 1, "bad": 1}


def test_a_cancelled_one_goes_on_from_where_it_was_cancelled(runs: Runs) -> None:
    execution_id = runs.start(runs.workflow(*chain("a", "b", "c")), x=1)
    runs.complete(runs.must_claim(execution_id), a=1)
    runs.must_claim(execution_id)
    runs.cancel(execution_id)
    new_id = runs.rerun(execution_id)
    assert runs.states(new_id) == {"a": "Completed", "b": "Ready", "c": "NotStarted"}
    assert run(runs, new_id) == ["b", "c"]
    assert runs.get(new_id).context == {"x": 1, "a": 1, "b": 1, "c": 1}


def test_one_that_was_cancelled_before_anything_ran_runs_as_a_whole(runs: Runs) -> None:
    execution_id = runs.start(runs.workflow(*chain("a", "b")))
    runs.cancel(execution_id)
    assert run(runs, runs.rerun(execution_id)) == ["a", "b"]


def test_one_whose_time_was_over_goes_on_from_there_with_a_new_limit(runs: Runs) -> None:
    execution_id = runs.start(runs.workflow(*chain("a", "b", "c")))
    runs.complete(runs.must_claim(execution_id))
    runs.must_claim(execution_id)
    runs.set_execution(execution_id, deadline_at=-1)
    assert runs.end_overdue() == 1
    new_id = runs.rerun(execution_id)
    assert runs.execution_row(new_id).deadline_at is None
    assert run(runs, new_id) == ["b", "c"]
    assert runs.get(new_id).status == "Completed"


def test_rules_read_the_outputs_that_were_taken_over(runs: Runs) -> None:
    rule = {"type": "ContextValue", "key": "good", "operator": "Equals", "value": 1}
    package = runs.workflow(
        task("good"), task("bad"), task("join", "good", "bad", trigger_rules=rule)
    )
    execution_id = runs.start(package)
    run(runs, execution_id, "bad")
    new_id = runs.rerun(execution_id)
    assert run(runs, new_id) == ["bad", "join"]


def test_attempts_and_retries_begin_anew(runs: Runs) -> None:
    execution_id = runs.start(runs.workflow(task("a", retry={"max_attempts": 2})))
    for _ in range(2):
        runs.set_task(execution_id, "a", ready_at=-1)
        runs.finish(runs.must_claim(execution_id), failed(retryable=True))
    assert runs.get(execution_id).status == "Failed"
    new_id = runs.rerun(execution_id)
    claim = runs.must_claim(new_id)
    assert claim.attempt == 1
    runs.finish(claim, failed(retryable=True))
    assert runs.states(new_id) == {"a": "Ready"}


def test_a_rerun_is_tracked_apart_from_its_origin(runs: Runs) -> None:
    execution_id = runs.start(runs.workflow(*chain("a")))
    run(runs, execution_id, "a")
    reruns = {runs.rerun(execution_id) for _ in range(3)}
    assert len(reruns) == 3
    for each in reruns:
        run(runs, each)
    assert {runs.get(each).status for each in reruns} == {"Completed"}


def test_a_rerun_in_which_nothing_is_left_to_run_ends_with_what_was_taken_over(runs: Runs) -> None:
    unless_good = {"type": "None", "conditions": [{"type": "TaskSuccess", "task_name": "good"}]}
    package = runs.workflow(task("bad", trigger_rules=unless_good), task("good"))
    execution_id = runs.start(package, x=1)
    # it began while nothing was known of the other yet
    assert run(runs, execution_id, "bad") == ["bad", "good"]
    new_id = runs.rerun(execution_id)
    assert runs.states(new_id) == {"bad": "Skipped", "good": "Completed"}
    new = runs.get(new_id)
    assert (new.status, new.context) == ("Completed", {"x": 1, "good": 1})
    assert runs.kinds(new_id) == ["workflow_started", "task_skipped bad", "workflow_completed"]
