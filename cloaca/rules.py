"""Trigger rules: conditions on which a task runs once its dependencies have ended.

A rule is a plain dict. Its names of tasks and its depth are checked where the whole workflow is
known, when its package is built.
"""

from __future__ import annotations

from cloaca.context import to_json_value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Rule = dict[str, Any]

ALWAYS = "Always"

_OPERATORS = {
    **dict.fromkeys(("equals", "==", "eq"), "Equals"),
    **dict.fromkeys(("notequals", "!=", "ne"), "NotEquals"),
    **dict.fromkeys(("greaterthan", ">", "gt"), "GreaterThan"),
    **dict.fromkeys(("lessthan", "<", "lt"), "LessThan"),
    "contains": "Contains",
    "notcontains": "NotContains",
    "exists": "Exists",
    "notexists": "NotExists",
}
_OPERATOR_NAMES = ", ".join(dict.fromkeys(_OPERATORS.values()))

_GROUPS = ("All", "Any", "None")
_KEYS = {
    ALWAYS: set(),
    "ContextValue": {"key", "operator", "value"},
    **{kind: {"task_name"} for kind in ("TaskSuccess", "TaskFailed", "TaskSkipped")},
    **{kind: {"conditions"} for kind in _GROUPS},
}


def always() -> Rule:
    """Run whatever the dependencies came to; the default."""
    return {"type": ALWAYS}


def task_success(task_name: str) -> Rule:
    """Hold when a task completed."""
    return {"type": "TaskSuccess", "task_name": _task_name(task_name)}


def task_failed(task_name: str) -> Rule:
    """Hold when the last attempt of a task failed."""
    return {"type": "TaskFailed", "task_name": _task_name(task_name)}


def task_skipped(task_name: str) -> Rule:
    """Hold when a task was skipped."""
    return {"type": "TaskSkipped", "task_name": _task_name(task_name)}


def context_value(key: str, operator: str, value: Any) -> Rule:
    """Hold when a key of the task's input compares with a value as the operator says.

    Parameters:
        key: the key of the context.
        operator: Equals (==, eq), NotEquals (!=, ne), GreaterThan (>, gt), LessThan (<, lt),
            Contains, NotContains, Exists or NotExists, in any case, with or without underscores.
        value: what to compare with; Exists and NotExists do not look at it.

    Raises:
        ValueError: the operator is unknown.
        TypeError: the value has no JSON.
    """
    return {
        "type": "ContextValue",
        "key": key,
        "operator": _operator(operator),
        "value": to_json_value(value),
    }


def all_of(*conditions: Rule) -> Rule:
    """Hold when every condition does."""
    return _group("All", conditions)


def any_of(*conditions: Rule) -> Rule:
    """Hold when at least one condition does."""
    return _group("Any", conditions)


def none_of(*conditions: Rule) -> Rule:
    """Hold when no condition does."""
    return _group("None", conditions)


def task_rule(rule: Rule | None) -> Rule:
    """Read the `trigger_rules` of a task.

    Parameters:
        rule: what the helpers gave, or a dict of that form. None means `always()`.

    Returns:
        A copy of it; a condition that stands alone is put inside All.

    Raises:
        ValueError: it is not a rule.
    """
    if rule is None:
        return always()
    checked = checked_rule(rule)
    return checked if checked["type"] in (ALWAYS, *_GROUPS) else all_of(checked)


def checked_rule(rule: Rule) -> Rule:
    """Copy a rule or a condition, refusing what is not of the form that the helpers give.

    Raises:
        ValueError: says what is wrong.
    """
    try:
        copy = to_json_value(rule)
    except TypeError as error:
        raise ValueError(f"trigger rule: {error}") from None
    _check(copy)
    checked: Rule = copy
    return checked


def _group(kind: str, conditions: tuple[Rule, ...]) -> Rule:
    return {"type": kind, "conditions": [checked_rule(condition) for condition in conditions]}


def _check(rule: Any) -> None:
    kind = rule.get("type") if isinstance(rule, dict) else None
    if not isinstance(kind, str) or kind not in _KEYS:
        raise ValueError(
            f"trigger rule: {rule!r:.200} is not a rule; make one with cloaca.task_success, "
            "task_failed, task_skipped, context_value, all_of, any_of, none_of or always"
        )
    if rule.keys() != _KEYS[kind] | {"type"}:
        expected = ", ".join(sorted(_KEYS[kind])) or "nothing"
        raise ValueError(f"trigger rule: {kind} takes {expected} besides its type")
    if kind == "ContextValue":
        rule["operator"] = _operator(rule["operator"])
    elif kind in _GROUPS:
        if not isinstance(rule["conditions"], list):
            raise ValueError(f"trigger rule: the conditions of {kind} must be a list")
        for condition in rule["conditions"]:
            _check(condition)
    elif kind != ALWAYS:
        _task_name(rule["task_name"])


def _task_name(name: Any) -> str:
    if not isinstance(name, str):
        raise ValueError(f"trigger rule: a task is given by its id, not by {type(name).__name__}")
    return name


def _operator(name: Any) -> str:
    known = _OPERATORS.get(name.lower().replace("_", "")) if isinstance(name, str) else None
    if known is None:
        raise ValueError(f"trigger rule: unknown operator {name!r}. Use one of: {_OPERATOR_NAMES}.")
    return known
