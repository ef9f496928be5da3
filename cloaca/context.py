"""The data that the tasks of a workflow hand on to each other."""

from __future__ import annotations

import json
import math

TYPE_CHECKING = False  # `typing` costs more to import than all of this package
if TYPE_CHECKING:
    from typing import Any, NoReturn


def to_json_value(value: Any) -> Any:
    """Copy a value as plain JSON data.

    Parameters:
        value: None, a bool, int, float or str, or a list, tuple, set or dict of such values.

    Returns:
        The same data, sharing no list and no dict with what was given: tuples and sets are lists
        and a float that is not finite is None, as JSON knows none of these.

    Raises:
        TypeError: there is no JSON for a value's type, or a key is not a str.
        ValueError: the value nests too deep, or contains itself.
    """
    try:
        return _copied(value)
    except RecursionError:
        raise ValueError("the value nests too deep, or contains itself") from None


def _copied(value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    # A subclass (an enum's member, a numpy float) is reduced to the builtin value it holds.
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int.__int__(value)
    if isinstance(value, float):
        return float.__float__(value) if math.isfinite(value) else None
    if isinstance(value, dict):
        return {_checked_key(key): _copied(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_copied(item) for item in value]
    raise TypeError(
        f"unsupported type {type(value).__name__}: use None, bool, int, float, str, "
        "or a list, tuple, set or dict of these"
    )


def _checked_key(key: Any) -> str:
    if not isinstance(key, str):
        raise TypeError(f"unsupported type {type(key).__name__} for a key: keys are str")
    return str.__str__(key)


class Context:
    """A JSON object: what a task is given, and what it hands on.

    Values are copied on their way in and on their way out, so changing a list that came from the
    context changes nothing in it until it is set again.

    Parameters:
        data: what it holds at first.

    Raises:
        TypeError: a key is not a str, or a value's type has no JSON.
    """

    __slots__ = ("_data",)

    __iter__ = None
    """Iterate over `to_dict()`: by its items alone, Python would ask for the keys 0, 1, 2, ..."""

    def __init__(self, data: dict[str, Any] | None = None) -> None:
        self._data: dict[str, Any] = {}
        if data is not None:
            self.update_from_dict(data)

    @staticmethod
    def from_json(json_str: str) -> Context:
        """Read a context from JSON text.

        Raises:
            ValueError: the text is not JSON, or not of an object.
        """
        try:
            data = json.loads(json_str, parse_float=_finite_float, parse_constant=_refuse_constant)
        except RecursionError:
            raise ValueError("Failed to deserialize from JSON: it nests too deep") from None
        except ValueError as error:
            raise ValueError(f"Failed to deserialize from JSON: {error}") from None
        if not isinstance(data, dict):
            raise ValueError(
                f"Failed to deserialize from JSON: a context is an object, not {_kind(data)}"
            )
        context = Context()
        context._data = data
        return context

    def get(self, key: str, default: Any = None) -> Any:
        """Give the value of a key, or `default` when there is no such key."""
        return to_json_value(self._data[key]) if key in self._data else default

    def set(self, key: str, value: Any) -> None:
        """Set a key, whether it is there or not.

        Raises:
            TypeError: the key is not a str, or the value's type has no JSON.
        """
        self._data[_checked_key(key)] = to_json_value(value)

    def insert(self, key: str, value: Any) -> None:
        """Set a key that is not there yet.

        Raises:
            ValueError: it is there.
            TypeError: as for `set`.
        """
        if key in self._data:
            raise ValueError(f"Key already exists: '{key}'")
        self.set(key, value)

    def update(self, key: str, value: Any) -> None:
        """Set a key that is there.

        Raises:
            KeyError: it is not.
            TypeError: as for `set`.
        """
        self._require(key)
        self.set(key, value)

    def remove(self, key: str) -> Any:
        """Take a key away and give its value, or None when there is no such key."""
        return self._data.pop(key, None)

    def update_from_dict(self, data: dict[str, Any]) -> None:
        """Set every key of a dict; when one cannot be set, none is.

        Raises:
            TypeError: it is not a dict, or as for `set`.
        """
        if not isinstance(data, dict):
            raise TypeError(f"Context data must be a dict, not {type(data).__name__}")
        self._data.update(to_json_value(data))

    def to_dict(self) -> dict[str, Any]:
        """Give a copy of the data."""
        copy: dict[str, Any] = to_json_value(self._data)
        return copy

    def to_json(self) -> str:
        """Give the data as compact JSON text that UTF-8 can always carry."""
        text = json.dumps(self._data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        try:
            text.encode()
        except UnicodeEncodeError:  # a lone surrogate, which only an escape can carry
            text = json.dumps(self._data, allow_nan=False, separators=(",", ":"))
        return text

    def secret(self, name: str) -> dict[str, str]:
        """Give the fields of a secret.

        Raises:
            RuntimeError: secrets are not configured.
        """
        raise RuntimeError(
            f"Secret '{name}' cannot be read: no secret store is configured. "
            "Read the value with cloaca.var() instead."
        )

    def secret_field(self, name: str, field: str) -> str:
        """Give one field of a secret.

        Raises:
            RuntimeError: secrets are not configured.
        """
        return self.secret(name)[field]

    def __len__(self) -> int:
        return len(self._data)

    def __contains__(self, key: object) -> bool:
        return key in self._data

    def __getitem__(self, key: str) -> Any:
        self._require(key)
        return to_json_value(self._data[key])

    def __setitem__(self, key: str, value: Any) -> None:
        self.set(key, value)

    def __delitem__(self, key: str) -> None:
        self._require(key)
        del self._data[key]

    def __repr__(self) -> str:
        return f"Context({self.to_json()})"

    def _require(self, key: str) -> None:
        if key not in self._data:
            raise KeyError(f"Key not found: '{key}'")


def _finite_float(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _kind(value: object) -> str:
    return {"NoneType": "null", "list": "an array", "str": "a string", "bool": "a boolean"}.get(
        type(value).__name__, "a number"
    )
