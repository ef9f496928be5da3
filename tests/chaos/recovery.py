"""How long the fleet took to recover from each disturbance."""

from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from statistics import median

from tests.chaos.checks_bodies import DATABASE
from tests.chaos.evidence import Evidence, Happening

_OF_A_WORKER = {"kill_worker", "kill_slot", "strike"}
_OF_THE_BROKER = {"flush_broker", "restart_broker_empty", "hang_broker", "drop_hints"}
_SHOWS_WITHIN_S = 3.0


def recoveries(evidence: Evidence) -> dict[str, list[float]]:
    """Give the seconds to recover, by the kind of disturbance.

    After the death of a worker or a slot, until the tasks that it lost run again; after trouble
    with the broker, until each tenant whose tasks waited then has one started again; after the
    death of an API or trouble with the database, until the API answers that it is ready. What
    showed no effect counts not at all.
    """
    found: dict[str, list[float]] = defaultdict(list)
    for happening in evidence.happenings:
        if happening.kind in _OF_A_WORKER:
            seconds = list(_until_lost_tasks_run(evidence, happening))
        elif happening.kind in _OF_THE_BROKER:
            seconds = list(_until_waiting_tenants_go_on(evidence, happening))
        elif happening.kind in DATABASE or happening.kind in {"kill_api", "stop_api"}:
            seconds = [until_ready(evidence, happening)]
        else:
            continue
        if any(seconds):
            found[happening.kind].append(max(seconds))
    return found


def line(kind: str, seconds: list[float]) -> str:
    """Write the figures of a kind."""
    return f"{kind:28} {len(seconds):3} {median(seconds):8.1f} {max(seconds):8.1f}"


def longest_stall(evidence: Evidence) -> float:
    """Give the longest time in which no task at all was started although one was ready.

    The time after a task's first readiness counts only: what waits for a retry is not ready.
    """
    waits = [
        (ready, min(starts))
        for events in evidence.events_of_task.values()
        for ready in [event.at for event in events if event.kind == "task_marked_ready"][:1]
        if (starts := [event.at for event in events if event.kind == "task_started"])
    ]
    all_starts = sorted(event.at for event in evidence.events if event.kind == "task_started")
    longest = 0.0
    for before, start in pairwise(all_starts):
        ready = min((ready for ready, first in waits if first >= start), default=start)
        longest = max(longest, start - max(before, ready))
    return longest


def _until_lost_tasks_run(evidence: Evidence, happening: Happening) -> Iterator[float]:
    for task, claims in evidence.claims_of_task.items():
        for position, claim in enumerate(claims):
            ran = claim.worker == happening.worker and claim.begin <= happening.end
            if not ran or claim.end is None or claim.end < happening.begin:
                continue
            if happening.slot and not _ran_in(evidence, task, happening.slot):
                continue
            following = claims[position + 1 : position + 2]
            if claim.outcome == "task_reset" and following:
                yield following[0].begin - happening.begin
            elif claim.outcome == "task_failed" and happening.kind == "strike":
                yield claim.end - happening.begin


def _ran_in(evidence: Evidence, task: tuple[str, str], slot: int) -> bool:
    return any(body.slot == slot for body in evidence.bodies_of_task.get(task, []))


def _until_waiting_tenants_go_on(evidence: Evidence, happening: Happening) -> Iterator[float]:
    tenant_of = {execution.id: execution.tenant for execution in evidence.executions}
    waiting: set[str] = set()
    first_start: dict[str, float] = {}
    for (execution_id, _), events in evidence.events_of_task.items():
        tenant = tenant_of.get(execution_id, "")
        ready = min((it.at for it in events if it.kind == "task_marked_ready"), default=None)
        starts = [it.at for it in events if it.kind == "task_started"]
        if ready is not None and ready <= happening.begin < min(starts, default=ready):
            waiting.add(tenant)
        for at in starts:
            if at > happening.begin:
                first_start[tenant] = min(at, first_start.get(tenant, at))
    for tenant in waiting:
        yield first_start[tenant] - happening.begin


def until_ready(evidence: Evidence, happening: Happening) -> float:
    """Seconds to the first good answer after the last bad one that the disturbance explains."""
    back = happening.begin
    for part in {probe.part for probe in evidence.probes}:
        if happening.kind not in DATABASE and part != happening.part:
            continue
        after = [p for p in evidence.probes if p.part == part and p.at >= happening.begin - 0.5]
        bad = [p.at for p in after if not p.ready and p.at <= happening.end + _SHOWS_WITHIN_S]
        if bad:
            good = [p.at for p in after if p.ready and p.at > bad[0]]
            back = max(back, good[0] if good else after[-1].at)
    return back - happening.begin
