"""Reads docker-compose.yml the way Docker Compose does, as far as the file makes use of it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "docker-compose.yml"

VARIABLE = re.compile(r"\$(?:(?P<dollar>\$)|\{(?P<name>\w+):(?P<operator>[-?])(?P<word>[^}]*)\})")
"""`$$`, `${NAME:-default}` and `${NAME:?why it is needed}`: the file needs no other forms."""


class NotSetError(Exception):
    """A variable that the file cannot do without."""


@dataclass(frozen=True)
class Service:
    """A service as Docker would run it.

    Parameters:
        name: of the service.
        command: program and arguments; empty: the image's.
        environment: its variables.
        health: the health check's program and arguments; empty: there is none.
        options: the whole entry.
    """

    name: str
    command: list[str]
    environment: dict[str, str]
    health: list[str]
    options: dict[str, Any]


def document() -> dict[str, Any]:
    """Give the file, with its variables as they are written."""
    return yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))


def services(variables: Mapping[str, str]) -> dict[str, Service]:
    """Give the services by name.

    Parameters:
        variables: what `.env` and the shell have set.

    Raises:
        NotSetError: a variable is missing or empty that has no default.
    """
    entries = _interpolated(document()["services"], variables)
    return {name: _service(name, options) for name, options in entries.items()}


def _service(name: str, options: dict[str, Any]) -> Service:
    health = options.get("healthcheck", {}).get("test", [])
    assert not health or health[0] == "CMD", "a shell in between is one more thing to quote"
    return Service(
        name=name,
        command=options.get("command", []),
        environment=options.get("environment", {}),
        health=health[1:],
        options=options,
    )


def _interpolated(value: Any, variables: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _interpolated(item, variables) for key, item in value.items()}
    if isinstance(value, list):
        return [_interpolated(item, variables) for item in value]
    if not isinstance(value, str):
        return value
    assert "$" not in VARIABLE.sub("", value), f"a form that this reader does not know: {value}"
    return VARIABLE.sub(lambda match: _replaced(match, variables), value)


def _replaced(match: re.Match[str], variables: Mapping[str, str]) -> str:
    if match["dollar"]:
        return "$"
    if given := variables.get(match["name"]):
        return given
    if match["operator"] == "?":
        raise NotSetError(match["name"])
    return match["word"]


@cache
def variables() -> tuple[re.Match[str], ...]:
    """Give each variable of the file as it is written, comments left out."""
    text = re.sub(r"(?m)^\s*#.*", "", COMPOSE.read_text(encoding="utf-8"))
    return tuple(match for match in VARIABLE.finditer(text) if match["name"])
