"""Executions whose course is known from the start, driven by whatever somebody chooses to do.

What becomes of an execution follows from its graph, the fates of its tasks and its initial context
alone. Who claims what and when, pauses, and claims that are given back change nothing about it.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any
from uuid import UUID

from hypothesis import strategies as st

from cloacina.dag.graph import Graph
from cloacina.executions.claims import Claim, Completed, Failed, GivenBack, Outcome
from cloacina.packages.services import Package
from tests.cloacina.dag.strategies import CONTEXTS, graphs, holds, merge_two, same
from tests.cloacina.executions.runs import AT_ONCE, Runs

ENDED = frozenset({"Completed", "Failed", "Skipped"})


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

Scenario = tuple[Graph, dict[str, Fate], dict[str, Any]]


@st.composite
def scenarios(draw: st.DrawFn) -> Scenario:
    """Draw a workflow, the fates of its tasks, and an initial context."""
    graph = draw(graphs(with_rules=True))
    return graph, {task.id: draw(FATES) for task in graph.tasks}, draw(CONTEXTS)


def expected(
    graph: Graph, fates: Mapping[str, Fate], initial: dict[str, Any]
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


def package_of(runs: Runs, graph: Graph) -> Package:
    """Have a package of a graph, whose retries follow at once."""
    return runs.workflow(
        *(
            asdict(task) | {"dependencies": list(task.dependencies), "retry": AT_ONCE}
            for task in graph.tasks
        )
    )


@dataclass
class Course:
    """One execution on its way.

    Parameters:
        runs: of its tenant.
        id: the execution.
        graph: that it runs.
        fates: of its tasks.
        initial: context.
        kept: tasks that a rerun takes over, with their states.
    """

    runs: Runs
    id: UUID
    graph: Graph
    fates: dict[str, Fate]
    initial: dict[str, Any]
    kept: dict[str, str] = field(default_factory=dict)
    is_paused: bool = False
    is_cancelled: bool = False

    def __post_init__(self) -> None:
        self.states, self.inputs, self.final = expected(self.graph, self.fates, self.initial)
        self.left = {name: (fate.resets, fate.retries) for name, fate in self.fates.items()}
        # what is to be told of each task, besides that it became ready or was skipped by its rules
        self.told: dict[str, list[str]] = {task.id: [] for task in self.graph.tasks}

    @classmethod
    def start(cls, runs: Runs, scenario: Scenario) -> "Course":
        """Start an execution of a scenario."""
        graph, fates, initial = scenario
        execution_id = runs.start(package_of(runs, graph), **initial)
        return cls(runs, execution_id, graph, fates, initial)

    @property
    def is_open(self) -> bool:
        """Whether it has not ended."""
        return self.runs.get(self.id).completed_at is None

    def took(self, claim: Claim) -> None:
        """Hold a claim against what was to be claimed."""
        name = claim.task.id
        assert not self.is_paused
        assert not self.is_cancelled
        assert name not in self.kept
        assert self.states[name] != "Skipped"
        assert claim.input_context is not None
        assert same(json.loads(claim.input_context), self.inputs[name])
        assert claim.attempt == self.fates[name].retries - self.left[name][1] + 1
        self.told[name].append("started")

    def step(self, claim: Claim, *, claim_more: bool, gives_back: bool = False) -> Claim | None:
        """Let one attempt end as its task's fate has it; gives what was claimed next."""
        name = claim.task.id
        resets, retries = self.left[name]
        outcome: Outcome
        if gives_back:
            outcome, told = GivenBack(), "reset"
        elif resets:
            self.left[name] = (resets - 1, retries)
            self.told[name].append("reset")
            self.runs.lose(claim)
            return None
        elif retries:
            self.left[name] = (0, retries - 1)
            outcome, told = Failed("again", retryable=True), "retry_scheduled"
        elif not self.fates[name].succeeds:
            outcome, told = Failed("no", retryable=False), "failed"
        else:
            output = self.fates[name].output
            text = claim.input_context if output is None else json.dumps(output)
            outcome, told = Completed(text or ""), "completed"
        self.told[name].append(told)
        return self.runs.finish(claim, outcome, claim_more=claim_more).following

    def cancel(self) -> None:
        """Cancel it, and hold each task against what it was before."""
        before = self.runs.states(self.id)
        assert all(self.states[name] == state for name, state in before.items() if state in ENDED)
        self.runs.cancel(self.id)
        self.is_cancelled = True
        self.is_paused = False
        self.states = {
            name: state if state in ENDED else "Skipped" for name, state in before.items()
        }
        for name, state in before.items():
            if state not in ENDED:
                self.told[name].append("skipped")

    def check(self) -> None:
        """Hold an execution that has ended against the model."""
        assert self.runs.states(self.id) == self.states
        execution = self.runs.get(self.id)
        failures = list(self.states.values()).count("Failed")
        if self.is_cancelled:
            assert (execution.status, execution.error) == ("Cancelled", None)
            assert same(execution.context, self.initial)
        else:
            assert execution.status == ("Failed" if failures else "Completed")
            told = f"{failures} task(s) failed" if failures else ""
            assert (execution.error or "").startswith(told)
            assert same(execution.context, self.final)
        self._check_events()

    def _check_events(self) -> None:
        events = self.runs.events(self.id)
        assert events[0][0] == "workflow_started"
        ends = ("workflow_completed", "workflow_failed", "workflow_cancelled")
        assert [kind for kind, _, _ in events if kind in ends] == [events[-1][0]]
        for name, state in self.states.items():
            kinds = [kind.removeprefix("task_") for kind, task_id, _ in events if task_id == name]
            if name in self.kept:
                assert kinds == []
            elif not self.told[name]:
                assert (kinds, state) == (["skipped"], "Skipped")
            elif kinds[0] == "marked_ready":
                assert kinds[1:] == self.told[name]
            else:
                # it was cancelled before its turn
                assert kinds == self.told[name] == ["skipped"]

    def kept_by_a_rerun(self) -> dict[str, str]:
        """Give what a rerun from the failed tasks takes over: what no failed or cancelled one is
        before, nor is itself."""
        events = self.runs.events(self.id)
        cancelled = {
            name for kind, name, data in events if kind == "task_skipped" and is_cancel(data)
        }
        kept: dict[str, str] = {}
        for name in self.graph.topological_order:
            if name in cancelled or self.states[name] == "Failed":
                continue
            if all(each in kept for each in self.graph.task(name).dependencies):
                kept[name] = self.states[name]
        return {task.id: kept[task.id] for task in self.graph.tasks if task.id in kept}

    def rerun(self, fates: Callable[[], Fate]) -> "Course":
        """Run it again from what failed, with new fates for all that is not taken over."""
        kept = self.kept_by_a_rerun()
        new = {name: fate if name in kept else fates() for name, fate in self.fates.items()}
        return Course(self.runs, self.runs.rerun(self.id), self.graph, new, self.initial, kept=kept)


def is_cancel(data: Mapping[str, Any] | None) -> bool:
    """Say whether an event's data tell of a cancel."""
    return data == {"reason": "cancelled"}
