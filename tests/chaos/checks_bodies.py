"""Checks of when tasks' bodies lived, whose results were stored, and what was held meanwhile."""

from collections.abc import Iterator
from itertools import combinations

from tests.chaos.checks_ends import Violation, was_given_up
from tests.chaos.evidence import Claim, Evidence, Happening, claim_of
from tests.chaos.limits import LEASE_S, OUTLIVES_S, SLACK_S

DATABASE = {"terminate_connections", "restart_postgres_fast", "restart_postgres_immediate"}
OF_A_WORKER = {
    "kill_worker",
    "kill_slot",
    "stop_worker",
    "stop_slot_as_it_starts",
    "strike",
    "ended_by_itself",
}
_RECONNECT_S = 5.0
# a task that is given up for good ends as failed
_LOST = {"task_reset", "task_failed"}


def bodies_overlap_little(evidence: Evidence) -> Iterator[Violation]:
    """Two bodies of one task live at once no longer than a lost claim's body may live on."""
    most_s = LEASE_S + OUTLIVES_S
    for (execution_id, task_id), bodies in evidence.bodies_of_task.items():
        for one, other in combinations(bodies, 2):
            overlap_s = min(one.last, other.last) - max(one.begin, other.begin)
            if overlap_s > most_s:
                text = f"task {task_id}: two bodies at once for {overlap_s:.1f} s of {most_s:.1f} s"
                yield Violation("overlap", execution_id, text)


def bodies_end_with_their_claims(evidence: Evidence) -> Iterator[Violation]:
    """The body of a lost claim lives on for the stated seconds at most.

    They count from its lease's end where that was seen, else from the event that gives it back,
    which is no earlier.
    """
    for (execution_id, task_id), bodies in evidence.bodies_of_task.items():
        claims = evidence.claims_of_task.get((execution_id, task_id), [])
        for body in bodies:
            claim = claim_of(body, claims)
            if claim is None or claim.end is None or claim.outcome not in _LOST:
                continue
            seen = evidence.lease_ends[execution_id, task_id, claim.worker]
            ends = [until for at, until in seen if claim.begin < at < claim.end]
            late_s = body.last - min([claim.end, *ends[-1:]])
            if late_s > OUTLIVES_S:
                text = (
                    f"task {task_id}: a body of worker {body.worker} lived on for {late_s:.1f} s"
                    f" of {OUTLIVES_S:.1f} s after its lease ended"
                )
                yield Violation("outlives", execution_id, text)


def no_body_begins_after_success(evidence: Evidence) -> Iterator[Violation]:
    """No body begins once the task's success was recorded."""
    for (execution_id, task_id), events in evidence.events_of_task.items():
        done = next((event.at for event in events if event.kind == "task_completed"), None)
        for body in evidence.bodies_of_task.get((execution_id, task_id), []):
            if done is not None and body.begin > done:
                text = (
                    f"task {task_id}: a body of worker {body.worker} began"
                    f" {body.begin - done:.3f} s after the success"
                )
                yield Violation("after_success", execution_id, text)


def only_the_last_claims_result_is_stored(evidence: Evidence) -> Iterator[Violation]:
    """The stored output was made under the task's last claim, and others hand on no other one."""
    stored: dict[tuple[str, str], str] = {}
    for task in evidence.tasks:
        own = task.tokens.get(task.task_id)
        if own is not None and task.status == "Completed":
            stored[task.execution_id, task.task_id] = own
            yield from _check_token(evidence, task.execution_id, task.task_id, own)
        elif task.status == "Completed" and task.max_attempts and _speaks(evidence, task):
            yield Violation("stored", task.execution_id, f"task {task.task_id}: no token stored")
    for task in evidence.tasks:
        for of_task, token in task.tokens.items():
            if stored.get((task.execution_id, of_task), token) != token:
                text = f"task {task.task_id} holds a token of {of_task} that was not stored there"
                yield Violation("stored", task.execution_id, text)


def _speaks(evidence: Evidence, task: object) -> bool:
    key = (task.execution_id, task.task_id)  # type: ignore[attr-defined]
    return any(body.ended for body in evidence.bodies_of_task.get(key, []))


def _check_token(
    evidence: Evidence, execution_id: str, task_id: str, token: str
) -> Iterator[Violation]:
    bodies = evidence.bodies_of_task.get((execution_id, task_id), [])
    body = next((body for body in bodies if body.token == token), None)
    claims = evidence.claims_of_task.get((execution_id, task_id), [])
    if body is None or not claims:
        text = f"task {task_id}: nobody has written the token that was stored"
    elif body.begin < claims[-1].begin or body.worker not in {0, claims[-1].worker}:
        text = (
            f"task {task_id}: stored is a result of worker {body.worker},"
            f" claimed last by {claims[-1].worker}"
        )
    else:
        return
    yield Violation("stored", execution_id, text)


def losses_have_causes(evidence: Evidence) -> Iterator[Violation]:
    """No claim is lost unless something was done to its worker or to the database."""
    given_up = {(it.execution_id, it.task_id) for it in evidence.tasks if was_given_up(it)}
    for (execution_id, task_id), claims in evidence.claims_of_task.items():
        last = {"task_failed"} if (execution_id, task_id) in given_up else set()
        for claim in claims:
            if claim.outcome in {"task_reset", *last} and not _has_cause(claim, evidence):
                text = f"task {task_id}: worker {claim.worker} lost it, and nothing was done to it"
                yield Violation("lost", execution_id, text)


def _has_cause(claim: Claim, evidence: Evidence) -> bool:
    assert claim.end is not None
    for happening in evidence.happenings:
        if happening.begin > claim.end or happening.end < claim.begin - _RECONNECT_S:
            continue
        hit = happening.kind in OF_A_WORKER and happening.worker == claim.worker
        if hit or happening.kind in DATABASE:
            return True
    return False


def leases_fit_slots(evidence: Evidence) -> Iterator[Violation]:
    """A worker holds no more live leases than it has slots, and had that died just now."""
    for sample in evidence.samples:
        for worker, held in sample.held().items():
            most = evidence.slots + sum(
                _lost_slots(happening, worker, sample.at, evidence.slots)
                for happening in evidence.happenings
            )
            if any(_is_dead(happening, worker, sample.at) for happening in evidence.happenings):
                most = 0
            if held > most:
                text = f"worker {worker} holds {held} live leases of {most} at {sample.at:.1f}"
                yield Violation("slots", "", text)


def _lost_slots(happening: Happening, worker: int, at: float, slots: int) -> int:
    """Count the leases that nobody holds any more and that have not ended yet."""
    begin, end = happening.begin - SLACK_S, happening.end + LEASE_S + SLACK_S
    if not begin <= at <= end:
        return 0
    if happening.kind == "kill_slot" and happening.worker == worker:
        return 1
    # a claim whose commit was not heard of is held by nobody
    return slots if happening.kind in DATABASE else 0


def _is_dead(happening: Happening, worker: int, at: float) -> bool:
    dies = happening.kind in {"kill_worker", "strike", "ended_by_itself"}
    return dies and happening.worker == worker and at > happening.end + LEASE_S + SLACK_S


def nothing_is_left(evidence: Evidence) -> Iterator[Violation]:
    """No process and no scratch folder is left after everything was stopped."""
    for text in evidence.leftovers:
        yield Violation("left", "", text)


def nothing_else_went_wrong(evidence: Evidence) -> Iterator[Violation]:
    """Every request was accepted in the end, once, and all settled in time."""
    for text in evidence.problems:
        yield Violation("harness", "", text)
