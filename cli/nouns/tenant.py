"""`tenant`: who lives on the server. For its operators, with an admin key."""

from pathlib import Path

import click

from cli.options import Group, force_flag
from cli.output import show_done, show_list, show_object
from cli.prompts import confirm
from cli.state import State, api_path, pass_state

_PATH = click.Path(path_type=Path)

DELETED_WITHIN_S = 3900.0
"""Seconds in which a tenant is deleted: the longest that its tasks may get, and some more."""

tenant = Group("tenant", help="Create, list, suspend, move and delete tenants.")


@tenant.command("create")
@click.argument("name")
@click.option("--description", help="What the tenant is, for people.")
@click.option("--password", help="Of its database role; without one it is generated.")
@pass_state
def create(state: State, name: str, description: str | None, password: str | None) -> None:
    """Create a tenant, with its schema and its database role."""
    given = {"description": description, "password": password}
    body = {"name": name} | {key: value for key, value in given.items() if value is not None}
    show_object(state, state.client.post(api_path("tenants"), body))


@tenant.command("list")
@pass_state
def list_tenants(state: State) -> None:
    """List the tenants."""
    items = state.client.items(api_path("tenants"))
    if state.output == "table" and items:
        for item in items:
            click.echo(item["name"])
    else:
        show_list(state, items, {})


@tenant.command("delete")
@click.argument("name")
@force_flag
@pass_state
def delete(state: State, name: str, force: bool) -> None:
    """Delete a tenant, with everything that it has.

    Tasks that run get a while to end, which the server's operator sets; this waits for it.
    """
    confirm(f"delete tenant {name}", force=force)
    path = api_path("tenants", name)
    answer = state.client.request("DELETE", path, read_timeout_s=DELETED_WITHIN_S)
    show_done(state, answer, f"deleted tenant {name}")


@tenant.command("migrate")
@click.argument("name")
@pass_state
def migrate(state: State, name: str) -> None:
    """Bring a tenant's tables to the server's version; `admin migrate` does so with all."""
    show_object(state, state.client.post(api_path("tenants", name, "migrate")))


@tenant.command("inspect")
@click.argument("name")
@pass_state
def inspect(state: State, name: str) -> None:
    """Show how a tenant stands: its state, what it stores and runs, its keys and workers."""
    show_object(state, state.client.get(api_path("tenants", name)))


@tenant.command("suspend")
@click.argument("name")
@pass_state
def suspend(state: State, name: str) -> None:
    """Start nothing more at a tenant and close it to its keys; what runs goes on to its end."""
    answer = state.client.post(api_path("tenants", name, "suspend"))
    show_done(state, answer, f"suspended tenant {name}")


@tenant.command("resume")
@click.argument("name")
@pass_state
def resume(state: State, name: str) -> None:
    """Let a suspended tenant go on, at once."""
    answer = state.client.post(api_path("tenants", name, "resume"))
    show_done(state, answer, f"resumed tenant {name}")


@tenant.command("export")
@click.argument("name")
@click.option("-o", "--out", type=_PATH, metavar="FILE", help="The file [./NAME.tar.zst].")
@click.option("--force", is_flag=True, help="Overwrite the file.")
@pass_state
def export(state: State, name: str, out: Path | None, force: bool) -> None:
    """Write all that a tenant has to a file: packages, schedules, executions, settings.

    It holds no keys and no passwords. The tenant goes on working: what happens after the moment of
    the export is not in it.
    """
    from cli.move import fetch

    path = out or Path(f"{name}.tar.zst")
    size = fetch(state, name, path, overwrite=force)
    answer = {"name": name, "file": str(path), "bytes": size}
    show_done(state, answer, f"exported tenant {name} to {path} ({size:,} bytes)")


@tenant.command("import")
@click.argument("file", type=_PATH)
@click.option("--name", help="What the tenant is called here [as it was].")
@pass_state
def import_file(state: State, file: Path, name: str | None) -> None:
    """Make a tenant of such a file, on this server or another, under its own name or another.

    Executions keep their ids. Those that had not ended are paused, since the old server may still
    run them: `execution resume ID` lets one go on here. The tenant gets no keys: `key create`
    makes them.
    """
    from cli.move import send_export

    show_object(state, send_export(state, file, name))
