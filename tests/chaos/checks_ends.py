"""Checks of how executions and tasks ended, and of what their events say."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from tests.chaos.evidence import ENDS_CLAIM, Event, Evidence, Task
from tests.chaos.limits import MOST_RESETS, WORKER_LOST
from tests.chaos.mix import MIX, Fate

TERMINAL = {
    "Completed": "workflow_completed",
    "Failed": "workflow_failed",
    "Cancelled": "workflow_cancelled",
}


@dataclass(frozen=True)
class Violation:
    """Something that must not be.

    Parameters:
        check: the check that found it.
        execution_id: where; empty: nowhere in particular.
        text: what.
    """

    check: str
    execution_id: str
    text: str


def accepted_are_there_once(evidence: Evidence) -> Iterator[Violation]:
    """What was accepted is in the tables, under its key, once."""
    check = "accepted"
    by_key = defaultdict(list)
    for execution in evidence.executions:
        by_key[execution.tenant, execution.key].append(execution.id)
    for accepted in evidence.accepted:
        found = by_key[accepted.tenant, accepted.key]
        if found != [accepted.execution_id]:
            yield Violation(check, accepted.execution_id, f"{accepted.key} is there as {found}")


def all_ended(evidence: Evidence) -> Iterator[Violation]:
    """Every execution and every task has ended, and nothing is Running."""
    check = "ended"
    for execution in evidence.executions:
        if execution.status not in TERMINAL:
            text = f"{execution.key} is {execution.status}"
            yield Violation(check, execution.id, text)
    for task in evidence.tasks:
        if task.status not in {"Completed", "Failed", "Skipped"}:
            yield Violation(check, task.execution_id, f"task {task.task_id} is {task.status}")


def fates_are_met(evidence: Evidence) -> Iterator[Violation]:
    """Each task has ended as its workflow wants, or was given up after its claims were lost."""
    check = "fate"
    tasks_of: dict[str, list[Task]] = defaultdict(list)
    for task in evidence.tasks:
        tasks_of[task.execution_id].append(task)
    for execution in evidence.executions:
        for task in tasks_of[execution.id]:
            others = tasks_of[execution.id]
            if not _is_met(task, _fate_of(evidence, task)) and not went_without(task, others):
                text = f"{execution.key}, {task.task_id}: {task.status} {task.error!r}"
                yield Violation(check, execution.id, text)
        failed = any(task.status == "Failed" for task in tasks_of[execution.id])
        if execution.status in TERMINAL and (execution.status == "Failed") != failed:
            text = f"{execution.key} is {execution.status}, its tasks do not say so"
            yield Violation(check, execution.id, text)


def _is_met(task: Task, fate: Fate) -> bool:
    if task.error.startswith(WORKER_LOST):
        return was_given_up(task)
    return task.status == fate.state and task.error.startswith(fate.error)


def was_given_up(task: Task) -> bool:
    """Say whether a task was given up, as is right, after its claims were lost so often."""
    lost = task.status == "Failed" and task.error.startswith(WORKER_LOST)
    return lost and task.resets == MOST_RESETS


def went_without(task: Task, others: Iterable[Task]) -> bool:
    """Say whether a task failed for want of what another would have given that was given up."""
    wants = "Key not found: 'journal'" in task.error
    return task.status == "Failed" and wants and any(map(was_given_up, others))


def attempts_are_counted(evidence: Evidence) -> Iterator[Violation]:
    """Attempts are starts less resets, resets and retries are as many as were declared."""
    check = "attempts"
    given_up = [task for task in evidence.tasks if was_given_up(task)]
    for task in evidence.tasks:
        same = [other for other in given_up if other.execution_id == task.execution_id]
        if went_without(task, same):
            continue
        kinds = Counter(
            event.kind for event in evidence.events_of_task[task.execution_id, task.task_id]
        )
        fate = _fate_of(evidence, task)
        started, reset = kinds["task_started"], kinds["task_reset"]
        retried = kinds["task_retry_scheduled"]
        problems = []
        if task.attempt != started - reset:
            problems.append(f"attempt {task.attempt}, but {started} starts and {reset} resets")
        if task.resets != reset or reset > MOST_RESETS:
            problems.append(f"resets {task.resets}, but {reset} events of {MOST_RESETS} at most")
        if retried > fate.failures or task.attempt > task.max_attempts:
            problems.append(f"{retried} retries of {fate.failures}")
        # an attempt that was lost after it failed leaves one to be repeated less
        if not was_given_up(task) and reset == 0 and retried != fate.failures:
            problems.append(f"{retried} retries, not {fate.failures}")
        for text in problems:
            yield Violation(check, task.execution_id, f"task {task.task_id}: {text}")


def _fate_of(evidence: Evidence, task: Task) -> Fate:
    kind = MIX.get(evidence.workflow_of.get(task.execution_id, ""))
    return (kind.fates if kind else {}).get(task.task_id, Fate("Completed"))


def events_are_whole(evidence: Evidence) -> Iterator[Violation]:
    """Events are numbered without gaps, in order of time, with one end, which fits the state."""
    check = "events"
    of_execution: dict[str, list[Event]] = defaultdict(list)
    for event in evidence.events:
        of_execution[event.execution_id].append(event)
    for execution in evidence.executions:
        events = sorted(of_execution[execution.id], key=lambda event: event.number)
        problems = []
        if [event.number for event in events] != list(range(1, len(events) + 1)):
            problems.append(f"numbers {[event.number for event in events]}")
        if any(later.at < event.at for event, later in pairwise(events)):
            problems.append("times decrease")
        ends = [event.kind for event in events if event.kind in TERMINAL.values()]
        if execution.status in TERMINAL and ends != [TERMINAL[execution.status]]:
            problems.append(f"{execution.status} with the ends {ends}")
        elif ends and events[-1].kind != ends[0]:
            problems.append(f"{events[-1].kind} after the end")
        for text in problems:
            yield Violation(check, execution.id, text)


def claims_follow_each_other(evidence: Evidence) -> Iterator[Violation]:
    """A task is claimed only when no earlier claim of it lives, and not after its end."""
    check = "claims"
    for (execution_id, task_id), events in evidence.events_of_task.items():
        live = ended = False
        for event in events:
            if event.kind == "task_started":
                if live or ended:
                    text = f"task {task_id}: event {event.number} claims it again"
                    yield Violation(check, execution_id, text)
                live = True
            elif event.kind in ENDS_CLAIM:
                if not live:
                    text = f"task {task_id}: event {event.number} ends no claim"
                    yield Violation(check, execution_id, text)
                live = False
                ended = ended or event.kind in {"task_completed", "task_failed"}
