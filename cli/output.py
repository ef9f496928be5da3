"""The four forms of output: a table for people, JSON and YAML whole, ids for scripts."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click

from cli.state import State
from cli.text import printable

Row = Mapping[str, Any]
Columns = Mapping[str, str | Callable[[Row], object]]

_ID_KEYS = ("id", "execution_id", "package_id", "name", "username", "schema_name", "sequence")


def show_list(state: State, items: Sequence[Row], columns: Columns) -> None:
    """Print a list.

    Parameters:
        state: says in which form.
        items: the items, as the API gave them.
        columns: of the table: by heading, the item's key or a function of the item.
    """
    if state.output == "id":
        for item in items:
            click.echo(identifier(item))
    elif state.output != "table":
        _dump(state, list(items))
    elif not items:
        click.echo("No items.")
    else:
        rows = [[_cell(_value(item, source)) for source in columns.values()] for item in items]
        _table(state, list(columns), rows)


def show_object(state: State, value: Row, *, table: Row | None = None) -> None:
    """Print one object.

    Parameters:
        state: says in which form.
        value: the object, as the API gave it.
        table: what the `key  value` lines show, when that differs from the object.
    """
    if state.output == "id":
        click.echo(identifier(value))
    elif state.output != "table":
        _dump(state, value)
    else:
        show_pairs(value if table is None else table)


def show_done(state: State, value: Row, line: str) -> None:
    """Print what a command did.

    Parameters:
        state: says in which form.
        value: the API's answer, for the forms that programs read.
        line: the sentence for people.
    """
    if state.output == "table":
        click.echo(printable(line))
    else:
        show_object(state, value)


def show_id(state: State, value: Row) -> None:
    """Print only the id of what was started, unless the whole object is asked for."""
    if state.output == "table":
        click.echo(identifier(value))
    else:
        show_object(state, value)
    # whoever reads it through a pipe may act on it while the command goes on to wait
    sys.stdout.flush()


def show_pairs(value: Row, indent: str = "") -> None:
    """Print an object as aligned `key  value` lines; further lines of a value are indented."""
    width = max(map(len, value), default=0)
    for key, content in value.items():
        lines = _lines(content)
        click.echo(f"{indent}{printable(key):{width}}  {lines[0]}".rstrip())
        for line in lines[1:]:
            click.echo(f"{indent}{'':{width}}  {line}".rstrip())


def identifier(value: Row) -> str:
    """Give an object's id, else its name; printable."""
    return printable(str(next((value[key] for key in _ID_KEYS if value.get(key)), "")))


def _dump(state: State, value: object) -> None:
    if state.output == "json":
        click.echo(json.dumps(value, indent=2, ensure_ascii=False))
    else:
        import yaml

        click.echo(yaml.safe_dump(value, sort_keys=False, allow_unicode=True).rstrip("\n"))


def _value(item: Row, source: str | Callable[[Row], object]) -> object:
    return item.get(source) if isinstance(source, str) else source(item)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return _cell(", ".join(value)) if value else "-"
    if isinstance(value, list | dict):
        return printable(json.dumps(value, ensure_ascii=False))
    return printable(str(value)).replace("\n", "\\n").replace("\t", " ")


def _lines(value: object) -> list[str]:
    if isinstance(value, str) and value:
        return printable(value).expandtabs().rstrip("\n").split("\n")
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return [_cell(part) for part in value]
    return [_cell(value)]


def _table(state: State, headings: list[str], rows: list[list[str]]) -> None:
    if not sys.stdout.isatty():
        widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
        for row in [headings, *rows]:
            cells = (f"{cell:{width}}" for cell, width in zip(row, widths, strict=True))
            click.echo("  ".join(cells).rstrip())
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    Console(no_color=not state.color or None).print(table)
