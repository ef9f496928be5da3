r"""Trigger rules: conditions on which a task runs, once all its dependencies have ended.

A rule is a JSON object, as the helpers of `cloaca` make it:

    {"type": "Always"}
    {"type": "TaskSuccess" | "TaskFailed" | "TaskSkipped", "task_name": <id or full name>}
    {"type": "ContextValue", "key": ..., "operator": ..., "value": <any JSON>}
    {"type": "All" | "Any" | "None", "conditions": [<rule>, ...]}

A full name is `tenant::package::workflow::task`. Its first three parts are not compared: a package
may be loaded under any tenant.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Final

from cloacina.dag.errors import InvalidWorkflow
from cloacina.dag.states import TaskState
from cloacina.dag.values import dump_json, identity, shown

ALWAYS: Final[Mapping[str, Any]] = {"type": "Always"}

MAX_RULE_DEPTH: Final = 50
"""Levels of All, Any and None inside each other."""

_OUTCOMES: Final = {
    "TaskSuccess": TaskState.COMPLETED,
    "TaskFailed": TaskState.FAILED,
    "TaskSkipped": TaskState.SKIPPED,
}
_GROUPS: Final = frozenset({"All", "Any", "None"})
_KEYS: Final[dict[str, frozenset[str]]] = {
    "Always": frozenset(),
    "ContextValue": frozenset({"key", "operator", "value"}),
    **{kind: frozenset({"task_name"}) for kind in _OUTCOMES},
    **{kind: frozenset({"conditions"}) for kind in _GROUPS},
}

_MISSING: Final = object()


def evaluate(
    rule: Mapping[str, Any], outcomes: Mapping[str, str], context: Mapping[str, Any]
) -> bool:
    """Tell whether a rule holds.

    Parameters:
        rule: a rule that `validate_rule` accepts.
        outcomes: the states of tasks, by plain id. A task that is not in it, or in a state that is
            not terminal, is neither completed, failed nor skipped.
        context: the task's merged input. Values of types that cannot be compared give false, their
            negation true, and nothing raises. A boolean is not a number: true is not 1.

    Returns:
        Whether the task runs. Without conditions, All and None hold and Any does not.
    """
    kind = rule["type"]
    if kind in _OUTCOMES:
        return outcomes.get(plain_id(rule["task_name"])) == _OUTCOMES[kind]
    if kind == "ContextValue":
        holds = _OPERATORS[_operator(rule["operator"])]
        return holds(context.get(rule["key"], _MISSING), rule.get("value"))
    if kind in _GROUPS:
        found = (evaluate(part, outcomes, context) for part in rule["conditions"])
        if kind == "All":
            return all(found)
        return any(found) if kind == "Any" else not any(found)
    return True


def plain_id(name: str) -> str:
    """Give the id of a task from its plain id or its full name."""
    parts = name.split("::")
    return parts[3] if len(parts) == 4 else name


def tasks_named(rule: Mapping[str, Any]) -> set[str]:
    """Give the plain ids of the tasks whose outcomes a rule looks at."""
    return {plain_id(part["task_name"]) for part in _parts(rule) if part["type"] in _OUTCOMES}


def reads_context(rule: Mapping[str, Any]) -> bool:
    """Tell whether a rule looks at the merged input."""
    return any(part["type"] == "ContextValue" for part in _parts(rule))


def validate_rule(rule: object, known_ids: Collection[str]) -> None:
    """Refuse what is not a rule.

    Parameters:
        rule: parsed JSON.
        known_ids: the plain ids of the workflow's tasks. A rule on another could never hold.

    Raises:
        InvalidWorkflow: says what is wrong.
    """
    pending: list[tuple[object, int]] = [(rule, 0)]
    while pending:
        part, depth = pending.pop()
        if depth > MAX_RULE_DEPTH:
            raise InvalidWorkflow(f"Trigger rule: nests deeper than {MAX_RULE_DEPTH} levels")
        kind, part = _shape(part)
        if kind in _GROUPS:
            conditions = part["conditions"]
            if not isinstance(conditions, list):
                raise InvalidWorkflow(f"Trigger rule {kind}: conditions must be a list of rules")
            pending.extend((condition, depth + 1) for condition in reversed(conditions))
        elif kind in _OUTCOMES:
            _validate_task_name(kind, part["task_name"], known_ids)
        elif kind == "ContextValue":
            _validate_context_value(part)


def _shape(part: object) -> tuple[str, Mapping[str, Any]]:
    if not isinstance(part, dict):
        raise InvalidWorkflow("Trigger rule: must be an object with a 'type'")
    kind = part.get("type")
    if not isinstance(kind, str) or kind not in _KEYS:
        allowed = ", ".join(_KEYS)
        raise InvalidWorkflow(f"Trigger rule: type {shown(kind)} is not one of {allowed}")
    unknown = sorted(part.keys() - _KEYS[kind] - {"type"})
    if unknown:
        raise InvalidWorkflow(f"Trigger rule {kind}: unknown key {shown(unknown[0])}")
    absent = sorted(_KEYS[kind] - part.keys() - {"value"})
    if absent:
        raise InvalidWorkflow(f"Trigger rule {kind}: '{absent[0]}' is missing")
    return kind, part


def _validate_task_name(kind: str, name: object, known_ids: Collection[str]) -> None:
    if not isinstance(name, str):
        raise InvalidWorkflow(f"Trigger rule {kind}: task_name must be a text")
    if plain_id(name) not in known_ids:
        raise InvalidWorkflow(
            f"Trigger rule {kind}: task {shown(name)} is not a task of this workflow"
        )


def _validate_context_value(part: Mapping[str, Any]) -> None:
    if not isinstance(part["key"], str):
        raise InvalidWorkflow("Trigger rule ContextValue: key must be a text")
    operator = part["operator"]
    if not isinstance(operator, str) or _operator(operator) not in _OPERATORS:
        raise InvalidWorkflow(
            f"Trigger rule ContextValue: operator {shown(operator)} is not one of Equals, "
            "NotEquals, GreaterThan, LessThan, Contains, NotContains, Exists, NotExists"
        )
    if "value" not in part and _operator(operator) not in ("exists", "notexists"):
        raise InvalidWorkflow("Trigger rule ContextValue: 'value' is missing")
    try:
        dump_json(part.get("value"))
    except ValueError as error:
        raise InvalidWorkflow(f"Trigger rule ContextValue: value {error}") from None


def _parts(rule: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    pending = [rule]
    while pending:
        part = pending.pop()
        yield part
        pending.extend(part.get("conditions", ()))


def _operator(name: str) -> str:
    return name.lower().replace("_", "")


def _equal(actual: Any, expected: Any) -> bool:
    return actual is not _MISSING and identity(actual) == identity(expected)


def _contains(actual: Any, expected: Any) -> bool:
    if isinstance(actual, str):
        return isinstance(expected, str) and expected in actual
    if isinstance(actual, list):
        wanted = identity(expected)
        return any(identity(item) == wanted for item in actual)
    return False


def _numbers(*values: Any) -> bool:
    return all(isinstance(value, int | float) and type(value) is not bool for value in values)


_OPERATORS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    **dict.fromkeys(("equals", "==", "eq"), _equal),
    **dict.fromkeys(
        ("notequals", "!=", "ne"), lambda actual, expected: not _equal(actual, expected)
    ),
    **dict.fromkeys(
        ("greaterthan", ">", "gt"),
        lambda actual, expected: _numbers(actual, expected) and actual > expected,
    ),
    **dict.fromkeys(
        ("lessthan", "<", "lt"),
        lambda actual, expected: _numbers(actual, expected) and actual < expected,
    ),
    "contains": _contains,
    "notcontains": lambda actual, expected: not _contains(actual, expected),
    "exists": lambda actual, _: actual is not _MISSING,
    "notexists": lambda actual, _: actual is _MISSING,
}
