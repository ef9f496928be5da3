"""Random JSON, graphs and rules, and the plainest possible models to compare with."""

from typing import Any

from hypothesis import strategies as st

from cloacina.dag.graph import Graph, Task
from cloacina.dag.rules import ALWAYS

KEYS = st.sampled_from("abc")
SCALARS = (
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from([-1.0, 0.0, -0.0, 0.5, 1.0])
    | st.sampled_from(["", "a", "ab", "1", "true"])
)  # fmt: skip
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)
CONTEXTS = st.dictionaries(KEYS, JSON, max_size=3)
OUTCOMES = st.sampled_from(["Completed", "Failed", "Skipped"])
SPELLINGS = {
    "Equals": "equals", "==": "equals", "eq": "equals",
    "NotEquals": "not equals", "!=": "not equals", "ne": "not equals",
    "GreaterThan": "greater", ">": "greater", "gt": "greater",
    "LessThan": "less", "<": "less", "lt": "less",
    "Contains": "contains", "not_contains": "not contains",
    "EXISTS": "exists", "NotExists": "not exists",
}  # fmt: skip
OPERATORS = st.sampled_from(sorted(SPELLINGS))


def rules(names: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    """Make rules over these task ids, nested a few levels deep."""
    leaves: st.SearchStrategy[dict[str, Any]] = st.just({"type": "Always"}) | st.builds(
        lambda key, operator, value: {
            "type": "ContextValue", "key": key, "operator": operator, "value": value,
        },
        KEYS, OPERATORS, JSON,
    )  # fmt: skip
    if names:
        full_or_plain = st.sampled_from([*names, *(f"acme::etl::nightly::{n}" for n in names)])
        leaves |= st.builds(
            lambda kind, name: {"type": kind, "task_name": name},
            st.sampled_from(["TaskSuccess", "TaskFailed", "TaskSkipped"]), full_or_plain,
        )  # fmt: skip
    return st.recursive(
        leaves,
        lambda inner: st.builds(
            lambda kind, conditions: {"type": kind, "conditions": conditions},
            st.sampled_from(["All", "Any", "None"]), st.lists(inner, max_size=3),
        ),
        max_leaves=5,
    )  # fmt: skip


@st.composite
def graphs(draw: st.DrawFn, *, with_rules: bool = False) -> Graph:
    """Make graphs whose order of declaration says nothing about their dependencies.

    A rule names only tasks that come before in any order, so that its result is always the same.
    """
    names = [f"t{index}" for index in range(draw(st.integers(1, 8)))]
    tasks: list[Task] = []
    ancestors: dict[str, set[str]] = {}
    for place, name in enumerate(names):
        near = draw(st.sets(st.sampled_from(names[:place]), max_size=4)) if place else set()
        ancestors[name] = near.union(*(ancestors[other] for other in near))
        rule = draw(rules(sorted(ancestors[name]))) if with_rules else ALWAYS
        dependencies = tuple(draw(st.permutations(sorted(near))))
        tasks.append(Task(name, dependencies, rule))
    return Graph(draw(st.permutations(tasks)))


def same(one: Any, other: Any) -> bool:
    """Model of the equality of JSON values."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def merge_two(one: Any, other: Any) -> Any:
    """Model of merging: two values at a time."""
    if isinstance(one, dict) and isinstance(other, dict):
        merged = dict(one)
        for key, value in other.items():
            merged[key] = merge_two(merged[key], value) if key in merged else value
        return merged
    if isinstance(one, list) and isinstance(other, list):
        union: list[Any] = []
        for item in one + other:
            if not any(same(item, kept) for kept in union):
                union.append(item)
        return union
    return other


def holds(rule: dict[str, Any], outcomes: dict[str, str], context: dict[str, Any]) -> bool:
    """Model of a rule's evaluation."""
    kind = rule["type"]
    if kind == "Always":
        return True
    if kind == "ContextValue":
        return _value_holds(rule, context)
    if kind.startswith("Task"):
        wanted = {"TaskSuccess": "Completed", "TaskFailed": "Failed", "TaskSkipped": "Skipped"}
        return outcomes.get(rule["task_name"].rpartition("::")[2]) == wanted[kind]
    count = sum(holds(part, outcomes, context) for part in rule["conditions"])
    return {"All": count == len(rule["conditions"]), "Any": count > 0, "None": count == 0}[kind]


def _value_holds(rule: dict[str, Any], context: dict[str, Any]) -> bool:
    there, actual, value = rule["key"] in context, context.get(rule["key"]), rule["value"]
    meaning = SPELLINGS[rule["operator"]]
    word = meaning.removeprefix("not ")
    comparable = {type(actual), type(value)} <= {int, float}
    if isinstance(actual, list):
        contains = any(same(item, value) for item in actual)
    else:
        contains = isinstance(actual, str) and isinstance(value, str) and value in actual
    truth = {
        "equals": there and same(actual, value),
        "greater": comparable and actual > value,
        "less": comparable and actual < value,
        "contains": contains,
        "exists": there,
    }[word]
    return truth if word == meaning else not truth
