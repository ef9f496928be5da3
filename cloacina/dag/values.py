"""JSON values: their text, and when two of them are the same."""

import json
import math
from collections.abc import Hashable
from typing import Any, Final

MAX_DEPTH: Final = 200
"""Levels of arrays and objects inside each other; Python's own JSON code recurses per level."""

_TOO_DEEP: Final = f"nests deeper than {MAX_DEPTH} levels"

_SHOWN: Final = 255


def identity(value: Any) -> Hashable:
    """Give the key that two JSON values share exactly when they are equal.

    Numbers are equal by value (1 is 1.0), as JSON Schema has it; true is not 1, the text "1" is
    not the number, and the order of an object's keys does not matter.

    Parameters:
        value: any JSON value, as deep as it likes.

    Returns:
        A flat key, made in time linear in the value's size (but for sorting an object's keys).
    """
    parts: list[Hashable] = []
    pending = [value]
    while pending:
        item = pending.pop()
        # Each container notes how much follows it, so that flat parts cannot be read in two ways.
        if isinstance(item, dict):
            keys = sorted(item)
            parts.append((dict, *keys))
            pending.extend(item[key] for key in keys)
        elif isinstance(item, list):
            parts.append((list, len(item)))
            pending.extend(item)
        else:
            parts.append(_scalar_identity(item))
    return tuple(parts)


def _scalar_identity(value: Any) -> Hashable:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return (type(value), value)
    if isinstance(value, float) and not value.is_integer():
        return (float, value.hex())
    # As text: the hash of a text is salted, that of a number is not, and a tenant could send
    # thousands of numbers that collide.
    return (int, hex(int(value)))


def finite_number(value: object) -> float | None:
    """Read a number that is neither a boolean nor out of a float's range.

    Returns:
        The number, or None when the value is anything else.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def shown(value: object) -> str:
    """Show a value of unknown type in a message: a text in quotes, of all else the type."""
    if isinstance(value, str):
        return repr(value) if len(value) <= _SHOWN else f"{value[:_SHOWN]!r}..."
    return f"of type {type(value).__name__}"


def load_json(text: str) -> Any:
    """Parse strict JSON.

    Raises:
        ValueError: the text is not JSON, holds a number that is not finite, or nests too deep. The
            message is a predicate ("is not JSON: ..."): put the name of what was read before it.
    """
    try:
        value = json.loads(text, parse_float=_finite_float, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    except ValueError as error:
        raise ValueError(f"is not JSON: {error}") from None
    _refuse_depth(value, text)
    return value


def dump_json(value: Any) -> str:
    """Write a value as compact JSON text that UTF-8 can always carry.

    Raises:
        ValueError: the value is not JSON, holds a number that is not finite, or nests too deep. The
            message is a predicate, as for `load_json`.
    """
    try:
        text = _dumps(value, ensure_ascii=False)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    except (TypeError, ValueError) as error:
        raise ValueError(f"is not JSON: {error}") from None
    _refuse_depth(value, text)
    try:
        text.encode()
    except UnicodeEncodeError:  # a lone surrogate, which only an escape can carry
        text = _dumps(value, ensure_ascii=True)
    return text


def _dumps(value: Any, *, ensure_ascii: bool) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, allow_nan=False, separators=(",", ":"))


def _finite_float(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"the number {text[:40]} is out of range")
    return number


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def _refuse_depth(value: Any, text: str) -> None:
    # Most texts hold fewer brackets than there may be levels, which is quicker to see.
    if text.count("{") + text.count("[") <= MAX_DEPTH:
        return
    containers = [value]
    for _ in range(MAX_DEPTH):
        containers = [
            child
            for container in containers
            for child in (container.values() if isinstance(container, dict) else container)
            if isinstance(child, dict | list | tuple)
        ]
    if containers:
        raise ValueError(_TOO_DEEP)
