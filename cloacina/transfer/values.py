"""Values of rows: as JSON has them, and what an import takes of each kind."""

import re
from collections.abc import Callable, Collection
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from cloacina.dag.context import parse_context
from cloacina.dag.errors import ContextError, InvalidWorkflow
from cloacina.dag.values import load_json, shown
from cloacina.executions.graphs import checked_graph
from cloacina.transfer.limits import MAX_LINE_BYTES

Read = Callable[[Any], Any]
"""Gives the value to store of a value out of JSON, or raises ValueError with a predicate."""

MOST_INTEGER: Final = 2**31 - 1
MOST_SERIAL: Final = 2**62
"""What comes after it has as much room again."""

# differences of two of these can be added to a third
_FIRST_YEAR, _LAST_YEAR = 1970, 2999


def to_json(value: Any) -> Any:
    """Give a stored value as JSON has it."""
    match value:
        case UUID():
            return str(value)
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="microseconds")
        case _:
            return value


def uuid(value: Any) -> UUID:
    """Read an id."""
    try:
        return UUID(_text(value, 36))
    except ValueError:
        raise ValueError(f"is no UUID: {shown(value)}") from None


def moment(value: Any) -> datetime:
    """Read a moment, RFC 3339 with its offset."""
    with suppress(ValueError, OverflowError):
        found = datetime.fromisoformat(_text(value, 40))
        if found.tzinfo and _FIRST_YEAR <= (found := found.astimezone(UTC)).year <= _LAST_YEAR:
            return found
    raise ValueError(
        f"is no moment from {_FIRST_YEAR} to {_LAST_YEAR} with a time zone: {shown(value)}"
    )


def boolean(value: Any) -> bool:
    """Read a truth value."""
    if not isinstance(value, bool):
        raise ValueError("is neither true nor false")
    return value


def whole(least: int, most: int) -> Read:
    """Take whole numbers of a range."""

    def read(value: Any) -> int:
        if type(value) is not int or not least <= value <= most:
            raise ValueError(f"is no whole number from {least} to {most}")
        return value

    return read


def text(most_characters: int) -> Read:
    """Take texts of some length at most."""
    return lambda value: _text(value, most_characters)


def name(value: Any) -> str:
    """Read a name, which is shown in lists and is part of paths."""
    found = _text(value, 255)
    if not found or not found.isprintable():
        raise ValueError(f"is no name: {shown(value)}")
    return found


def hexadecimal(digits: int) -> Read:
    """Take lower-case hexadecimal texts of one length."""
    pattern = re.compile(f"[0-9a-f]{{{digits}}}")

    def read(value: Any) -> str:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise ValueError(f"is no text of {digits} hexadecimal digits")
        return value

    return read


def one_of(allowed: Collection[str]) -> Read:
    """Take one of several texts."""

    def read(value: Any) -> str:
        if not isinstance(value, str) or value not in allowed:
            raise ValueError(f"is none of {', '.join(allowed)}: {shown(value)}")
        return value

    return read


def json_object(value: Any) -> str:
    """Read a JSON object that is stored as its text."""
    found = _text(value, MAX_LINE_BYTES)
    try:
        parse_context(found, MAX_LINE_BYTES)
    except ContextError as error:
        raise ValueError(f"is not stored JSON: {error.message}") from None
    return found


def definition(value: Any) -> str:
    """Read a workflow's definition, stored as its text; it is held to what a build holds it to."""
    found = json_object(value)
    try:
        checked_graph(load_json(found))
    except InvalidWorkflow as error:
        raise ValueError(f"is no workflow that can run: {error.message}") from None
    return found


def _text(value: Any, most_characters: int) -> str:
    if not isinstance(value, str):
        raise ValueError(f"is no text but {shown(value)}")
    if len(value) > most_characters:
        raise ValueError(f"is longer than {most_characters:,} characters")
    if "\0" in value:
        raise ValueError("holds a NUL character")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError("is not valid Unicode") from None
    return value
