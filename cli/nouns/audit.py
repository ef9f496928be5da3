"""`audit`: who changed what, and who was refused. A tenant's part when a tenant is given."""

from collections.abc import Mapping
from typing import Any

import click

from cli.errors import ApiError
from cli.options import Group
from cli.output import Columns, show_list
from cli.state import State, api_path, pass_state

audit = Group("audit", help="Look at what was changed, and at what was refused.")

_COLUMNS: Columns = {
    "AT": "at",
    "ACTION": "action",
    "OUTCOME": "outcome",
    "TENANT": "tenant_id",
    "KEY": lambda event: event["key_name"] or event["key_id"],
    "SUBJECT": "subject",
}


@audit.command("list")
@click.option("--action", metavar="A", help="Only this action (key.create), or all of key.")
@click.option("--outcome", metavar="O", help="Only with it: ok, or the code of an error.")
@click.option("--key", "key_id", metavar="ID", help="Only what this key was presented for.")
@click.option("--since", metavar="DUR", help="Only later than that long ago (5m), or than a time.")
@click.option("--limit", type=int, default=100, show_default=True, help="How many at most.")
@click.option("--offset", type=int, default=0, show_default=True, help="How many to pass over.")
@pass_state
def list_events(state: State, /, **query: Any) -> None:
    """List what was changed and what was refused, the newest first.

    A tenant's part where a tenant is given, or the key is a tenant's, else all of it. A key of the
    platform may name a tenant that was deleted.
    """
    show_list(state, _events(state, query), _COLUMNS)


def _events(state: State, query: Mapping[str, Any]) -> list[Any]:
    whole, tenant = api_path("audit"), state.given_tenant
    if tenant is None:
        return state.client.items(whole, **query)
    try:
        return state.client.items(state.tenant_path("audit"), **query)
    except ApiError as error:
        if error.code != "tenant_not_found":
            raise
        # as keys of the platform alone are told
        return state.client.items(whole, tenant=tenant, **query)
