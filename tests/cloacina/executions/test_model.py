"""Random workflows with random outcomes, against the plainest possible model of an execution."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloacina.dag.graph import Graph
from cloacina.db import Database
from cloacina.executions.claims import Claim, Completed, Failed
from cloacina.lifecycle import installation
from cloacina.tenants import services as tenants
from tests.cloacina.dag.strategies import CONTEXTS, graphs, holds, merge_two, same
from tests.cloacina.executions.runs import AT_ONCE, Runs


@dataclass(frozen=True)
class Fate:
    """What becomes of a task, should it run."""

    retries: int
    resets: int
    succeeds: bool
    output: dict[str, Any] | None


FATES = st.builds(
    Fate,
    retries=st.integers(0, 2),
    resets=st.integers(0, 1),
    succeeds=st.booleans(),
    output=st.none() | CONTEXTS,
)


@st.composite
def scenarios(draw: st.DrawFn) -> tuple[Graph, dict[str, Fate], dict[str, Any]]:
    graph = draw(graphs(with_rules=True))
    return graph, {task.id: draw(FATES) for task in graph.tasks}, draw(CONTEXTS)


@pytest.fixture(scope="module")
def in_memory() -> Iterator[Runs]:
    database = Database("sqlite://")
    installation.migrate(database)
    with database.platform() as session:
        public = tenants.find(session, "public")
    yield Runs(database, public)
    database.close()


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(scenario=scenarios(), data=st.data())
def test_an_execution_goes_as_the_model_says(
    in_memory: Runs, scenario: tuple[Graph, dict[str, Fate], dict[str, Any]], data: st.DataObject
) -> None:
    graph, fates, initial = scenario
    states, inputs, final = expected(graph, fates, initial)
    package = in_memory.workflow(
        *(
            asdict(task) | {"dependencies": list(task.dependencies), "retry": AT_ONCE}
            for task in graph.tasks
        )
    )
    execution_id = in_memory.start(package, **initial)

    held: list[Claim] = []
    left = {name: (fate.resets, fate.retries) for name, fate in fates.items()}
    while True:
        claim = in_memory.claim(execution_id)
        if claim is not None:
            assert same(json.loads(claim.input_context), inputs[claim.task.id])
            held.append(claim)
        if not held:
            break
        # whichever of those that run ends next, or another is claimed first
        place = data.draw(st.integers(0, len(held)))
        if place < len(held) or claim is None:
            step(in_memory, held.pop(min(place, len(held) - 1)), fates, left)

    assert in_memory.states(execution_id) == states
    execution = in_memory.get(execution_id)
    failures = list(states.values()).count("Failed")
    assert execution.status == ("Failed" if failures else "Completed")
    assert (execution.error or "").startswith(f"{failures} task(s) failed" if failures else "")
    assert same(execution.context, final)
    check_events(in_memory, execution_id, states, fates)


def step(
    runs: Runs, claim: Claim, fates: dict[str, Fate], left: dict[str, tuple[int, int]]
) -> None:
    """Let one attempt end as its task's fate has it."""
    name = claim.task.id
    resets, retries = left[name]
    if resets:
        left[name] = (resets - 1, retries)
        runs.lose(claim)
    elif retries:
        left[name] = (0, retries - 1)
        runs.finish(claim, Failed("again", retryable=True))
    elif not fates[name].succeeds:
        runs.finish(claim, Failed("no", retryable=False))
    else:
        output = fates[name].output
        text = claim.input_context if output is None else json.dumps(output)
        runs.finish(claim, Completed(text))


def expected(
    graph: Graph, fates: dict[str, Fate], initial: dict[str, Any]
) -> tuple[dict[str, str], dict[str, Any], Any]:
    """Give each task's state and input, and the final context."""
    states: dict[str, str] = {}
    inputs: dict[str, Any] = {}
    outputs: dict[str, Any] = {}
    for name in graph.topological_order:
        task = graph.task(name)
        inputs[name] = dict(initial) if not task.dependencies else {}
        for each in task.dependencies:
            if each in outputs:
                inputs[name] = merge_two(inputs[name], outputs[each])
        if not holds(dict(task.trigger_rules), states, inputs[name]):
            states[name] = "Skipped"
        elif not fates[name].succeeds:
            states[name] = "Failed"
        else:
            states[name] = "Completed"
            given = fates[name].output
            outputs[name] = inputs[name] if given is None else given
    final: dict[str, Any] = {}
    leaves = [name for name in graph.topological_order if not graph.dependents(name)]
    for name in leaves:
        if name in outputs:
            final = merge_two(final, outputs[name])
    if not any(name in outputs for name in leaves):
        final = initial
    return {task.id: states[task.id] for task in graph.tasks}, inputs, final


def check_events(
    runs: Runs, execution_id: UUID, states: dict[str, str], fates: dict[str, Fate]
) -> None:
    """Hold each task's events against its fate; that they have no gap is held where they are
    read."""
    events = runs.events(execution_id)
    assert events[0][0] == "workflow_started"
    assert events[-1][0] in ("workflow_completed", "workflow_failed")
    for name, state in states.items():
        kinds = [kind.removeprefix("task_") for kind, task_id, _ in events if task_id == name]
        if state == "Skipped":
            assert kinds == ["skipped"]
            continue
        fate = fates[name]
        assert kinds == [
            "marked_ready",
            *["started", "reset"] * fate.resets,
            *["started", "retry_scheduled"] * fate.retries,
            "started",
            "completed" if fate.succeeds else "failed",
        ]
        assert runs.row(execution_id, name).attempt == fate.retries + 1
