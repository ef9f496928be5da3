"""What a workflow declares that it must be given: parameters and secrets."""

from __future__ import annotations

from cloaca.context import to_json_value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, TypeVar

    Decorated = TypeVar("Decorated")
    Slot = dict[str, Any]

_SLOTS = "__cloaca_params__"

_SCHEMA_TYPES = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    list: "array",
    dict: "object",
}


def workflow_params(**params: Any) -> Callable[[Decorated], Decorated]:
    """Declare parameters of the workflow on one of its tasks.

    They are checked when an execution is asked for, and arrive as keys of the initial context. May
    be stacked, above or below `task`.

    Parameters:
        params: by name, a type (the parameter is required) or a pair (type, default). Types are
            str, int, float, bool, list and dict.

    Returns:
        A decorator that gives back what it decorates.

    Raises:
        TypeError: the type is another, or the default is not of it. None is a default of any type.
    """
    slots = [_slot(name, declared) for name, declared in params.items()]

    def declare(function: Decorated) -> Decorated:
        setattr(function, _SLOTS, [*slots, *getattr(function, _SLOTS, ())])
        return function

    return declare


def workflow_secrets(*names: str) -> Callable[[Decorated], Decorated]:
    """Declare the secrets that the workflow reads, on one of its tasks.

    Nothing is granted by it: until the server has a secret store, `Context.secret` refuses all.

    Parameters:
        names: of the secrets. May be stacked.

    Returns:
        A decorator that gives back what it decorates.

    Raises:
        TypeError: a name is not a str.
    """
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"workflow_secrets takes names, not {type(name).__name__}")
    return lambda function: function


def declared_params(functions: Iterable[Callable[..., Any]]) -> list[Slot]:
    """Give the parameters that functions declare together, in order of declaration.

    Raises:
        ValueError: two declare one name differently.
    """
    slots: dict[str, Slot] = {}
    for function in functions:
        for slot in getattr(function, _SLOTS, ()):
            if slots.setdefault(slot["name"], slot) != slot:
                raise ValueError(
                    f"Parameter '{slot['name']}' is declared twice, and not in the same way"
                )
    return list(slots.values())


def _slot(name: str, declared: Any) -> Slot:
    required = not isinstance(declared, tuple)
    kind, default = (declared, None) if required else _pair(name, declared)
    if not isinstance(kind, type) or kind not in _SCHEMA_TYPES:
        allowed = ", ".join(known.__name__ for known in _SCHEMA_TYPES)
        raise TypeError(f"Parameter '{name}': {kind!r} is not one of the types {allowed}")
    slot = {
        "name": name,
        "schema": {"type": _SCHEMA_TYPES[kind]},
        "required": required,
        "encrypted": False,
    }
    if not required:
        if not _fits(default, kind):
            raise TypeError(f"Parameter '{name}': the default {default!r} is not {kind.__name__}")
        slot["default"] = to_json_value(default)
    return slot


def _pair(name: str, declared: tuple[Any, ...]) -> tuple[Any, Any]:
    if len(declared) != 2:
        raise TypeError(f"Parameter '{name}': give a type, or a pair (type, default)")
    return declared[0], declared[1]


def _fits(default: Any, kind: type) -> bool:
    if default is None:
        return True
    if isinstance(default, bool):
        return kind is bool
    return isinstance(default, (int, float) if kind is float else kind)
