"""Each check of the chaos test can fail: it finds the one thing that is wrong in a story."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.chaos.checks import violations
from tests.chaos.evidence import Evidence, Happening, Lease, Sample
from tests.chaos.limits import LEASE_S, OUTLIVES_S
from tests.chaos.story import (
    AGAIN_AT,
    BEGAN,
    CHAIN,
    LOST_AT,
    sample,
    sound,
    with_body,
    with_event,
    with_task,
)

Spoil = Callable[[Evidence], Evidence]


def found(story: Evidence) -> set[str]:
    return {violation.check for violation in violations(story)}


def test_a_sound_story_passes() -> None:
    assert violations(sound()) == []


@pytest.mark.parametrize(
    ("check", "spoil"),
    [
        pytest.param(
            "accepted",
            lambda story: replace(story, executions=story.executions[1:]),
            id="accepted-and-not-there",
        ),
        pytest.param(
            "accepted",
            lambda story: replace(
                story,
                executions=[*story.executions, replace(story.executions[0], id="another")],
            ),
            id="accepted-once-and-there-twice",
        ),
        pytest.param(
            "ended",
            lambda story: replace(
                story, executions=[replace(it, status="Running") for it in story.executions]
            ),
            id="execution-not-ended",
        ),
        pytest.param("ended", lambda it: with_task(it, 1, status="Running"), id="task-running"),
        pytest.param("fate", lambda it: with_task(it, 0, status="Skipped"), id="other-state"),
        pytest.param(
            "fate",
            lambda it: with_task(it, 2, error="process_died: it ended", resets=0),
            id="failed-for-another-reason",
        ),
        pytest.param(
            "fate", lambda it: with_task(it, 2, resets=1), id="given-up-after-too-few-losses"
        ),
        pytest.param(
            "fate",
            lambda story: replace(
                story,
                executions=[
                    *story.executions[:2],
                    replace(story.executions[2], status="Completed"),
                ],
            ),
            id="completed-with-a-failed-task",
        ),
        pytest.param("attempts", lambda it: with_task(it, 0, attempt=2), id="loss-cost-an-attempt"),
        pytest.param("attempts", lambda it: with_task(it, 0, resets=0), id="resets-not-counted"),
        pytest.param("attempts", lambda it: with_task(it, 1, max_attempts=2), id="too-many"),
        pytest.param(
            "attempts",
            lambda it: with_event(it, 8, kind="task_completed"),
            id="fewer-retries-than-declared",
        ),
        pytest.param("events", lambda it: with_event(it, 1, number=9), id="gap"),
        pytest.param("events", lambda it: with_event(it, 0, number=2), id="twice-the-same-number"),
        pytest.param("events", lambda it: with_event(it, 1, at=AGAIN_AT), id="times-decrease"),
        pytest.param(
            "events", lambda it: with_event(it, 6, kind="workflow_failed"), id="end-of-another-kind"
        ),
        pytest.param(
            "events",
            lambda it: with_event(it, 5, kind="workflow_completed", task_id=None),
            id="two-ends",
        ),
        pytest.param(
            "claims", lambda it: with_event(it, 3, kind="task_other"), id="two-live-claims"
        ),
        pytest.param(
            "claims",
            lambda it: with_event(it, 3, kind="task_completed"),
            id="claimed-after-its-end",
        ),
        pytest.param(
            "claims", lambda it: with_event(it, 2, kind="task_other"), id="end-without-a-claim"
        ),
        pytest.param(
            "overlap",
            lambda it: with_body(
                with_body(it, 0, last=AGAIN_AT + 60), 1, last=AGAIN_AT + LEASE_S + 60
            ),
            id="two-bodies-at-once",
        ),
        pytest.param(
            "outlives",
            lambda it: with_body(it, 0, last=LOST_AT + OUTLIVES_S + 0.1),
            id="body-lives-on-after-its-claim",
        ),
        pytest.param(
            "outlives",
            lambda it: with_body(
                replace(it, samples=[Sample(LOST_AT - 1, [Lease(CHAIN, "step_1", 10, BEGAN + 6)])]),
                0,
                last=BEGAN + 6 + OUTLIVES_S + 0.1,
            ),
            id="body-lives-on-after-its-lease",
        ),
        pytest.param(
            "after_success",
            lambda it: with_body(it, 0, begin=AGAIN_AT + 1.1, last=AGAIN_AT + 1.2),
            id="body-begun-after-the-success",
        ),
        pytest.param(
            "stored",
            lambda it: with_task(it, 0, tokens={"step_1": "lost"}),
            id="result-of-a-lost-claim",
        ),
        pytest.param(
            "stored",
            lambda it: with_task(it, 0, tokens={"step_1": "unheard"}),
            id="result-of-nobody",
        ),
        pytest.param("stored", lambda it: with_task(it, 0, tokens={}), id="result-not-stored"),
        pytest.param(
            "stored",
            lambda story: replace(
                story,
                tasks=[
                    *story.tasks,
                    replace(
                        story.tasks[0],
                        task_id="step_2",
                        tokens={"step_1": "lost", "step_2": "its own"},
                    ),
                ],
            ),
            id="handed-on-what-was-not-stored",
        ),
        pytest.param(
            "lost",
            lambda story: replace(story, happenings=story.happenings[1:]),
            id="loss-without-a-cause",
        ),
        pytest.param(
            "lost",
            lambda story: replace(story, happenings=story.happenings[:-1]),
            id="given-up-without-a-cause",
        ),
        pytest.param(
            "slots",
            lambda story: replace(story, samples=[sample(BEGAN + 1, {10: 3})]),
            id="more-leases-than-slots",
        ),
        pytest.param(
            "slots",
            lambda story: replace(story, samples=[sample(BEGAN + 4 + 2 * LEASE_S, {10: 1})]),
            id="lease-of-one-long-dead",
        ),
        pytest.param("left", lambda it: replace(it, leftovers=["process 5"]), id="process-left"),
        pytest.param("harness", lambda it: replace(it, problems=["not settled"]), id="problem"),
    ],
)
def test_what_is_wrong_is_found(check: str, spoil: Spoil) -> None:
    assert check in found(spoil(sound()))


def test_a_slot_that_was_killed_leaves_a_lease_behind_for_a_while() -> None:
    killed = Happening("kill_slot", BEGAN, BEGAN, worker=11, slot=5)
    story = replace(
        sound(),
        happenings=[*sound().happenings, killed],
        samples=[sample(BEGAN + LEASE_S, {11: 3})],
    )
    assert found(story) == set()
    assert found(replace(story, samples=[sample(BEGAN + 2 * LEASE_S, {11: 3})])) == {"slots"}


def test_a_violation_says_where_it_is() -> None:
    (violation,) = violations(with_task(sound(), 0, attempt=2))
    assert violation.execution_id == CHAIN
    assert "step_1" in violation.text
