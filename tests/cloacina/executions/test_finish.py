"""What a task's end changes: what follows it, what it skips, how the execution ends."""

import json
from typing import Any

import pytest

from cloacina.executions.claims import Claim, Completed, Failed, Outcome
from cloacina.executions.finishing import Finished
from tests.cloacina.executions.runs import Runs, chain, failed, task


def success(name: str) -> dict[str, Any]:
    return {"type": "TaskSuccess", "task_name": name}


def outcomes(**by_task: Outcome):
    """Give some tasks an outcome; the others hand on their input."""
    return lambda claim: by_task.get(claim.task.id, Completed(claim.input_context))


def test_a_chain_runs_in_order_and_hands_its_context_on(runs: Runs) -> None:
    execution_id = runs.start(runs.workflow(*chain("a", "b", "c")), n=0)
    for number, name in enumerate("abc"):
        claim = runs.must_claim(execution_id)
        assert (claim.task.id, claim.attempt) == (name, 1)
        assert json.loads(claim.input_context) == {"n": number}
        assert runs.claim(execution_id) is None
        assert runs.complete(claim, n=number + 1) == Finished(
            ready=int(name != "c"), ended=name == "c", left=name != "c"
        )
    execution = runs.get(execution_id)
    assert (execution.status, execution.context) == ("Completed", {"n": 3})
    assert execution.completed_at is not None
    assert execution.completed_at >= execution.started_at
    assert runs.events(execution_id) == [
        ("workflow_started", None, None),
        ("task_marked_ready", "a", None),
        ("task_started", "a", {"attempt": 1, "worker": "worker-1"}),
        ("task_completed", "a", None),
        ("task_marked_ready", "b", None),
        ("task_started", "b", {"attempt": 1, "worker": "worker-1"}),
        ("task_completed", "b", None),
        ("task_marked_ready", "c", None),
        ("task_started", "c", {"attempt": 1, "worker": "worker-1"}),
        ("task_completed", "c", None),
        ("workflow_completed", None, None),
    ]


def test_an_execution_runs_from_its_first_claim(runs: Runs) -> None:
    execution_id = runs.start(runs.workflow(*chain("a")))
    assert runs.get(execution_id).status == "Pending"
    runs.must_claim(execution_id)
    assert runs.get(execution_id).status == "Running"
    row = runs.row(execution_id, "a")
    assert (row.status, row.attempt, row.worker) == ("Running", 1, "worker-1")
    assert row.started_at is not None


def test_ready_tasks_are_claimed_in_order_of_declaration(runs: Runs) -> None:
    execution_id = runs.start(runs.workflow(task("z"), task("a"), task("m")))
    assert [claim.task.id for claim in runs.run(execution_id)] == ["z", "a", "m"]


def test_a_join_waits_for_all_and_merges_in_declared_order(runs: Runs) -> None:
    package = runs.workflow(
        task("join", "right", "left"), task("left", "root"), task("root"), task("right", "root")
    )
    execution_id = runs.start(package)
    runs.complete(runs.must_claim(execution_id), items=[1], by={"root": 1}, who="root")
    left, right = (runs.must_claim(execution_id) for _ in range(2))
    assert [left.task.id, right.task.id] == ["left", "right"]
    # the order in which they end changes nothing
    assert runs.complete(left, items=[1, 2], by={"left": 1}, who="left").ready == 0
    assert runs.claim(execution_id) is None
    assert runs.complete(right, items=[3, 1], by={"right": 1}, who="right").ready == 1
    merged = json.loads(runs.must_claim(execution_id).input_context)
    assert merged == {"items": [3, 1, 2], "by": {"right": 1, "left": 1}, "who": "left"}
    assert list(merged["by"]) == ["right", "left"]


def test_a_dependency_that_failed_contributes_nothing(runs: Runs) -> None:
    package = runs.workflow(task("bad"), task("good"), task("join", "bad", "good"))
    execution_id = runs.start(package, x=1)
    good = Completed('{"good": true}')
    taken = runs.run(execution_id, outcomes(bad=failed(), good=good))
    assert taken[-1].task.id == "join"
    assert json.loads(taken[-1].input_context) == {"good": True}


def test_with_no_dependency_left_the_input_is_empty(runs: Runs) -> None:
    execution_id = runs.start(runs.workflow(*chain("a", "b")), x=1)
    taken = runs.run(execution_id, outcomes(a=failed()))
    assert (taken[-1].task.id, taken[-1].input_context) == ("b", "{}")


def test_a_failure_fails_the_execution_once_all_has_ended_and_counts(runs: Runs) -> None:
    package = runs.workflow(
        task("a"),
        task("b", "a"),
        task("c", "a", trigger_rules=success("a")),
        task("d", "c"),
        task("e", "c", trigger_rules=success("c")),
    )
    execution_id = runs.start(package)
    runs.run(execution_id, outcomes(a=failed("KeyError: 'x'")))
    assert runs.states(execution_id) == {
        "a": "Failed",
        "b": "Completed",
        "c": "Skipped",
        "d": "Completed",
        "e": "Skipped",
    }
    execution = runs.get(execution_id)
    error = "1 task(s) failed, 2 completed, 2 skipped"
    assert (execution.status, execution.error) == ("Failed", error)
    events = runs.events(execution_id)
    assert ("task_failed", "a", {"error": "KeyError: 'x'"}) in events
    assert ("task_skipped", "c", {"reason": "Trigger rules not satisfied"}) in events
    assert events[-1] == ("workflow_failed", None, {"reason": error})


def test_what_a_skip_satisfies_runs_within_the_same_step(runs: Runs) -> None:
    skipped = [
        task(f"s{number}", "root" if number == 0 else f"s{number - 1}", trigger_rules=success("no"))
        for number in range(5)
    ]
    package = runs.workflow(task("no"), task("root"), *skipped, task("last", "s4"))
    execution_id = runs.start(package)
    no, root = runs.must_claim(execution_id), runs.must_claim(execution_id)
    runs.finish(no, failed())
    assert runs.complete(root) == Finished(ready=1, ended=False, left=True)
    assert runs.must_claim(execution_id).task.id == "last"


@pytest.mark.parametrize(
    ("rule", "runs_after"),
    [
        ({"type": "TaskSuccess", "task_name": "a"}, {"ok"}),
        ({"type": "TaskFailed", "task_name": "a"}, {"bad"}),
        ({"type": "TaskSkipped", "task_name": "s"}, {"ok", "bad"}),
        ({"type": "TaskSuccess", "task_name": "acme::p::w::a"}, {"ok"}),
        (
            {"type": "ContextValue", "key": "n", "operator": "GreaterThan", "value": 4},
            {"ok"},
        ),
        ({"type": "ContextValue", "key": "n", "operator": "NotExists", "value": None}, {"bad"}),
        (
            {"type": "All", "conditions": [success("a"), success("s")]},
            set(),
        ),
    ],
)
@pytest.mark.parametrize("how", ["ok", "bad"])
def test_rules_decide_when_all_dependencies_have_ended(
    runs: Runs, rule: dict[str, Any], runs_after: set[str], how: str
) -> None:
    package = runs.workflow(
        task("a"),
        task("s", trigger_rules={"type": "Any", "conditions": []}),
        task("b", "a", "s", trigger_rules=rule),
    )
    execution_id = runs.start(package)
    outcome = Completed('{"n": 5}') if how == "ok" else failed()
    runs.run(execution_id, outcomes(a=outcome))
    expected = "Completed" if how in runs_after else "Skipped"
    assert runs.states(execution_id)["b"] == expected


def test_the_final_context_merges_the_leaves_in_topological_order(runs: Runs) -> None:
    package = runs.workflow(task("late", "first"), task("early"), task("first"), task("alone"))
    execution_id = runs.start(package, start=1)

    def outcome(claim: Claim) -> Outcome:
        return Completed(json.dumps({"by": [claim.task.id], "last": claim.task.id}))

    runs.run(execution_id, outcome)
    # `first` is no leaf
    assert runs.get(execution_id).context == {"by": ["early", "late", "alone"], "last": "alone"}


def test_leaves_that_did_not_complete_are_left_out_of_the_final_context(runs: Runs) -> None:
    package = runs.workflow(task("good"), task("bad"))
    execution_id = runs.start(package, start=1)
    runs.run(execution_id, outcomes(good=Completed('{"good": 1}'), bad=failed()))
    assert runs.get(execution_id).context == {"good": 1}


def test_with_no_leaf_completed_the_final_context_is_the_initial_one(runs: Runs) -> None:
    execution_id = runs.start(runs.workflow(*chain("a", "b")), start=1)
    runs.run(execution_id, outcomes(a=Completed('{"a": 1}'), b=failed()))
    assert runs.get(execution_id).context == {"start": 1}


def test_contexts_that_meet_keep_their_characters_and_their_size(runs: Runs) -> None:
    package = runs.workflow(task("a"), task("b"), task("join", "a", "b"))
    execution_id = runs.start(package)
    texts = {name: json.dumps({name: "ü" * 100}, ensure_ascii=False) for name in "ab"}
    given = {name: Completed(text) for name, text in texts.items()}
    *_, join = runs.run(execution_id, outcomes(**given))
    assert json.loads(join.input_context) == {"a": "ü" * 100, "b": "ü" * 100}
    # not blown up by escapes: what was within the limit stays comparable with it
    assert len(join.input_context.encode()) <= sum(len(text.encode()) for text in texts.values())


def test_an_error_is_kept_with_its_details_until_the_task_succeeds(runs: Runs) -> None:
    execution_id = runs.start(runs.workflow(*chain("a")))
    retried = Failed("OSError: net", "Traceback: deep", retryable=True)
    runs.finish(runs.must_claim(execution_id), retried)
    row = runs.row(execution_id, "a")
    assert (row.last_error, row.error_details) == ("OSError: net", "Traceback: deep")
    runs.complete(runs.must_claim(execution_id))
    row = runs.row(execution_id, "a")
    assert (row.last_error, row.error_details, row.attempt) == (None, None, 2)


@pytest.mark.parametrize(
    "text", ["nul \x00", "lone \ud800", "ünïcode ☃", "\x1b[31m", "x" * 200_000]
)
def test_an_error_of_any_characters_can_be_stored(runs: Runs, text: str) -> None:
    execution_id = runs.start(runs.workflow(*chain("a", "b")))
    runs.run(execution_id, outcomes(a=Failed(text, text, retryable=False)))
    assert runs.states(execution_id) == {"a": "Failed", "b": "Completed"}
    row = runs.row(execution_id, "a")
    assert row.last_error
    assert len(row.last_error) <= 20_000
    assert row.error_details
    (event,) = [data for kind, _, data in runs.events(execution_id) if kind == "task_failed"]
    assert event == {"error": row.last_error}


def test_a_fan_out_of_many_is_readied_by_one_end_and_joined_by_the_last(runs: Runs) -> None:
    names = [f"t{number}" for number in range(60)]
    package = runs.workflow(task("root"), *(task(n, "root") for n in names), task("join", *names))
    execution_id = runs.start(package)
    assert runs.complete(runs.must_claim(execution_id)).ready == 60
    claimed = [runs.must_claim(execution_id) for _ in names]
    finished = [runs.complete(claim, **{claim.task.id: 1}) for claim in reversed(claimed)]
    assert [each.ready for each in finished] == [0] * 59 + [1]
    join = runs.must_claim(execution_id)
    assert json.loads(join.input_context) == dict.fromkeys(names, 1)
    assert runs.complete(join).ended
    assert runs.get(execution_id).status == "Completed"
