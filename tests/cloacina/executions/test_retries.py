"""Failed attempts: as many as the policy says, after waits that the database holds."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from cloacina.executions.claims import Failed
from cloacina.executions.finishing import Finished
from tests.cloacina.executions.runs import Runs, chain, task

RETRYABLE = Failed("OSError: net", "Traceback", retryable=True)


def one_task(runs: Runs, **retry: Any):
    policy = {"initial_delay_s": 10.0, "backoff": "fixed", "jitter": False} | retry
    return runs.start(runs.workflow(task("a", retry=policy), task("b", "a")))


def wait_s(runs: Runs, execution_id: UUID) -> float:
    """Give the seconds from the last attempt's end until the next may begin."""
    row = runs.row(execution_id, "a")
    assert row.status == "Ready"
    assert row.ready_at is not None
    return round((row.ready_at - row.updated_at).total_seconds(), 2)


def test_a_failed_attempt_with_attempts_left_waits(runs: Runs) -> None:
    execution_id = one_task(runs)
    finished = runs.finish(runs.must_claim(execution_id), RETRYABLE)
    assert finished == Finished(ready=0, ended=False)
    assert wait_s(runs, execution_id) == 10.0
    row = runs.row(execution_id, "a")
    assert (row.status, row.attempt, row.claim_token, row.lease_until) == ("Ready", 1, None, None)
    assert runs.claim(execution_id) is None
    assert runs.claim() is None
    assert runs.states(execution_id)["b"] == "NotStarted"

    kind, name, data = runs.events(execution_id)[-1]
    assert (kind, name) == ("task_retry_scheduled", "a")
    assert data is not None
    assert data["attempt"] == 1
    retry_at = datetime.fromisoformat(data["retry_at"])
    assert row.ready_at == retry_at
    assert abs(retry_at - row.updated_at - timedelta(seconds=10)) < timedelta(milliseconds=2)

    runs.set_task(execution_id, "a", ready_at=-0.01)
    assert runs.must_claim(execution_id).attempt == 2


def test_attempts_are_all_runs_together(runs: Runs) -> None:
    execution_id = one_task(runs, max_attempts=3, initial_delay_s=0)
    attempts = [claim.attempt for claim in runs.run(execution_id, lambda _: RETRYABLE)]
    # and one of the task that comes after it, which fails as often as its own policy lets it
    assert attempts == [1, 2, 3, 1, 2, 3]
    row = runs.row(execution_id, "a")
    assert (row.status, row.attempt, row.max_attempts) == ("Failed", 3, 3)
    kinds = runs.kinds(execution_id)
    assert kinds.count("task_retry_scheduled a") == 2
    assert kinds.count("task_failed a") == 1


@pytest.mark.parametrize("attempts", [0, 1])
def test_none_and_one_mean_one_run(runs: Runs, attempts: int) -> None:
    execution_id = one_task(runs, max_attempts=attempts)
    runs.finish(runs.must_claim(execution_id), RETRYABLE)
    assert runs.states(execution_id)["a"] == "Failed"


def test_what_no_attempt_would_help_fails_at_once(runs: Runs) -> None:
    execution_id = one_task(runs, max_attempts=5)
    runs.finish(runs.must_claim(execution_id), Failed("ValueError: no", retryable=False))
    assert runs.states(execution_id) == {"a": "Failed", "b": "Ready"}
    assert runs.row(execution_id, "a").attempt == 1


@pytest.mark.parametrize(
    ("backoff", "multiplier", "waits"),
    [
        ("fixed", 2.0, [10, 10, 10]),
        ("linear", 1.5, [15, 30, 45]),
        ("exponential", 2.0, [10, 20, 40]),
        ("exponential", 10.0, [10, 60, 60]),
    ],
)
def test_waits_grow_as_the_policy_says(
    runs: Runs, backoff: str, multiplier: float, waits: list[float]
) -> None:
    execution_id = one_task(runs, max_attempts=4, backoff=backoff, multiplier=multiplier)
    found = []
    for _ in waits:
        runs.finish(runs.must_claim(execution_id), RETRYABLE)
        found.append(wait_s(runs, execution_id))
        runs.set_task(execution_id, "a", ready_at=-0.01)
    assert found == waits


def test_a_task_that_waits_keeps_nobody_from_the_others(runs: Runs) -> None:
    package = runs.workflow(task("slow", retry={"initial_delay_s": 60}), *chain("a", "b"))
    execution_id = runs.start(package)
    runs.finish(runs.must_claim(execution_id), RETRYABLE)
    assert [claim.task.id for claim in runs.run(execution_id)] == ["a", "b"]
    assert runs.get(execution_id).status == "Running"
