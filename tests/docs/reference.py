"""The reference pages, made from the code: `python -m tests.docs.reference` writes them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import Field
from inspect import cleandoc
from pathlib import Path
from typing import Any

import click

from cli.main import PROGRAM, cloacinactl
from cli.options import GLOBAL_FLAGS
from cloacina.config_file import TOP_LEVEL_SETTINGS
from cloacina.settings import ENV_PREFIX, SETTINGS
from tests.docs.conftest import ROOT

WRITE = "python -m tests.docs.reference"
_MADE = f"Made from the code by `{WRITE}`; a test compares the two."


SETTINGS_HEAD = """\
# Settings

Every setting of the server and its parts. A value comes from the command's flag, else from the
environment, else from `config.toml` in the home folder, else it is the default. The
[commands](cli.md) list their flags.

| Setting | Environment | In `config.toml` | Default | Meaning |
|---|---|---|---|---|"""

SETTINGS_END = f"""
A setting marked * is secret. It is never shown or logged, and belongs into the environment or the
file rather than into a command, which everyone on the machine can read.

Besides the settings, every variable of a worker's environment that begins with `CLOACINA_VAR_` is
handed to all tasks that it runs, of whichever tenant: `cloaca.var("REGION")` reads
`CLOACINA_VAR_REGION`.

{_MADE}
"""

COMMANDS_HEAD = """\
# Commands

`cloacinactl` is the server, its parts, and the client of all of them. `-h` after any word of a
command says the same as this page.

## Global flags

Before or after the noun and the verb; the later one wins.
"""


def settings_page() -> str:
    """Write the table of settings."""
    return "\n".join((SETTINGS_HEAD, *map(_settings_row, SETTINGS), SETTINGS_END))


def _settings_row(row: Field[Any]) -> str:
    mark = "*" if row.metadata["secret"] else ""
    cells = (
        f"`{row.name}`{mark}",
        f"`{ENV_PREFIX}{row.name.upper()}`",
        f"`{_place(row.name)}`" if row.name != "home" else "",
        _default(row.default),
        _cell(row.metadata["help"]),
    )
    return f"| {' | '.join(cells)} |"


def _place(name: str) -> str:
    return name if name in TOP_LEVEL_SETTINGS else f"[server] {name}"


def _default(value: object) -> str:
    if value in ("", ()):
        return ""
    if isinstance(value, Path):
        return f"`~/{value.relative_to(Path.home())}`"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def commands_page() -> str:
    """Write the commands with their arguments and flags."""
    # a command keeps the help option of the first context that asks for it, so make that one right
    root = click.Context(cloacinactl, info_name=PROGRAM, **cloacinactl.context_settings)
    lines = (COMMANDS_HEAD, *_flags(GLOBAL_FLAGS), "", *_commands(root), _MADE, "")
    return "\n".join(lines)


def _commands(context: click.Context) -> Iterator[str]:
    group = context.command
    assert isinstance(group, click.Group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        inner = click.Context(command, info_name=name, parent=context)
        yield from _commands(inner) if isinstance(command, click.Group) else _command(inner)


def _command(context: click.Context) -> Iterator[str]:
    parameters = context.command.params
    flags = [each for each in parameters if isinstance(each, click.Option)]
    arguments = [_argument(each) for each in parameters if isinstance(each, click.Argument)]
    words = (context.command_path, *arguments, *(["[flags]"] if flags else []))
    title = context.command_path.removeprefix(f"{PROGRAM} ")
    yield from (
        f"## {title}",
        "",
        f"    {' '.join(words)}",
        "",
        cleandoc(context.command.help or ""),
    )
    yield ""
    if flags:
        yield from (*_flags(flags), "")


def _argument(argument: click.Argument) -> str:
    text = argument.metavar or _choices(argument) or str(argument.name).upper()
    return text if argument.required else f"[{text}]"


def _flags(options: Sequence[click.Option]) -> Iterator[str]:
    yield "| Flag | |"
    yield "|---|---|"
    for option in options:
        names = ", ".join(option.opts)
        value = option.metavar or _choices(option) or option.type.name.upper()
        flag = names if option.is_flag else f"{names} {value}"
        default = f" [{option.default}]" if option.show_default else ""
        yield f"| `{_cell(flag)}` | {_cell(option.help or '')}{default} |"


def _choices(parameter: click.Parameter) -> str:
    return "|".join(parameter.type.choices) if isinstance(parameter.type, click.Choice) else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


PAGES: dict[Path, Callable[[], str]] = {
    ROOT / "docs" / "reference" / "settings.md": settings_page,
    ROOT / "docs" / "reference" / "cli.md": commands_page,
}


def main() -> None:
    """Write the pages."""
    for path, page in PAGES.items():
        path.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
