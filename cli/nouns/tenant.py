"""`tenant`: who lives on the server. For its operators, with an admin key."""

import click

from cli.options import Group, force_flag
from cli.output import show_done, show_list, show_object
from cli.prompts import confirm
from cli.state import State, api_path, pass_state

tenant = Group("tenant", help="Create, list and delete tenants.")


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
    """Delete a tenant, with everything that it has."""
    confirm(f"delete tenant {name}", force=force)
    answer = state.client.delete(api_path("tenants", name))
    show_done(state, answer, f"deleted tenant {name}")


@tenant.command("migrate")
@click.argument("name")
@pass_state
def migrate(state: State, name: str) -> None:
    """Bring a tenant's tables to the server's version; `admin migrate` does so with all."""
    show_object(state, state.client.post(api_path("tenants", name, "migrate")))
