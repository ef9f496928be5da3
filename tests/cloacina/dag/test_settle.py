import functools
from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloacina.dag.graph import Graph, Task
from cloacina.dag.settle import Settlement, decide, settle, start
from tests.cloacina.dag.strategies import CONTEXTS, graphs, holds, merge_two

AFTER_SUCCESS = {"type": "TaskSuccess", "task_name": "root"}


class Execution:
    """An execution's records in memory, kept as the engine keeps them in its tables."""

    def __init__(self, graph: Graph, initial: dict[str, Any] | None = None) -> None:
        self.graph = graph
        self.states = {task.id: "NotStarted" for task in graph.tasks}
        self.counters = {task.id: len(task.dependencies) for task in graph.tasks}
        self.contexts: dict[str, dict[str, Any]] = {}
        self.asked: Counter[str] = Counter()
        self.write(start(graph, initial or {}))

    def write(self, settlement: Settlement) -> None:
        for name in settlement.ready + settlement.skipped:
            assert self.states[name] == "NotStarted", "decided twice"
            self.counters[name] = 0
        self.counters.update(settlement.remaining)
        self.states.update(dict.fromkeys(settlement.ready, "Ready"))
        self.states.update(dict.fromkeys(settlement.skipped, "Skipped"))

    def end(self, name: str, state: str = "Completed", output: Any = None) -> Settlement:
        assert self.states[name] == "Ready"
        self.states[name] = state
        if state == "Completed":
            self.contexts[name] = output or {}
        settlement = settle(self.graph, {name: state}, self)
        self.write(settlement)
        return settlement

    @property
    def ready(self) -> list[str]:
        return [name for name, state in self.states.items() if state == "Ready"]

    def remaining(self, ids: Collection[str], /) -> Mapping[str, int]:
        self.asked["remaining"] += len(ids)
        return {name: self.counters[name] for name in ids}

    def outcomes(self, ids: Collection[str], /) -> Mapping[str, str]:
        self.asked["outcomes"] += len(ids)
        return {name: self.states[name] for name in ids}

    def outputs(self, ids: Collection[str], /) -> Mapping[str, Mapping[str, Any]]:
        self.asked["outputs"] += len(ids)
        return {name: self.contexts[name] for name in ids if name in self.contexts}


def expected_states(graph, bodies, initial) -> dict[str, str]:
    """Model: go through the tasks in order, with all that went before in view."""
    states: dict[str, str] = {}
    for name in graph.topological_order:
        task = graph.task(name)
        completed = [bodies[dep][1] for dep in task.dependencies if states[dep] == "Completed"]
        context = functools.reduce(merge_two, completed, {}) if task.dependencies else initial
        runs = holds(task.trigger_rules, states, context)
        states[name] = bodies[name][0] if runs else "Skipped"
    return states


@given(graphs(with_rules=True), CONTEXTS, st.data())
def test_in_whatever_order_tasks_end_each_ends_as_the_model_says(graph, initial, data):
    body = st.tuples(st.sampled_from(["Completed", "Failed"]), CONTEXTS)
    bodies = {task.id: data.draw(body) for task in graph.tasks}

    execution = Execution(graph, initial)
    while execution.ready:
        name = data.draw(st.sampled_from(execution.ready))
        execution.end(name, *bodies[name])
        for task in graph.tasks:
            ended = {"Completed", "Failed", "Skipped"}
            open_ = [dep for dep in task.dependencies if execution.states[dep] not in ended]
            assert execution.counters[task.id] == len(open_)

    assert execution.states == expected_states(graph, bodies, initial)


def test_a_task_under_always_runs_after_a_failed_dependency():
    execution = Execution(Graph([Task("a"), Task("b", ("a",))]))

    assert execution.end("a", "Failed").ready == ("b",)


def test_a_skip_is_not_transitive_by_itself():
    graph = Graph([Task("root"), Task("b", ("root",), AFTER_SUCCESS), Task("c", ("b",))])

    settlement = Execution(graph).end("root", "Failed")

    assert settlement == Settlement(ready=("c",), skipped=("b",), remaining={})


def test_a_join_waits_until_all_have_ended_and_skips_count():
    graph = Graph(
        [
            Task("root"),
            Task("other"),
            Task("skipped", ("root",), AFTER_SUCCESS),
            Task("join", ("skipped", "other", "root")),
        ]
    )
    execution = Execution(graph)

    assert execution.end("root", "Failed") == Settlement((), ("skipped",), {"join": 1})
    assert execution.end("other") == Settlement(("join",), (), {})


def test_a_root_is_decided_from_the_initial_context():
    rule = {"type": "ContextValue", "key": "full", "operator": "eq", "value": True}
    graph = Graph([Task("a", trigger_rules=rule), Task("b"), Task("c", ("a", "b"))])

    assert start(graph, {"full": True}) == Settlement(("a", "b"), (), {})
    assert start(graph, {"full": 1}) == Settlement(("b",), ("a",), {"c": 1})


def test_an_execution_may_end_before_anything_ran():
    never = {"type": "Any", "conditions": []}
    graph = Graph([Task("a", trigger_rules=never), Task("b", ("a",), never)])

    assert start(graph, {}) == Settlement((), ("a", "b"), {})


def test_a_rule_reads_the_merge_of_the_outputs_in_declared_order():
    rule = {"type": "ContextValue", "key": "n", "operator": "eq", "value": "a"}
    graph = Graph([Task("a"), Task("b"), Task("c"), Task("join", ("c", "b", "a"), rule)])
    execution = Execution(graph)

    execution.end("a", output={"n": "a"})
    execution.end("b", output={"n": "b"})

    assert execution.end("c", "Failed").ready == ("join",)


def test_several_tasks_may_end_at_once():
    graph = Graph([Task("a"), Task("b"), Task("join", ("a", "b"))])

    settlement = settle(graph, {"a": "Completed", "b": "Skipped"}, Execution(graph))

    assert settlement.ready == ("join",)


def test_a_state_that_is_not_terminal_is_refused():
    graph = Graph([Task("a")])

    with pytest.raises(ValueError, match="not ended"):
        settle(graph, {"a": "Running"}, Execution(graph))


def test_one_decision_can_be_asked_for():
    graph = Graph([Task("root"), Task("b", ("root",), AFTER_SUCCESS)])

    assert decide(graph, "b", {"root": "Completed"}, {}) == "Ready"
    assert decide(graph, "b", {"root": "Failed"}, {}) == "Skipped"


def fan(width: int, **rule: Any) -> Graph:
    middle = [f"m{n}" for n in range(width)]
    fields = {"trigger_rules": rule} if rule else {}
    return Graph(
        [
            Task("root"),
            *(Task(name, ("root",), **fields) for name in middle),
            Task("join", tuple(middle)),
        ]
    )


def test_a_fan_out_asks_for_one_counter_a_task_that_ends():
    execution = Execution(fan(1_000))

    assert len(execution.end("root").ready) == 1_000
    assert not execution.asked
    while len(execution.ready) > 1 or "join" not in execution.ready:
        execution.end(execution.ready[0])

    assert execution.ready == ["join"]
    assert execution.asked == {"remaining": 1_000}


def test_a_fan_out_under_a_rule_asks_once_for_what_all_its_tasks_read():
    rule = {"type": "ContextValue", "key": "n", "operator": "lt", "value": 0}
    execution = Execution(fan(1_000, **rule))

    settlement = execution.end("root", output={"n": 1})

    assert len(settlement.skipped) == 1_000
    assert settlement.ready == ("join",)
    assert execution.asked == {"outputs": 1, "remaining": 1}


def test_ten_thousand_skips_in_a_row_need_neither_stack_nor_records():
    def after(name: str) -> dict[str, str]:
        return {"type": "TaskSuccess", "task_name": name}

    tasks = [Task(f"t{n}", (f"t{n - 1}",), after(f"t{n - 1}")) for n in range(1, 10_000)]
    execution = Execution(Graph([Task("t0"), *tasks]))

    settlement = execution.end("t0", "Failed")

    assert settlement.skipped == tuple(f"t{n}" for n in range(1, 10_000))
    assert not execution.asked
