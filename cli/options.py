"""The global flags, taken by every command on either side of noun and verb; the later one wins."""

import re
from importlib import import_module
from typing import Any, cast

import click
from click.core import ParameterSource

from cli.state import State

FORMATS = ("table", "json", "yaml", "id")


def _remember(context: click.Context, parameter: click.Parameter, value: object) -> None:
    # groups parse before their subcommands, so that the innermost flag is written last
    if context.get_parameter_source(parameter.name) is ParameterSource.COMMANDLINE:
        if value == "":
            # most often a shell variable that is not set; the profile's value would surprise
            raise click.BadParameter("is empty", context, parameter)
        name = parameter.name.removeprefix("global_")
        context.ensure_object(State).flags[name] = value


def _remember_json(context: click.Context, _: click.Parameter, value: bool | None) -> None:
    if value:
        context.ensure_object(State).flags["output"] = "json"


def _print_version(context: click.Context, _: click.Parameter, value: bool | None) -> None:
    if value and not context.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"cloacinactl {version('cloacina')}")
        context.exit()


def _flag(*names: str, help: str, **attributes: Any) -> click.Option:
    # named apart from the commands' own parameters, such as an argument NAME or `--server`
    long = next(name for name in names if name.startswith("--"))
    attributes.setdefault("callback", _remember)
    return click.Option(
        [*names, "global_" + long.strip("-").replace("-", "_")],
        help=help,
        expose_value=False,
        **attributes,
    )


GLOBAL_FLAGS: tuple[click.Option, ...] = (
    _flag(
        "-v", "--verbose", is_flag=True, help="Say more on stderr: requests, codes, request ids."
    ),
    _flag("--home", metavar="PATH", help="Folder of config.toml [CLOACINA_HOME, ~/.cloacina]."),
    _flag("--profile", metavar="NAME", help="Profile of config.toml to use."),
    _flag("--server", metavar="URL", help="URL of the server."),
    _flag("--api-key", metavar="KEY", help="API key: itself, env:VAR, file:PATH or keyring:NAME."),
    _flag("--tenant", metavar="NAME", help="Tenant; by default the profile's, then the key's own."),
    _flag("-o", "--output", type=click.Choice(FORMATS), help="Form of the output [table]."),
    _flag("--json", is_flag=True, callback=_remember_json, help="Same as -o json."),
    _flag("--no-color", is_flag=True, help="No colours [NO_COLOR]."),
    _flag(
        "-V",
        "--version",
        is_flag=True,
        is_eager=True,
        callback=_print_version,
        help="Show the version and exit.",
    ),
)


class _TakesGlobalFlags(click.Command):
    """Adds the global flags to a command, except those that it declares itself."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        own = super().get_params(ctx)
        taken = {name for parameter in own for name in parameter.opts}
        return own + [flag for flag in GLOBAL_FLAGS if taken.isdisjoint(flag.opts)]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        own: list[tuple[str, str]] = []
        shared: list[tuple[str, str]] = []
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and not isinstance(parameter, click.Argument):
                (shared if parameter in GLOBAL_FLAGS else own).append(record)
        for title, records in (("Options", own), ("Global flags", shared)):
            with formatter.section(title):
                formatter.write_dl(records)
        if isinstance(self, click.Group):
            self.format_commands(ctx, formatter)


class Command(_TakesGlobalFlags):
    """A verb."""


class Group(_TakesGlobalFlags, click.Group):
    """A noun: a group of verbs, some of which are imported only when they are asked for.

    Parameters:
        lazy: `module:attribute` of such verbs, by name.
    """

    command_class = Command
    group_class = type

    def __init__(self, *args: Any, lazy: dict[str, str] | None = None, **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self.lazy = lazy or {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *self.lazy})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in self.lazy:
            module, _, attribute = self.lazy[cmd_name].partition(":")
            return cast("click.Command", getattr(import_module(module), attribute))
        return super().get_command(ctx, cmd_name)


class Duration(click.ParamType[int]):
    """A length of time such as `90s`, `5m`, `2h`, `30d` or `1w`, as whole seconds."""

    name = "duration"
    _UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        match = re.fullmatch(r"([0-9]{1,9})([smhdw])", value.strip().lower())
        if match is None or int(match[1]) == 0:
            self.fail(f"{value!r} is no length of time, such as 90s, 5m, 2h or 30d", param, ctx)
        return int(match[1]) * self._UNITS[match[2]]


force_flag = click.option("--force", is_flag=True, help="Do not ask.")
