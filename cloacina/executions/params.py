"""Declared params: what a workflow wants in its initial context."""

from collections.abc import Mapping, Sequence
from typing import Any

from cloacina.dag.errors import InvalidWorkflow
from cloacina.executions.errors import WorkflowInputInvalid

_PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}


def check_slots(slots: object) -> None:
    """Refuse params that could not be used later; they come from a tenant's process.

    Raises:
        InvalidWorkflow: they are not a list of objects as `cloaca/params.py` makes them.
    """
    if not isinstance(slots, list) or not all(_is_slot(slot) for slot in slots):
        raise InvalidWorkflow(
            "Workflow: its params must be a list of objects with the keys name, schema, required"
        )


def _is_slot(slot: object) -> bool:
    if not isinstance(slot, dict) or not isinstance(slot.get("schema"), dict):
        return False
    declared = slot["schema"].get("type", [])
    kinds = declared if isinstance(declared, list) else [declared]
    return (
        isinstance(slot.get("name"), str)
        and isinstance(slot.get("required"), bool)
        and all(isinstance(kind, str) for kind in kinds)
    )


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
        elif not _fits(context[name], _types_of(slot)):
            problems.append(f"'{name}' must be of type {' or '.join(_types_of(slot))}")
    if problems:
        raise WorkflowInputInvalid(f"workflow input is invalid: {'; '.join(problems)}")
    return filled


def _types_of(slot: Mapping[str, Any]) -> list[str]:
    """Give the JSON types that a param may have; none: any."""
    declared = slot["schema"].get("type", [])
    return [declared] if isinstance(declared, str) else list(declared)


def _fits(value: object, json_types: Sequence[str]) -> bool:
    allowed = {kind for name in json_types for kind in _PYTHON_TYPES.get(name, ())}
    if not allowed:
        return True
    if isinstance(value, bool):
        return bool in allowed
    return isinstance(value, tuple(allowed))
