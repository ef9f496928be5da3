"""`status`: the whole service at a glance, as far as one may see it."""

from typing import Any

import click

from cli.errors import TRANSPORT, ApiError
from cli.nouns.server import reach
from cli.options import Command
from cli.output import show_object, show_pairs
from cli.state import State, pass_state

Section = dict[str, Any]


@click.command("status", cls=Command)
@pass_state
@click.pass_context
def status(context: click.Context, state: State) -> None:
    """Show the state of the whole service."""
    code, reason = reach(state)
    sections: dict[str, Section] = {"server": _server(state, code, reason)}
    if code == 200:
        ready = _ready(state)
        sections["workers"] = _workers(state)
        sections["broker"] = {"state": ready["broker"]}
        sections["database"] = {"state": ready["database"]}
    if state.output == "table":
        for title, pairs in sections.items():
            click.echo(title)
            show_pairs(pairs, indent="  ")
    else:
        show_object(state, {"name": state.server} | sections)
    if not code:
        context.exit(TRANSPORT)


def _server(state: State, code: int, reason: str) -> Section:
    section: Section = {"url": state.server, "reachable": bool(code)}
    if reason:
        section["problem"] = reason
    elif state.has_key:
        section |= {"key": state.whoami["name"], "role": state.whoami["role"]}
        section["tenant"] = state.whoami["tenant_id"] or "all"
    return section


def _ready(state: State) -> dict[str, str]:
    try:
        degraded = state.open_client.get("/ready").get("degraded") or []
    except ApiError as error:
        if error.status != 503:
            raise
        return {"database": f"not ready: {error.message}", "broker": "unknown"}
    return {"database": "ready", "broker": "away" if "broker" in degraded else "ready"}


def _workers(state: State) -> Section:
    if not state.has_key:
        return {"state": "unknown without an API key"}
    try:
        workers = state.client.items("/v1/agents")
    except ApiError as error:
        return {"state": f"not shown: {error.message}"}
    return {
        "count": len(workers),
        "slots": sum(worker["max_concurrency"] for worker in workers),
        "busy": sum(worker["in_flight"] for worker in workers),
    }
