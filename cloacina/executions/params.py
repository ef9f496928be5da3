"""Declared params: what a workflow wants in its initial context."""

from collections.abc import Mapping, Sequence
from typing import Any

from cloacina.executions.errors import WorkflowInputInvalid

_PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}


def with_defaults(slots: Sequence[Mapping[str, Any]], context: Mapping[str, Any]) -> dict[str, Any]:
    """Check a context against the declared params and fill in their defaults.

    Parameters:
        slots: the params, each with `name`, `schema`, `required` and perhaps `default`.
        context: what the caller gave; other keys than the params' are let through.

    Returns:
        The context with the defaults of the params that were not given.

    Raises:
        WorkflowInputInvalid: names every param that is missing or of a wrong type.
    """
    problems = []
    filled = dict(context)
    for slot in slots:
        name = slot["name"]
        if name not in context:
            if "default" in slot:
                filled[name] = slot["default"]
            elif slot["required"]:
                problems.append(f"'{name}' is required")
        elif not _fits(context[name], slot["schema"].get("type")):
            problems.append(f"'{name}' must be of type {slot['schema']['type']}")
    if problems:
        raise WorkflowInputInvalid(f"workflow input is invalid: {'; '.join(problems)}")
    return filled


def _fits(value: object, json_type: object) -> bool:
    types = _PYTHON_TYPES.get(str(json_type))
    if types is None:
        return True
    if isinstance(value, bool) and bool not in types:
        return False
    return isinstance(value, types)
