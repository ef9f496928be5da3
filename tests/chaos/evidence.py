"""What a run leaves behind to be judged: plain data, wherever it came from.

All moments are seconds since the epoch, by the one machine's clock.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any


@dataclass(frozen=True)
class Accepted:
    """An execution that was started with success, as far as its starter knows."""

    key: str
    execution_id: str
    workflow: str
    tenant: str
    at: float


@dataclass(frozen=True)
class Execution:
    """An execution as the tables have it; `key` is its Idempotency-Key."""

    id: str
    key: str
    tenant: str
    workflow: str
    status: str


@dataclass(frozen=True)
class Task:
    """A task as the tables have it; `tokens` are those in its stored output."""

    execution_id: str
    task_id: str
    status: str
    attempt: int
    max_attempts: int
    resets: int
    error: str = ""
    tokens: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Event:
    """An event as the tables have it."""

    execution_id: str
    number: int
    kind: str
    task_id: str | None
    at: float
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Body:
    """A run of a task's body, as it wrote it down itself.

    Parameters:
        execution_id, task_id: whose.
        token: its own.
        worker: pid of the worker that it ran below; 0: unknown.
        pid: its process.
        slot: the process that had started it.
        begin: its first sign of life.
        last: its last.
        ended: it came to its end.
    """

    execution_id: str
    task_id: str
    token: str
    worker: int
    pid: int
    slot: int
    begin: float
    last: float
    ended: bool


@dataclass(frozen=True)
class Claim:
    """A claim, from its event to the event that ended it.

    Parameters:
        execution_id, task_id: of what.
        worker: pid of the worker.
        begin: when.
        end: when; None: it has not ended.
        outcome: the event that ended it; None: none.
    """

    execution_id: str
    task_id: str
    worker: int
    begin: float
    end: float | None
    outcome: str | None


@dataclass(frozen=True)
class Lease:
    """The lease of a Running task, as the tables had it; `deferred`: it holds no slot."""

    execution_id: str
    task_id: str
    worker: int
    until: float
    deferred: bool = False


@dataclass(frozen=True)
class Sample:
    """What the database showed at one moment.

    Parameters:
        at: when.
        leases: of all Running tasks, the ended ones too.
        blocked: sessions that had waited for a lock for more than a second.
    """

    at: float
    leases: Sequence[Lease]
    blocked: int = 0

    def held(self) -> Counter[int]:
        """Count the slots that are held by live leases, by worker."""
        return Counter(it.worker for it in self.leases if it.until > self.at and not it.deferred)


@dataclass(frozen=True)
class Happening:
    """A disturbance that was carried out, or a death that a task brought about.

    Parameters:
        kind: a kind of the plan, or `strike`.
        begin, end: when.
        worker: pid of the worker that it hit; 0: none.
        slot: pid of the slot that it hit alone; 0: none.
        part: name of the part that it hit.
    """

    kind: str
    begin: float
    end: float
    worker: int = 0
    slot: int = 0
    part: str = ""


@dataclass(frozen=True)
class Probe:
    """An answer of an API: is it there, and can it reach its database."""

    at: float
    part: str
    healthy: bool
    ready: bool


@dataclass(frozen=True)
class Evidence:
    """All of it."""

    accepted: Sequence[Accepted] = ()
    executions: Sequence[Execution] = ()
    tasks: Sequence[Task] = ()
    events: Sequence[Event] = ()
    bodies: Sequence[Body] = ()
    samples: Sequence[Sample] = ()
    happenings: Sequence[Happening] = ()
    probes: Sequence[Probe] = ()
    slots: int = 2
    leftovers: Sequence[str] = ()
    problems: Sequence[str] = ()

    @cached_property
    def workflow_of(self) -> dict[str, str]:
        """Workflows by execution."""
        return {execution.id: execution.workflow for execution in self.executions}

    @cached_property
    def events_of_task(self) -> dict[tuple[str, str], list[Event]]:
        """Events by task, in order."""
        found: dict[tuple[str, str], list[Event]] = defaultdict(list)
        for event in sorted(self.events, key=lambda event: event.number):
            if event.task_id is not None:
                found[event.execution_id, event.task_id].append(event)
        return found

    @cached_property
    def bodies_of_task(self) -> dict[tuple[str, str], list[Body]]:
        """Bodies by task, by the time of their begin."""
        found: dict[tuple[str, str], list[Body]] = defaultdict(list)
        for body in sorted(self.bodies, key=lambda body: body.begin):
            found[body.execution_id, body.task_id].append(body)
        return found

    @cached_property
    def claims_of_task(self) -> dict[tuple[str, str], list[Claim]]:
        """Claims by task, in order."""
        return {task: list(_claims(events)) for task, events in self.events_of_task.items()}

    @cached_property
    def lease_ends(self) -> dict[tuple[str, str, int], list[tuple[float, float]]]:
        """Leases that were seen to have ended: by task and worker, when seen, and their end."""
        found: dict[tuple[str, str, int], list[tuple[float, float]]] = defaultdict(list)
        for sample in self.samples:
            for it in sample.leases:
                if it.until < sample.at:
                    found[it.execution_id, it.task_id, it.worker].append((sample.at, it.until))
        return found


ENDS_CLAIM = ("task_completed", "task_failed", "task_retry_scheduled", "task_reset")


def _claims(events: Sequence[Event]) -> Iterator[Claim]:
    for position, event in enumerate(events):
        if event.kind != "task_started":
            continue
        end = next((later for later in events[position + 1 :] if later.kind in ENDS_CLAIM), None)
        yield Claim(
            event.execution_id,
            str(event.task_id),
            int(str(event.data.get("worker", "0")).rpartition("-")[2]),
            event.at,
            end.at if end else None,
            end.kind if end else None,
        )


def claim_of(body: Body, claims: Sequence[Claim]) -> Claim | None:
    """Find the claim under which a body ran: the last one of its worker before its begin."""
    before = [claim for claim in claims if claim.begin <= body.begin]
    mine = [claim for claim in before if body.worker in {0, claim.worker}]
    return mine[-1] if mine else None
