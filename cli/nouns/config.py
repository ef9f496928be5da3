"""`config`: the values of `<home>/config.toml`."""

import json
from typing import Any

import click

from cli.config_edit import ROWS, ConfigEditor, parse_value, split_key
from cli.nouns.config_profile import profile
from cli.options import Group
from cli.output import show_object, show_pairs
from cli.state import State, pass_state
from cli.text import masked
from cloacina.errors import ConfigurationError

config = Group("config", help="Read and change config.toml.")
config.add_command(profile)


@config.command("get")
@click.argument("key")
@pass_state
def get(state: State, key: str) -> None:
    """Print one value."""
    split_key(key)
    values = ConfigEditor(state.config.path).values()
    if key not in values:
        raise ConfigurationError(f"{key} is not set in {state.config.path}")
    if state.output in {"json", "yaml"}:
        show_object(state, values[key])
    else:
        click.echo(values[key] if isinstance(values[key], str) else json.dumps(values[key]))


@config.command("set")
@click.argument("key")
@click.argument("value")
@pass_state
def set_value(state: State, key: str, value: str) -> None:
    """Set one value; integers, booleans and arrays are kept as such.

    Keys are dotted: database_url, server.workers, profiles.acme.tenant.
    """
    editor = ConfigEditor(state.config.path)
    split_key(key)
    editor.set(key, parse_value(key, value))
    editor.save()


@config.command("list")
@pass_state
def list_values(state: State) -> None:
    """Print all values; secrets are shortened."""
    values = ConfigEditor(state.config.path).values()
    shown = {key: _without_secret(key, value) for key, value in values.items()}
    if state.output in {"json", "yaml"}:
        show_object(state, shown)
    else:
        show_pairs(shown)


def _without_secret(key: str, value: Any) -> Any:
    is_key = key.startswith("profiles.") and key.endswith(".api_key")
    return masked(value) if is_key or (key in ROWS and ROWS[key].metadata["secret"]) else value
