"""Checks of arguments whose errors name the argument."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeVar

    Value = TypeVar("Value")


def whole_number(name: str, value: Any) -> int:
    """Give back a whole number that is 0 or more.

    Raises:
        TypeError: it is not a whole number.
        ValueError: it is negative.
    """
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} must be a whole number, not {type(value).__name__}")
    if value < 0:
        raise ValueError(f"{name} must be 0 or more, not {value}")
    return value


def not_negative(name: str, value: Any) -> float:
    """Give back a finite number that is 0 or more.

    Raises:
        TypeError: it is not a number.
        ValueError: it is negative or not finite.
    """
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError(f"{name} must be a number, not {type(value).__name__}")
    if not 0 <= value < float("inf"):
        raise ValueError(f"{name} must be 0 or more and finite, not {value}")
    return float(value)


def instance_of(name: str, value: Any, kind: type[Value]) -> Value:
    """Give back an object of a class.

    Raises:
        TypeError: it is not of that class.
    """
    if not isinstance(value, kind):
        raise TypeError(f"{name} must be a {kind.__name__}, not {type(value).__name__}")
    return value


def callable_or_none(name: str, value: Value) -> Value:
    """Give back a function, or None.

    Raises:
        TypeError: it is neither.
    """
    if value is not None and not callable(value):
        raise TypeError(f"{name} must be a function, not {type(value).__name__}")
    return value
