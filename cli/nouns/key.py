"""`key`: who may do what. A tenant's keys when a tenant is given, else the platform's."""

from typing import Any

import click

from cli.options import Duration, Group, force_flag
from cli.output import show_done, show_list, show_object
from cli.prompts import confirm
from cli.state import State, api_path, pass_state

key = Group("key", help="Create, list and revoke API keys.")


def _path(state: State, *parts: str) -> str:
    if state.given_tenant:
        return state.tenant_path("keys", *parts)
    return api_path("auth", "keys", *parts)


@key.command("create")
@click.argument("name")
@click.option(
    "--role",
    type=click.Choice(["read", "write", "admin"]),
    help="What the key may do in its tenant [read].",
)
@click.option("--admin", is_flag=True, help="A key of the platform, which may do everything.")
@click.option("--expires", type=Duration(), metavar="DUR", help="Its life, such as 30d.")
@pass_state
def create(state: State, name: str, role: str | None, admin: bool, expires: int | None) -> None:
    """Create a key and show it, this once."""
    body: dict[str, Any] = {"name": name, "role": role or ("admin" if admin else "read")}
    if expires is not None:
        body["expires_in_s"] = expires
    if admin:
        if state.flags.get("tenant"):
            raise click.UsageError("a key with --admin belongs to no tenant: leave out --tenant.")
        created = state.client.post(api_path("auth", "keys"), body | {"is_admin": True})
    else:
        created = state.client.post(_path(state), body)
    if state.output != "table":
        show_object(state, created)
        return
    click.echo(f"created key: {created['key']}")
    click.echo(f"ID:          {created['id']}")
    click.echo(f"role:        {created['permissions']}")
    click.echo("Keep the key now: it is shown this once.")


@key.command("list")
@pass_state
def list_keys(state: State) -> None:
    """List keys; never their values."""
    columns = {
        "ID": "id",
        "NAME": "name",
        "ROLE": "permissions",
        "TENANT": "tenant_id",
        "ADMIN": "is_admin",
        "REVOKED": "revoked",
        "EXPIRES": "expires_at",
        "LAST USED": "last_used_at",
    }
    show_list(state, state.client.items(_path(state)), columns)


@key.command("revoke")
@click.argument("key_id", metavar="ID")
@force_flag
@pass_state
def revoke(state: State, key_id: str, force: bool) -> None:
    """Revoke a key, at once and for good."""
    confirm(f"revoke key {key_id}", force=force)
    answer = state.client.delete(_path(state, key_id))
    show_done(state, answer, f"revoked key {key_id}")
