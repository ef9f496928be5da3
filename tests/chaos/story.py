"""A small sound story, for tests of the checks: each of them spoils it in one place.

A chain's first task loses its claim when worker 10 is killed and is run again by worker 11; a flaky
task fails twice and then completes; a task that kills its worker is given up.
"""

from dataclasses import replace
from typing import Any

from tests.chaos.evidence import (
    Accepted,
    Body,
    Event,
    Evidence,
    Execution,
    Happening,
    Lease,
    Sample,
    Task,
)
from tests.chaos.limits import LEASE_S, MOST_RESETS, WORKER_LOST

BEGAN = 1000.0
LOST_AT = BEGAN + 5 + LEASE_S
AGAIN_AT = LOST_AT + 1
CHAIN, FLAKY, KILLER = "chain-1", "flaky-1", "killer-1"


class _Telling:
    """Numbers the events of one execution."""

    def __init__(self, execution_id: str) -> None:
        self.events: list[Event] = []
        self._id = execution_id

    def tell(self, at: float, kind: str, task_id: str | None = None, **data: Any) -> None:
        number = len(self.events) + 1
        self.events.append(Event(self._id, number, kind, task_id, at, data))

    def start(self, at: float, task_id: str, worker: int) -> None:
        self.tell(at, "task_started", task_id, attempt=1, worker=f"host-{worker}")


def _body(execution_id: str, task_id: str, token: str, worker: int, begin: float) -> Body:
    ended = token != "lost"
    return Body(execution_id, task_id, token, worker, 7, 6, begin, begin + 0.5, ended)


def sample(at: float, held: dict[int, int]) -> Sample:
    """See so many live leases of each worker."""
    return Sample(
        at,
        [
            Lease("any", f"task_{number}", worker, at + 1)
            for worker, count in held.items()
            for number in range(count)
        ],
    )


def sound() -> Evidence:
    """Tell the story as it must be."""
    chain, flaky, killer = _Telling(CHAIN), _Telling(FLAKY), _Telling(KILLER)
    chain.tell(BEGAN, "workflow_started")
    chain.tell(BEGAN, "task_marked_ready", "step_1")
    chain.start(BEGAN, "step_1", 10)
    chain.tell(LOST_AT, "task_reset", "step_1", reason=WORKER_LOST)
    chain.start(AGAIN_AT, "step_1", 11)
    chain.tell(AGAIN_AT + 1, "task_completed", "step_1")
    chain.tell(AGAIN_AT + 1, "workflow_completed")
    for attempt in range(3):
        flaky.start(BEGAN + attempt, "stumbles", 11)
        ends = "task_retry_scheduled" if attempt < 2 else "task_completed"
        flaky.tell(BEGAN + attempt + 0.9, ends, "stumbles")
    flaky.tell(BEGAN + 3, "workflow_completed")
    strikes = []
    for loss in range(MOST_RESETS + 1):
        at = BEGAN + loss * 2 * LEASE_S
        killer.start(at, "kills", 20 + loss)
        last = loss == MOST_RESETS
        killer.tell(at + LEASE_S, "task_failed" if last else "task_reset", "kills")
        strikes.append(Happening("strike", at + 1, at + 1, worker=20 + loss, part="worker-3"))
    killer.tell(at + LEASE_S, "workflow_failed")
    given_up = f"{WORKER_LOST}: the worker was lost"
    ids = {CHAIN: "Completed", FLAKY: "Completed", KILLER: "Failed"}
    return Evidence(
        accepted=[Accepted(id_, id_, id_.split("-")[0], "acme", BEGAN) for id_ in ids],
        executions=[
            Execution(id_, id_, "acme", id_.split("-")[0], state) for id_, state in ids.items()
        ],
        tasks=[
            Task(CHAIN, "step_1", "Completed", 1, 3, 1, tokens={"step_1": "second"}),
            Task(FLAKY, "stumbles", "Completed", 3, 3, 0, tokens={"stumbles": "third"}),
            Task(KILLER, "kills", "Failed", 1, 1, MOST_RESETS, given_up),
        ],
        events=[*chain.events, *flaky.events, *killer.events],
        bodies=[
            _body(CHAIN, "step_1", "lost", 10, BEGAN + 0.1),
            _body(CHAIN, "step_1", "second", 11, AGAIN_AT + 0.1),
            _body(FLAKY, "stumbles", "third", 11, BEGAN + 2.1),
        ],
        samples=[sample(BEGAN + 1, {10: 2, 11: 1}), sample(AGAIN_AT, {11: 2})],
        happenings=[
            Happening("kill_worker", BEGAN + 4, BEGAN + 4, worker=10, part="worker-1"),
            *strikes,
        ],
    )


def with_task(story: Evidence, position: int, **changes: Any) -> Evidence:
    """Change a task of the story."""
    tasks = list(story.tasks)
    tasks[position] = replace(tasks[position], **changes)
    return replace(story, tasks=tasks)


def with_event(story: Evidence, position: int, **changes: Any) -> Evidence:
    """Change an event of the story; the chain's come first."""
    events = list(story.events)
    events[position] = replace(events[position], **changes)
    return replace(story, events=events)


def with_body(story: Evidence, position: int, **changes: Any) -> Evidence:
    """Change a body of the story."""
    bodies = list(story.bodies)
    bodies[position] = replace(bodies[position], **changes)
    return replace(story, bodies=bodies)
