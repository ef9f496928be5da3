"""Executions are accepted whole, or refused with nothing stored."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from cloacina.dag.errors import ContextError, ContextTooLarge
from cloacina.executions.errors import WorkflowInputInvalid
from cloacina.executions.models import EventRow, ExecutionRow, TaskRow
from tests.cloacina.executions.runs import Runs, chain, task

REGION = {"name": "region", "schema": {"type": "string"}, "required": True, "encrypted": False}
LIMIT = {
    "name": "limit",
    "schema": {"type": "integer"},
    "required": False,
    "encrypted": False,
    "default": 10,
}


def count_rows(runs: Runs) -> int:
    with runs.database.tenant(runs.tenant) as session:
        tables = (ExecutionRow, TaskRow, EventRow)
        return sum(session.scalars(select(func.count()).select_from(each)).one() for each in tables)


def test_an_execution_is_pending_with_its_roots_ready(runs: Runs) -> None:
    package = runs.workflow(task("b", "a"), task("a"), task("other"))
    execution_id = runs.start(package, day="2026-01-02")
    execution = runs.get(execution_id)
    assert (execution.status, execution.trigger_origin) == ("Pending", "manual")
    assert (execution.workflow_name, execution.package_name) == (
        package.workflow_name,
        package.package_name,
    )
    assert execution.workflow_version == package.workflow_version
    assert execution.context == {"day": "2026-01-02"}
    assert (execution.completed_at, execution.error) == (None, None)
    assert abs(execution.started_at - datetime.now(UTC)) < timedelta(seconds=30)
    assert runs.states(execution_id) == {"b": "NotStarted", "a": "Ready", "other": "Ready"}
    assert runs.kinds(execution_id) == [
        "workflow_started",
        "task_marked_ready a",
        "task_marked_ready other",
    ]


def test_what_is_missing_takes_its_default(runs: Runs) -> None:
    package = runs.workflow(*chain("a"), params=[REGION, LIMIT])
    assert runs.get(runs.start(package, region="eu")).context == {"region": "eu", "limit": 10}
    given = runs.get(runs.start(package, region="eu", limit=5, more=[1]))
    assert given.context == {"region": "eu", "limit": 5, "more": [1]}


def test_input_that_does_not_fit_is_refused_by_name(runs: Runs) -> None:
    package = runs.workflow(*chain("a"), params=[REGION, LIMIT])
    with pytest.raises(WorkflowInputInvalid) as caught:
        runs.start(package, limit="ten")
    assert "'region' is required" in caught.value.message
    assert "'limit' must be of type integer" in caught.value.message
    assert count_rows(runs) == 0


def test_keys_that_the_server_sets_itself_are_dropped(runs: Runs) -> None:
    reserved = dict.fromkeys(
        (
            "scheduled_time",
            "schedule_id",
            "schedule_timezone",
            "schedule_expression",
            "trigger_name",
            "triggered_at",
        ),
        "forged",
    )
    execution_id = runs.start(runs.workflow(*chain("a")), **reserved, mine=1)
    assert runs.get(execution_id).context == {"mine": 1}
    assert runs.must_claim(execution_id).input_context == '{"mine":1}'


@pytest.mark.parametrize(
    "value",
    ["ünïcode ☃ 𝄞", "nul \x00 inside", "lone \ud800 surrogate", 10**30, -0.5, None, [{}], {"": ""}],
)
def test_a_context_comes_back_as_it_was_given(runs: Runs, value: Any) -> None:
    execution_id = runs.start(runs.workflow(*chain("a")), value=value)
    assert runs.get(execution_id).context == {"value": value}
    runs.run(execution_id)
    assert runs.get(execution_id).context == {"value": value}


def test_the_order_of_keys_is_kept(runs: Runs) -> None:
    execution_id = runs.start(runs.workflow(*chain("a")), zeta=1, alpha=2, mid=3)
    runs.run(execution_id)
    assert list(runs.get(execution_id).context) == ["zeta", "alpha", "mid"]


def test_a_context_over_the_limit_is_refused_with_size_and_limit(runs: Runs) -> None:
    package = runs.workflow(*chain("a"))
    frame = len('{"text":""}')
    runs.start(package, 2000, text="x" * (2000 - frame))
    before = count_rows(runs)
    with pytest.raises(ContextTooLarge, match="is 2001 bytes, over the limit of 2000 bytes"):
        runs.start(package, 2000, text="x" * (2001 - frame))
    # bytes, not characters
    with pytest.raises(ContextTooLarge, match="is 2011 bytes"):
        runs.start(package, 2000, text="ü" * 1000)
    assert count_rows(runs) == before


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), {1, 2}])
def test_a_context_that_is_no_json_is_refused(runs: Runs, value: Any) -> None:
    with pytest.raises(ContextError):
        runs.start(runs.workflow(*chain("a")), value=value)
    assert count_rows(runs) == 0


def test_tasks_whose_rules_the_input_does_not_meet_are_skipped_at_once(runs: Runs) -> None:
    only_eu = {"type": "ContextValue", "key": "region", "operator": "Equals", "value": "eu"}
    package = runs.workflow(
        task("eu", trigger_rules=only_eu),
        task("after", "eu", trigger_rules={"type": "TaskSuccess", "task_name": "eu"}),
        task("report", "after"),
    )
    execution_id = runs.start(package, region="us")
    assert runs.states(execution_id) == {"eu": "Skipped", "after": "Skipped", "report": "Ready"}
    assert runs.events(execution_id)[1:] == [
        ("task_marked_ready", "report", None),
        ("task_skipped", "eu", {"reason": "Trigger rules not satisfied"}),
        ("task_skipped", "after", {"reason": "Trigger rules not satisfied"}),
    ]
    # nothing of its dependencies is left
    assert runs.must_claim(execution_id).input_context == "{}"


def test_an_execution_all_of_whose_tasks_are_skipped_is_completed_at_once(runs: Runs) -> None:
    never = {"type": "Any", "conditions": []}
    package = runs.workflow(task("a", trigger_rules=never), task("b", trigger_rules=never))
    execution_id = runs.start(package, x=1)
    execution = runs.get(execution_id)
    assert (execution.status, execution.context, execution.error) == ("Completed", {"x": 1}, None)
    assert execution.completed_at is not None
    assert runs.kinds(execution_id)[-1] == "workflow_completed"
    assert runs.claim(execution_id) is None


def test_a_wide_workflow_is_accepted_with_every_task(runs: Runs) -> None:
    package = runs.workflow(task("root"), *(task(f"t{number}", "root") for number in range(1000)))
    execution_id = runs.start(package)
    assert len(runs.states(execution_id)) == 1001
