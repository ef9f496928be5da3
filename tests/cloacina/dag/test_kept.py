"""What a rerun takes over, against the plainest possible model."""

import functools
from collections.abc import Collection, Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cloacina.dag.graph import Graph, Task
from cloacina.dag.settle import Settlement, kept_tasks, settle, start
from cloacina.dag.states import TaskState
from tests.cloacina.dag.strategies import CONTEXTS, graphs, holds, merge_two

Bodies = Mapping[str, tuple[str, dict[str, Any]]]

BODY = st.tuples(st.sampled_from(["Completed", "Failed"]), CONTEXTS)


def run(graph: Graph, bodies: Bodies, initial: dict[str, Any], until: int = 1000) -> dict[str, str]:
    """Model: go through the tasks in order; those beyond `until` never came to their turn."""
    states: dict[str, str] = {}
    for name in graph.topological_order[:until]:
        context = input_of(graph, name, states, bodies, initial)
        runs = holds(dict(graph.task(name).trigger_rules), states, context)
        states[name] = bodies[name][0] if runs else "Skipped"
    return states


def input_of(
    graph: Graph, name: str, states: Mapping[str, str], bodies: Bodies, initial: dict[str, Any]
) -> dict[str, Any]:
    task = graph.task(name)
    if not task.dependencies:
        return initial
    outputs = [bodies[each][1] for each in task.dependencies if states[each] == "Completed"]
    return functools.reduce(merge_two, outputs, {})


def ancestors(graph: Graph, name: str) -> set[str]:
    near = set(graph.task(name).dependencies)
    return near.union(*(ancestors(graph, each) for each in near))


def ended_well(states: Mapping[str, str]) -> dict[str, TaskState]:
    return {name: TaskState(state) for name, state in states.items() if state != "Failed"}


@given(graphs(with_rules=True), CONTEXTS, st.data())
def test_a_task_is_kept_when_it_and_all_before_it_ended_well(graph, initial, data):
    bodies = {task.id: data.draw(BODY) for task in graph.tasks}
    ended = ended_well(run(graph, bodies, initial, until=data.draw(st.integers(0, 8))))

    kept = kept_tasks(graph, ended)

    assert kept == {
        name: state for name, state in ended.items() if ancestors(graph, name) <= ended.keys()
    }


class Rerun:
    """A rerun's records in memory, kept as the engine keeps them."""

    def __init__(
        self, graph: Graph, initial: dict[str, Any], kept: dict[str, TaskState], bodies: Bodies
    ) -> None:
        self.graph, self.bodies, self.kept = graph, bodies, kept
        self.asked: list[str] = []
        self.states = {task.id: "NotStarted" for task in graph.tasks} | kept
        self.write(start(graph, initial, kept, self.outputs_kept))
        # as its rows are written: what is kept or was skipped at the start has ended
        ended = {
            name for name, state in self.states.items() if state in ("Skipped", *kept.values())
        }
        self.counters = {
            task.id: sum(each not in ended | kept.keys() for each in task.dependencies)
            for task in graph.tasks
        }

    def outputs_kept(self, ids: Collection[str]) -> Mapping[str, dict[str, Any]]:
        self.asked += ids
        return {each: self.bodies[each][1] for each in ids if self.kept.get(each) == "Completed"}

    def write(self, settlement: Settlement) -> None:
        for name in settlement.ready + settlement.skipped:
            assert self.states[name] == "NotStarted", "decided twice, or kept"
        self.states.update(dict.fromkeys(settlement.ready, "Ready"))
        self.states.update(dict.fromkeys(settlement.skipped, "Skipped"))

    @property
    def ready(self) -> list[str]:
        return [name for name, state in self.states.items() if state == "Ready"]

    def end(self, name: str) -> None:
        state = self.states[name] = self.bodies[name][0]
        settlement = settle(self.graph, {name: state}, self)
        self.write(settlement)
        self.counters.update(settlement.remaining)

    def remaining(self, ids: Collection[str], /) -> Mapping[str, int]:
        return {name: self.counters[name] for name in ids}

    def outcomes(self, ids: Collection[str], /) -> Mapping[str, str]:
        return {name: self.states[name] for name in ids}

    def outputs(self, ids: Collection[str], /) -> Mapping[str, Mapping[str, Any]]:
        return {each: self.bodies[each][1] for each in ids if self.states[each] == "Completed"}


@given(graphs(with_rules=True), CONTEXTS, st.data())
def test_a_rerun_goes_as_if_all_had_run_with_what_now_becomes_of_it(graph, initial, data):
    bodies = {task.id: data.draw(BODY) for task in graph.tasks}
    until = data.draw(st.integers(0, 8))
    kept = kept_tasks(graph, ended_well(run(graph, bodies, initial, until)))
    again = {name: bodies[name] if name in kept else data.draw(BODY) for name in bodies}

    rerun = Rerun(graph, initial, kept, again)
    ran = []
    while rerun.ready:
        name = data.draw(st.sampled_from(rerun.ready))
        ran.append(name)
        rerun.end(name)

    assert rerun.states == {task.id: state for task, state in in_order(graph, again, initial)}
    assert not kept.keys() & set(ran)


def in_order(graph: Graph, bodies: Bodies, initial: dict[str, Any]) -> list[tuple[Task, str]]:
    states = run(graph, bodies, initial)
    return [(task, states[task.id]) for task in graph.tasks]


def test_outputs_that_are_taken_over_are_read_only_where_a_rule_does():
    rule = {"type": "ContextValue", "key": "n", "operator": "eq", "value": 1}
    graph = Graph([Task("a"), Task("b", ("a",)), Task("c", ("a",), rule)])
    bodies = {name: ("Completed", {"n": 1}) for name in "abc"}
    kept = {"a": TaskState.COMPLETED}

    rerun = Rerun(graph, {}, kept, bodies)

    assert rerun.ready == ["b", "c"]
    assert rerun.asked == ["a"]


def test_all_that_ended_well_leaves_nothing_to_run():
    graph = Graph([Task("a"), Task("b", ("a",))])
    ended = {"a": TaskState.COMPLETED, "b": TaskState.SKIPPED}

    kept = kept_tasks(graph, ended)

    assert kept == ended
    assert start(graph, {}, kept) == Settlement((), (), {})


def test_nothing_that_ended_keeps_nothing():
    graph = Graph([Task("a"), Task("b", ("a",))])

    assert kept_tasks(graph, {}) == {}
    assert start(graph, {}, {}) == start(graph, {})
