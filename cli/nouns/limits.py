"""`limits`: what a tenant may use at most. All its keys see it, the platform's set it."""

import re
from typing import Any

import click

from cli.options import Group
from cli.output import Row, show_list, show_object
from cli.state import State, pass_state

DEFAULT = "default"

_AGENTS = "max_agents"
_LIMITS = {
    _AGENTS: "Workers of its own.",
    "max_concurrent_tasks": "Tasks that run at once.",
    "max_queued_executions": "Executions that were accepted and have not ended.",
    "max_packages": "Versions of packages that are stored.",
    "max_storage_bytes": "Bytes of packages that are stored, such as 500MiB.",
    "max_requests_per_s": "Requests a second.",
}
_COLUMNS = {
    "LIMIT": "limit",
    "EFFECTIVE": "effective_limit",
    "DEFAULT": "default_limit",
    "OVERRIDE": "tenant_override",
    "USED": "used",
}

limits = Group("limits", help="Show and set what a tenant may use at most.")


class Limit(click.ParamType[int | str]):
    """A number, of bytes also with a unit, or `default`."""

    name = "limit"
    _UNITS = {"": 1, "kib": 1024, "mib": 1024**2, "gib": 1024**3, "tib": 1024**4}

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | str:
        word = str(value).strip().lower()
        if word == DEFAULT:
            return DEFAULT
        match = re.fullmatch(r"([0-9]{1,18}) ?(|[kmgt]ib)", word)
        of_bytes = param is not None and "bytes" in str(param.name)
        if match is None or (match[2] and not of_bytes):
            units = ", perhaps with KiB, MiB, GiB or TiB," if of_bytes else ""
            self.fail(f"{value!r} is neither a whole number{units} nor '{DEFAULT}'", param, ctx)
        return int(match[1]) * self._UNITS[match[2]]


def _limit_flags(command: Any) -> Any:
    for name, told in reversed(_LIMITS.items()):
        flag = "--" + name.replace("_", "-")
        command = click.option(flag, type=Limit(), metavar="N", help=told)(command)
    return command


@limits.command("show")
@pass_state
def show(state: State) -> None:
    """Show what the tenant may use at most, and what it uses."""
    _show(state, state.client.get(state.tenant_path("limits")))


@limits.command("set")
@_limit_flags
@pass_state
def set_limits(state: State, /, **given: int | str | None) -> None:
    """Set some limits of the tenant; `default` puts one back to the default."""
    body = {
        name: None if value == DEFAULT else value
        for name, value in given.items()
        if value is not None
    }
    if not body:
        raise click.UsageError("nothing to set: give one of the flags, such as --max-packages.")
    _show(state, state.client.post(state.tenant_path("limits"), body))


@limits.command("clear")
@pass_state
def clear(state: State) -> None:
    """Put all limits of the tenant back to the defaults."""
    _show(state, state.client.delete(state.tenant_path("limits")))


def _show(state: State, answer: Row) -> None:
    if state.output == "table":
        show_list(state, [_row(name, answer) for name in _LIMITS], _COLUMNS)
    elif state.output == "id":
        show_object(state, {"name": answer["tenant_id"]})
    else:
        show_object(state, answer)


def _row(name: str, answer: Row) -> Row:
    if name != _AGENTS:
        return {"limit": name, **answer.get(name, {})}
    return {
        "limit": name,
        "effective_limit": answer["effective_limit"],
        "default_limit": answer["default_max_agents"],
        "tenant_override": answer["tenant_override"],
    }
