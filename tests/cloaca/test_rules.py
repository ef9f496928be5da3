import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cloaca
from cloaca.rules import checked_rule, task_rule

OPERATORS = {
    "Equals": ["equals", "EQUALS", "==", "eq"],
    "NotEquals": ["not_equals", "NotEquals", "!=", "ne"],
    "GreaterThan": ["greater_than", "GREATER_THAN", ">", "gt"],
    "LessThan": ["less_than", "lessThan", "<", "lt"],
    "Contains": ["contains"],
    "NotContains": ["not_contains"],
    "Exists": ["exists"],
    "NotExists": ["not_exists"],
}

CONDITIONS = (
    st.builds(cloaca.task_success, st.text())
    | st.builds(cloaca.task_failed, st.text())
    | st.builds(cloaca.task_skipped, st.text())
    | st.builds(
        cloaca.context_value, st.text(), st.sampled_from(list(OPERATORS)), st.integers() | st.text()
    )
)
GROUPS = (cloaca.all_of, cloaca.any_of, cloaca.none_of)
RULES = st.builds(cloaca.always) | st.recursive(
    CONDITIONS,
    lambda inner: st.builds(
        lambda group, parts: group(*parts), st.sampled_from(GROUPS), st.lists(inner, max_size=3)
    ),
)


@given(RULES)
def test_what_the_helpers_give_is_a_rule_that_json_carries(rule):
    assert checked_rule(rule) == rule
    assert json.loads(json.dumps(rule)) == rule


@given(CONDITIONS)
def test_a_bare_condition_stands_in_all(condition):
    assert task_rule(condition) == {"type": "All", "conditions": [condition]}


def test_the_helpers_give_plain_dicts():
    condition = cloaca.task_success("a")
    assert cloaca.always() == {"type": "Always"}
    assert condition == {"type": "TaskSuccess", "task_name": "a"}
    assert cloaca.task_failed("a") == {"type": "TaskFailed", "task_name": "a"}
    assert cloaca.task_skipped("a") == {"type": "TaskSkipped", "task_name": "a"}
    assert cloaca.all_of(condition) == {"type": "All", "conditions": [condition]}
    assert cloaca.any_of(condition) == {"type": "Any", "conditions": [condition]}
    assert cloaca.none_of() == {"type": "None", "conditions": []}
    assert cloaca.context_value("n", ">", (1,)) == {
        "type": "ContextValue",
        "key": "n",
        "operator": "GreaterThan",
        "value": [1],
    }


@pytest.mark.parametrize(
    ("spelling", "name"), [(word, name) for name, words in OPERATORS.items() for word in words]
)
def test_operators_have_many_spellings(spelling, name):
    assert cloaca.context_value("k", spelling, 1)["operator"] == name


@pytest.mark.parametrize("operator", ["", "like", "=", None, 3])
def test_an_unknown_operator_is_refused(operator):
    with pytest.raises(ValueError, match=r"unknown operator .* Use one of: Equals, NotEquals"):
        cloaca.context_value("k", operator, 1)


def test_the_operator_of_a_dict_written_by_hand_is_read_in_the_same_way():
    rule = {"type": "ContextValue", "key": "k", "operator": "gt", "value": 1}
    assert task_rule(rule)["conditions"][0]["operator"] == "GreaterThan"


def test_no_rule_is_always():
    assert task_rule(None) == {"type": "Always"}


def test_a_rule_is_taken_as_it_is_and_copied():
    rule = cloaca.any_of(cloaca.task_failed("a"))
    assert task_rule(rule) == rule
    assert task_rule(rule) is not rule


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ("Always", "is not a rule; make one with cloaca.task_success"),
        ([], "is not a rule"),
        ({}, "is not a rule"),
        ({"type": "Sometimes"}, "is not a rule"),
        ({"type": ["Always"]}, "is not a rule"),
        ({"type": "Always", "x": 1}, "Always takes nothing besides its type"),
        ({"type": "TaskFailed"}, "TaskFailed takes task_name besides its type"),
        ({"type": "TaskFailed", "task_name": 3}, "a task is given by its id, not by int"),
        ({"type": "All", "conditions": {}}, "conditions of All must be a list"),
        ({"type": "All", "conditions": [{"type": "Maybe"}]}, "is not a rule"),
        ({"type": "ContextValue", "key": "k"}, "takes key, operator, value"),
        ({"type": object()}, "unsupported type object"),
    ],
)
def test_what_is_not_a_rule_is_refused(rule, reason):
    with pytest.raises(ValueError, match=f"trigger rule: .*{reason}"):
        task_rule(rule)


def test_a_task_given_as_a_function_is_refused_by_the_helpers():
    with pytest.raises(ValueError, match="a task is given by its id, not by function"):
        cloaca.task_success(lambda context: context)
