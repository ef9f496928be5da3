"""Accepts executions: inserts them with their tasks, those being ready that wait for nothing."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from cloacina.dag.context import dump_context
from cloacina.dag.errors import ContextTooLarge
from cloacina.dag.graph import Graph
from cloacina.dag.rules import reads_context
from cloacina.dag.settle import Settlement, start
from cloacina.dag.states import TaskState
from cloacina.db import Call, Unit
from cloacina.executions.idempotency import Idempotency
from cloacina.executions.params import with_defaults
from cloacina.executions.transition import SQL, NewExecution, Transition, read_outputs
from cloacina.packages.services import Package

MANUAL = "manual"

# the server sets these itself; what a caller gives under such a name is dropped
_RESERVED_KEYS = frozenset(
    {
        "scheduled_time",
        "schedule_id",
        "schedule_timezone",
        "schedule_expression",
        "trigger_name",
        "triggered_at",
    }
)


@dataclass(frozen=True)
class Request:
    """What is asked for.

    Parameters:
        moment: the database's time.
        context: the initial context, as JSON text.
        origin: what started it.
        request_id: of the request that did.
        idempotency: of that request, if its caller gave a key.
        rerun_of: the execution that it repeats.
        kept: how tasks ended there that are taken over.
    """

    moment: datetime
    context: str
    origin: str = MANUAL
    request_id: str | None = None
    idempotency: Idempotency | None = None
    rerun_of: UUID | None = None
    kept: Mapping[str, TaskState] = field(default_factory=dict)


def checked_context(package: Package, context: Mapping[str, Any], max_context_bytes: int) -> str:
    """Check what a caller gave as the initial context, and fill in defaults.

    Parameters:
        package: the version to run, which is built.
        context: as the caller gave it.
        max_context_bytes: the size limit.

    Returns:
        Its JSON text.

    Raises:
        WorkflowInputInvalid: a declared param is missing or of a wrong type.
        ContextTooLarge, ContextError: the context cannot be stored.
    """
    given = {key: value for key, value in context.items() if key not in _RESERVED_KEYS}
    initial = with_defaults((package.definition or {}).get("params", ()), given)
    return dump_context(initial, max_context_bytes)


def create(
    unit: Unit, package: Package, graph: Graph, request: Request, max_context_bytes: int
) -> tuple[UUID, list[Call]]:
    """Accept an execution.

    Parameters:
        unit: acts as the tenant; it is asked only where a rerun's rules read contexts.
        package: the version to run, which is built.
        graph: of that package.
        request: what is asked for.
        max_context_bytes: the size limit of a context.

    Returns:
        The execution's id, and the calls that insert it.
    """

    def outputs(ids: Collection[str]) -> Mapping[str, Mapping[str, Any]]:
        mine = [name for name in ids if name in request.kept]
        if request.rerun_of is None or not mine:
            return {}
        try:
            texts = read_outputs(unit, request.rerun_of, mine, max_context_bytes)
        except ContextTooLarge:
            # as for an execution that runs: a rule sees nothing of what is too much to read
            return {}
        return {name: json.loads(text) for name, text in texts.items()}

    kept = request.kept
    settlement = start(graph, _initial(graph, request), kept, outputs)
    new = NewExecution(
        id=uuid4(),
        moment=request.moment,
        open_tasks=len(graph.tasks) - len(kept),
        skipped_tasks=sum(state is TaskState.SKIPPED for state in kept.values()),
    )
    step = Transition(unit, new, graph, max_context_bytes=max_context_bytes)
    origin = {"rerun_of": str(request.rerun_of)} if request.rerun_of else {}
    step.event("workflow_started", **origin)
    step.write(SQL.insert_tasks, **_task_columns(graph, settlement, kept))
    if TaskState.COMPLETED in kept.values():
        step.write(SQL.copy_outputs, rerun_of=request.rerun_of)
    step.note_settlement(settlement)
    step.end_if_nothing_is_open(request.rerun_of)
    return new.id, step.calls_of_new(_execution_columns(package, request))


def _initial(graph: Graph, request: Request) -> dict[str, Any]:
    """Parse the initial context, where a root's rule reads it."""
    if not any(reads_context(graph.task(name).trigger_rules) for name in graph.roots):
        return {}
    initial: dict[str, Any] = json.loads(request.context)
    return initial


def _execution_columns(package: Package, request: Request) -> dict[str, Any]:
    idempotency = request.idempotency
    return {
        "package_id": package.id,
        "workflow_name": package.workflow_name,
        "workflow_version": package.workflow_version or "",
        "origin": request.origin,
        "request_id": request.request_id,
        "idempotency_key": idempotency.key if idempotency else None,
        "request_hash": idempotency.request_hash if idempotency else None,
        "input_context": request.context,
        "rerun_of": request.rerun_of,
    }


def _task_columns(
    graph: Graph, settlement: Settlement, kept: Mapping[str, TaskState]
) -> dict[str, list[Any]]:
    states: dict[str, TaskState] = {
        **dict.fromkeys(settlement.ready, TaskState.READY),
        **dict.fromkeys(settlement.skipped, TaskState.SKIPPED),
        **kept,
    }
    # a dependency that was skipped at the start, or is taken over, has ended
    ended = {*settlement.skipped, *kept}
    return {
        "task_ids": [task.id for task in graph.tasks],
        "statuses": [str(states.get(task.id, TaskState.NOT_STARTED)) for task in graph.tasks],
        "open_dependencies": [
            sum(name not in ended for name in task.dependencies) for task in graph.tasks
        ],
        "max_attempts": [task.retry.max_attempts for task in graph.tasks],
    }
