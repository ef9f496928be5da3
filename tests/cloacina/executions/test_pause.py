"""Paused executions: what runs ends, nothing starts, and the time limit stands still."""

import pytest

from cloacina.executions.claims import Completed, Failed
from cloacina.executions.errors import ExecutionNotPausable, ExecutionNotResumable
from tests.cloacina.executions.runs import Runs, chain, failed, task


def test_nothing_of_a_paused_execution_is_claimed_but_of_others(runs: Runs) -> None:
    package = runs.workflow(task("a"), task("b"))
    paused, other = runs.start(package), runs.start(package)
    runs.pause(paused)
    assert runs.get(paused).status == "Paused"
    assert runs.claim(paused) is None
    assert {runs.must_claim().execution_id for _ in range(2)} == {other}
    assert runs.claim() is None
    assert runs.kinds(paused)[-1] == "workflow_paused"


def test_what_runs_ends_and_what_follows_waits_for_the_resume(runs: Runs) -> None:
    execution_id = runs.start(runs.workflow(*chain("a", "b", "c")))
    claim = runs.must_claim(execution_id)
    runs.pause(execution_id)

    assert runs.renew(claim)
    finished = runs.finish(claim, Completed('{"a": 1}'), claim_more=True)

    assert (finished.following, finished.ended) == (None, False)
    assert runs.get(execution_id).status == "Paused"
    assert runs.states(execution_id) == {"a": "Completed", "b": "Ready", "c": "NotStarted"}
    assert runs.claim() is None

    runs.resume(execution_id)

    assert runs.get(execution_id).status == "Running"
    assert [each.task.id for each in runs.run(execution_id)] == ["b", "c"]
    execution = runs.get(execution_id)
    assert (execution.status, execution.context) == ("Completed", {"a": 1})
    kinds = runs.kinds(execution_id)
    assert kinds[kinds.index("workflow_paused") :] == [
        "workflow_paused",
        "task_completed a",
        "task_marked_ready b",
        "workflow_resumed",
        "task_started b",
        "task_completed b",
        "task_marked_ready c",
        "task_started c",
        "task_completed c",
        "workflow_completed",
    ]


def test_a_finished_task_of_a_paused_execution_leads_to_another_execution(runs: Runs) -> None:
    package = runs.workflow(*chain("a", "b"))
    paused, other = runs.start(package), runs.start(package)
    claim = runs.must_claim(paused)
    runs.pause(paused)
    following = runs.finish(claim, Completed("{}"), claim_more=True).following
    assert following is not None
    assert (following.execution_id, following.task.id) == (other, "a")


def test_the_last_running_task_ends_a_paused_execution(runs: Runs) -> None:
    for outcome, status in ((Completed("{}"), "Completed"), (failed(), "Failed")):
        execution_id = runs.start(runs.workflow(*chain("a")))
        claim = runs.must_claim(execution_id)
        runs.pause(execution_id)
        assert runs.finish(claim, outcome).ended
        assert runs.get(execution_id).status == status
        assert runs.execution_row(execution_id).paused_at is None
        with pytest.raises(ExecutionNotResumable):
            runs.resume(execution_id)


def test_a_retry_that_falls_due_in_the_pause_waits_for_the_resume(runs: Runs) -> None:
    execution_id = runs.start(runs.workflow(task("a"), task("b")))
    first = runs.must_claim(execution_id)
    runs.pause(execution_id)
    runs.finish(first, Failed("again"))
    assert runs.claim(execution_id) is None
    assert runs.claim() is None
    runs.resume(execution_id)
    assert {runs.must_claim(execution_id).task.id for _ in range(2)} == {"a", "b"}


def test_a_retry_keeps_its_moment_over_a_pause(runs: Runs) -> None:
    later = {"initial_delay_s": 60.0, "jitter": False}
    execution_id = runs.start(runs.workflow(task("a", retry=later)))
    runs.finish(runs.must_claim(execution_id), Failed("again"))
    before = runs.row(execution_id, "a").ready_at
    runs.pause(execution_id)
    runs.resume(execution_id)
    assert runs.row(execution_id, "a").ready_at == before
    assert runs.claim(execution_id) is None


def test_a_claim_that_is_lost_in_the_pause_is_given_back_and_waits(runs: Runs) -> None:
    execution_id = runs.start(runs.workflow(*chain("a")))
    claim = runs.must_claim(execution_id)
    runs.pause(execution_id)
    runs.lose(claim)
    assert runs.claim(execution_id) is None
    assert runs.claim() is None
    runs.resume(execution_id)
    assert runs.must_claim(execution_id).attempt == 1


def test_the_time_limit_does_not_count_pauses(runs: Runs) -> None:
    execution_id = runs.start(runs.workflow(*chain("a", "b")))
    runs.complete(runs.must_claim(execution_id))
    before = runs.execution_row(execution_id).deadline_at
    assert before is not None
    runs.pause(execution_id)
    # long enough for the limit to pass
    runs.set_execution(execution_id, paused_at=-5000, deadline_at=-1400)
    assert runs.end_overdue() == 0
    runs.resume(execution_id)
    left = runs.execution_row(execution_id)
    assert left.deadline_at is not None
    assert abs((left.deadline_at - before).total_seconds()) < 30
    assert left.paused_at is None
    assert runs.end_overdue() == 0
    runs.run(execution_id)
    assert runs.get(execution_id).status == "Completed"


def test_what_was_paused_before_its_first_claim_has_its_whole_time(runs: Runs) -> None:
    execution_id = runs.start(runs.workflow(*chain("a")))
    runs.pause(execution_id)
    runs.set_execution(execution_id, paused_at=-5000)
    runs.resume(execution_id)
    assert runs.get(execution_id).status == "Pending"
    assert runs.execution_row(execution_id).deadline_at is None
    runs.must_claim(execution_id)
    row = runs.execution_row(execution_id)
    assert row.deadline_at is not None
    claimed = runs.row(execution_id, "a").started_at
    assert claimed is not None
    assert abs((row.deadline_at - claimed).total_seconds() - 3600) < 1


def test_twice_is_refused(runs: Runs) -> None:
    execution_id = runs.start(runs.workflow(*chain("a")))
    with pytest.raises(ExecutionNotResumable, match="is Pending and cannot be resumed") as caught:
        runs.resume(execution_id)
    assert caught.value.code == "execution_not_resumable"
    runs.pause(execution_id)
    with pytest.raises(ExecutionNotPausable, match="is Paused and cannot be paused") as again:
        runs.pause(execution_id)
    assert again.value.code == "execution_not_pausable"
    runs.resume(execution_id)
    with pytest.raises(ExecutionNotResumable):
        runs.resume(execution_id)
    kinds = runs.kinds(execution_id)
    assert kinds.count("workflow_paused") == kinds.count("workflow_resumed") == 1
