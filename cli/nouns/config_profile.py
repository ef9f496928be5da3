"""`config profile`: which server, with which key, under one name."""

import re

import click

from cli.config_edit import ConfigEditor
from cli.options import Group
from cli.output import show_list
from cli.state import State, checked_url, pass_state
from cli.text import masked, printable
from cloacina.errors import ConfigurationError, InvalidInput

profile = Group("profile", help="Name servers and keys.")


@profile.command("set")
@click.argument("name")
@click.argument("url", required=False)
@click.option("--default", is_flag=True, help="Use it when no --profile is given.")
@pass_state
def set_profile(state: State, name: str, url: str | None, default: bool) -> None:
    """Make a profile, or change it, from URL (or --server), --api-key and --tenant."""
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*", name):
        raise InvalidInput(f"{name!r} is no name of a profile: use letters, digits, - _ and .")
    given = {
        "server": url or state.flags.get("server"),
        "api_key": state.flags.get("api_key"),
        "tenant": state.flags.get("tenant"),
    }
    values = {key: value for key, value in given.items() if value is not None}
    if missing := {"server", "api_key"} - {*values, *state.config.profiles.get(name, {})}:
        needed = {"server": "its URL", "api_key": "--api-key"}
        raise click.UsageError(
            f"a new profile needs {' and '.join(needed[key] for key in sorted(missing))}."
        )
    if "server" in values:
        values["server"] = checked_url(values["server"])
    editor = ConfigEditor(state.config.path)
    for key, value in values.items():
        editor.set(f"profiles.{name}.{key}", value)
    if default:
        editor.set("default_profile", name)
    editor.save()


@profile.command("list")
@pass_state
def list_profiles(state: State) -> None:
    """List the profiles; * marks the default one."""
    items = [
        {
            "name": name,
            "server": values.get("server"),
            "api_key": masked(values.get("api_key", "")),
            "tenant": values.get("tenant"),
            "default": name == state.config.default_profile,
        }
        for name, values in state.config.profiles.items()
    ]
    if state.output != "table" or not items:
        show_list(state, items, {})
        return
    for item in items:
        mark = "*" if item["default"] else " "
        click.echo(printable(f"{mark} {item['name']} {item['server'] or '-'} {item['api_key']}"))


@profile.command("use")
@click.argument("name")
@pass_state
def use(state: State, name: str) -> None:
    """Make a profile the default one."""
    _existing(state, name)
    editor = ConfigEditor(state.config.path)
    editor.set("default_profile", name)
    editor.save()


@profile.command("delete")
@click.argument("name")
@pass_state
def delete(state: State, name: str) -> None:
    """Delete a profile."""
    _existing(state, name)
    editor = ConfigEditor(state.config.path)
    editor.remove(f"profiles.{name}")
    if state.config.default_profile == name:
        editor.document.pop("default_profile")
    editor.save()


def _existing(state: State, name: str) -> None:
    if name not in state.config.profiles:
        raise ConfigurationError(f"no profile {name!r} in {state.config.path}")
