import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloacina.dag.errors import InvalidWorkflow
from cloacina.dag.rules import (
    MAX_RULE_DEPTH,
    evaluate,
    plain_id,
    reads_context,
    tasks_named,
    validate_rule,
)
from tests.cloacina.dag.strategies import CONTEXTS, JSON, OPERATORS, OUTCOMES, holds, rules

NAMES = ["extract", "load", "report"]


def value_rule(operator: str, value: object = None, key: str = "a") -> dict[str, object]:
    return {"type": "ContextValue", "key": key, "operator": operator, "value": value}


def task_rule(kind: str, name: str) -> dict[str, object]:
    return {"type": kind, "task_name": name}


@given(rules(NAMES), st.dictionaries(st.sampled_from(NAMES), OUTCOMES), CONTEXTS)
def test_a_rule_holds_as_the_model_says(rule, outcomes, context):
    validate_rule(rule, NAMES)

    assert evaluate(rule, outcomes, context) is holds(rule, outcomes, context)


@given(rules(NAMES), st.dictionaries(st.sampled_from(NAMES), OUTCOMES), CONTEXTS)
def test_a_rule_looks_at_nothing_that_it_does_not_say(rule, outcomes, context):
    needed = {name: state for name, state in outcomes.items() if name in tasks_named(rule)}
    seen = context if reads_context(rule) else {}

    assert evaluate(rule, needed, seen) == evaluate(rule, outcomes, context)


@given(OPERATORS, JSON, CONTEXTS)
def test_no_values_make_an_operator_raise(operator, value, context):
    assert evaluate(value_rule(operator, value), {}, context) in (True, False)


@pytest.mark.parametrize(
    ("operator", "holds_without_key"),
    [
        ("Equals", False), ("NotEquals", True), ("Exists", False), ("NotExists", True),
        ("GreaterThan", False), ("LessThan", False), ("Contains", False), ("NotContains", True),
    ],
)  # fmt: skip
def test_a_missing_key_counts_as_documented(operator, holds_without_key):
    assert evaluate(value_rule(operator, None), {}, {}) is holds_without_key


def test_a_key_whose_value_is_null_exists():
    assert evaluate(value_rule("Exists"), {}, {"a": None})
    assert evaluate(value_rule("Equals", None), {}, {"a": None})


@pytest.mark.parametrize(
    "words",
    [
        ("Equals", "equals", "EQUALS", "eq", "EQ", "==", "_equals_"),
        ("GreaterThan", "greater_than", "GREATER_THAN", "gt", ">"),
        ("LessThan", "less_than", "lt", "<"),
        ("NotEquals", "not_equals", "ne", "!="),
    ],
)
def test_operators_are_known_in_any_case_without_underscores_and_by_sign(words):
    for actual in (1, 2, 3):
        found = {evaluate(value_rule(word, 2), {}, {"a": actual}) for word in words}
        assert len(found) == 1


def test_a_boolean_is_not_a_number():
    assert not evaluate(value_rule("Equals", 1), {}, {"a": True})
    assert not evaluate(value_rule("GreaterThan", 0), {}, {"a": True})
    assert not evaluate(value_rule("Contains", True), {}, {"a": [1, 1.0]})
    assert evaluate(value_rule("Equals", 1), {}, {"a": 1.0})


def test_numbers_are_compared_exactly_and_texts_are_not_ordered():
    assert evaluate(value_rule("GreaterThan", 2.0**53), {}, {"a": 2**53 + 1})
    assert evaluate(value_rule(">", 1.5), {}, {"a": 10**400})
    assert not evaluate(value_rule("GreaterThan", "a"), {}, {"a": "b"})
    assert not evaluate(value_rule("LessThan", 5), {}, {"a": "3"})


def test_contains_looks_into_texts_and_arrays_only():
    assert evaluate(value_rule("Contains", "b"), {}, {"a": "abc"})
    assert evaluate(value_rule("Contains", {"x": [1]}), {}, {"a": [0, {"x": [1.0]}]})
    assert not evaluate(value_rule("Contains", "x"), {}, {"a": {"x": 1}})
    assert not evaluate(value_rule("Contains", 1), {}, {"a": "1"})
    assert evaluate(value_rule("NotContains", "x"), {}, {"a": {"x": 1}})


@pytest.mark.parametrize("name", ["load", "acme::etl::nightly::load", "public::embedded::w::load"])
def test_a_task_is_named_plainly_or_in_full(name):
    for kind, outcome in [
        ("TaskSuccess", "Completed"), ("TaskFailed", "Failed"), ("TaskSkipped", "Skipped"),
    ]:  # fmt: skip
        rule = task_rule(kind, name)
        validate_rule(rule, NAMES)
        assert evaluate(rule, {"load": outcome}, {})
        for other in {"Completed", "Failed", "Skipped"} - {outcome}:
            assert not evaluate(rule, {"load": other}, {})


@pytest.mark.parametrize("outcomes", [{}, {"load": "Running"}, {"load": "NotStarted"}])
def test_a_task_that_has_not_ended_satisfies_no_condition(outcomes):
    for kind in ("TaskSuccess", "TaskFailed", "TaskSkipped"):
        assert not evaluate(task_rule(kind, "load"), outcomes, {})


def test_a_name_with_other_than_four_parts_is_taken_as_it_is():
    assert plain_id("a::b") == "a::b"
    assert plain_id("a::b::c::d::e") == "a::b::c::d::e"


def test_groups_without_conditions():
    empty = {kind: evaluate({"type": kind, "conditions": []}, {}, {}) for kind in ("All", "Any")}

    assert empty == {"All": True, "Any": False}
    assert evaluate({"type": "None", "conditions": []}, {}, {})


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (None, "must be an object"),
        ([], "must be an object"),
        ({}, "type of type NoneType is not one of Always"),
        ({"type": ["Always"]}, "type of type list"),
        ({"type": "always"}, "type 'always' is not one of Always, ContextValue"),
        ({"type": "Always", "task": 1}, "unknown key 'task'"),
        ({"type": "TaskSuccess"}, "'task_name' is missing"),
        (task_rule("TaskFailed", 3), "task_name must be a text"),  # type: ignore[arg-type]
        (task_rule("TaskFailed", "lod"), "'lod' is not a task of this workflow"),
        (task_rule("TaskFailed", "etl::load"), "'etl::load' is not a task"),
        ({"type": "All"}, "'conditions' is missing"),
        ({"type": "All", "conditions": {}}, "conditions must be a list"),
        ({"type": "Any", "conditions": [{"type": "Nope"}]}, "'Nope'"),
        ({"type": "Any", "conditions": ["Always"]}, "must be an object"),
        ({"type": "ContextValue", "key": "a", "operator": "eq"}, "'value' is missing"),
        ({"type": "ContextValue", "operator": "eq", "value": 1}, "'key' is missing"),
        (value_rule("Exists", key=1), "key must be a text"),  # type: ignore[arg-type]
        (value_rule("matches"), "operator 'matches' is not one of Equals"),
        (value_rule(7), "operator of type int"),  # type: ignore[arg-type]
        (value_rule("eq", float("nan")), "value is not JSON"),
        (value_rule("eq", json.loads("[" * 500 + "]" * 500)), "value nests deeper than 200"),
    ],
)
def test_a_malformed_rule_is_refused_in_words(rule, message):
    with pytest.raises(InvalidWorkflow) as caught:
        validate_rule(rule, NAMES)

    assert message in caught.value.message
    assert caught.value.code == "invalid_workflow"


def test_exists_needs_no_value():
    rule = {"type": "ContextValue", "key": "a", "operator": "not_exists"}
    validate_rule(rule, NAMES)

    assert evaluate(rule, {}, {})


def nested_rule(depth: int) -> dict[str, object]:
    rule: dict[str, object] = {"type": "Always"}
    for _ in range(depth):
        rule = {"type": "All", "conditions": [rule]}
    return rule


def test_nesting_is_bounded_and_the_deepest_rule_can_be_evaluated():
    validate_rule(nested_rule(MAX_RULE_DEPTH), NAMES)
    assert evaluate(nested_rule(MAX_RULE_DEPTH), {}, {})

    for depth in (MAX_RULE_DEPTH + 1, 100_000):
        with pytest.raises(InvalidWorkflow, match="nests deeper than 50 levels"):
            validate_rule(nested_rule(depth), NAMES)
