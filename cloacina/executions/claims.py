"""Claims of tasks: who may run what, until when, and what came of it.

A claim carries a token. Every later write asks for that token, so what a worker brings after its
claim was given to another is refused and never stored.
"""

import time
from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from cloacina.dag.graph import Graph, Task
from cloacina.dag.states import SubStatus
from cloacina.db import Call, Unit
from cloacina.executions.errors import LostClaim
from cloacina.executions.graphs import GraphCache
from cloacina.executions.inputs import input_calls, read_input
from cloacina.executions.transition import SQL, Transition
from cloacina.packages.services import Package

LEASE_S = 8
"""Seconds after which a claim is lost whose worker does not renew it."""

RENEW_S = 2.0
"""Seconds between two renewals of a claim, and of hints for a task that wants its slot again."""

MOST_RESETS = 3
"""Times that a task's claim may be lost before the task is given up (spec: Guarantees)."""

WORKER_LOST = "worker_lost"
WORKER_STOPPED = "worker_stopped"


@dataclass(frozen=True)
class Terms:
    """On which terms a worker claims.

    Parameters:
        worker: for people: who has it.
        max_context_bytes: the size limit of a context.
        execution_timeout_s: seconds that an execution may take from its first claim.
    """

    worker: str
    max_context_bytes: int
    execution_timeout_s: float


@dataclass(frozen=True)
class Claim:
    """The right to run one attempt of a task.

    Parameters:
        id: the task's row.
        token: the fence.
        execution_id: the execution.
        package: the version that the execution runs.
        graph: of that package.
        task: the task, as its workflow declares it.
        attempt: counts from 1.
        open_tasks: tasks of the execution that had not ended when this was claimed.
        input_context: JSON text; None when what is to be merged is too much.
        input_bytes: its size, or that of all that was to be merged.
        held_since: a moment of the machine's monotonic clock before the lease began.
    """

    id: UUID
    token: UUID
    execution_id: UUID
    package: Package
    graph: Graph
    task: Task
    attempt: int
    open_tasks: int
    input_context: str | None
    input_bytes: int
    held_since: float


@dataclass(frozen=True)
class ClaimRef:
    """What names a claim, of which `restore` makes the whole again."""

    id: UUID
    token: UUID
    execution_id: UUID
    task_id: str
    attempt: int

    @classmethod
    def of(cls, claim: Claim) -> "ClaimRef":
        """Name a claim."""
        return cls(claim.id, claim.token, claim.execution_id, claim.task.id, claim.attempt)


@dataclass(frozen=True)
class Completed:
    """An attempt that succeeded, with the context that it gave, as JSON text."""

    context: str


@dataclass(frozen=True)
class Failed:
    """An attempt that did not succeed.

    Parameters:
        error: one line for people.
        details: a traceback or the like.
        retryable: another attempt may help.
    """

    error: str
    details: str | None = None
    retryable: bool = True


@dataclass(frozen=True)
class GivenBack:
    """An attempt that its worker broke off; it costs the task none."""

    reason: str = WORKER_STOPPED


Outcome = Completed | Failed | GivenBack


def renew(unit: Unit, held: Collection[Claim | ClaimRef]) -> set[UUID]:
    """Hold on to claims for another lease, and commit.

    Returns:
        The tokens of those that are still held; of the others, stop working on them.
    """
    values = {
        "task_uuids": [claim.id for claim in held],
        "tokens": [claim.token for claim in held],
        "lease_s": LEASE_S,
    }
    calls = [Call(SQL.renew, values)]
    if len(held) > 1:
        # whoever changes several tasks of one execution holds its row, or they wait in a circle
        executions = [claim.execution_id for claim in held]
        calls.insert(0, Call(SQL.lock_executions, {"execution_ids": executions}))
    return {row.claim_token for row in unit.commit(*calls)[-1]}


def restore(unit: Unit, graphs: GraphCache, terms: Terms, ref: ClaimRef) -> Claim:
    """Give a whole claim again.

    Raises:
        LostClaim: the execution is gone.
    """
    begun = time.monotonic()
    (rows,) = unit.ask(Call(SQL.of_execution, {"execution_id": ref.execution_id}))
    if not rows:
        raise LostClaim
    package, graph = graphs.entry(unit, rows[0].package_id)
    task = graph.task(ref.task_id)
    calls = input_calls(ref.execution_id, task, terms.max_context_bytes, {})
    text, size = read_input(task, terms.max_context_bytes, {}, unit.ask(*calls))
    return Claim(
        id=ref.id,
        token=ref.token,
        execution_id=ref.execution_id,
        package=package,
        graph=graph,
        task=task,
        attempt=ref.attempt,
        open_tasks=rows[0].open_tasks,
        input_context=text,
        input_bytes=size,
        held_since=begun,
    )


def set_deferred(unit: Unit, claim: Claim, terms: Terms, *, deferred: bool) -> None:
    """Note that a claimed task waits without a slot, or works again, and commit.

    Raises:
        LostClaim: the claim was given to somebody else.
    """
    sub_status = SubStatus.DEFERRED if deferred else SubStatus.ACTIVE
    execution, mine = unit.ask(
        Call(SQL.lock_execution, {"execution_id": claim.execution_id}),
        Call(
            SQL.defer,
            {
                "task_uuid": claim.id,
                "token": claim.token,
                "sub_status": str(sub_status),
                "lease_s": LEASE_S,
            },
        ),
    )
    if not execution or not mine:
        raise LostClaim
    step = Transition(unit, execution[0], claim.graph, max_context_bytes=terms.max_context_bytes)
    step.event("task_deferred" if deferred else "task_resumed", claim.task.id)
    unit.commit(*step.calls())
