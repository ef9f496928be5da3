"""`server`: whether it is there."""

import click

from cli.errors import TRANSPORT, ApiError, TransportError
from cli.options import Group
from cli.output import show_object
from cli.state import State, pass_state

server = Group(
    "server",
    lazy={"start": "cli.services:server_start", "stop": "cli.services:server_stop"},
    help="Start, stop and watch the server.",
)


def reach(state: State) -> tuple[int, str]:
    """Ask the server for a sign of life.

    Returns:
        The HTTP status of its answer, 0 without one; and what went wrong, empty if nothing did.
    """
    try:
        state.open_client.get("/health")
    except ApiError as error:
        return error.status, error.message
    except TransportError as error:
        return 0, error.message
    return 200, ""


@server.command("status")
@pass_state
@click.pass_context
def status(context: click.Context, state: State) -> None:
    """Show whether the server answers."""
    code, reason = reach(state)
    if state.output == "table":
        click.echo(f"server: {state.server}")
        click.echo(f"  reachable: yes (HTTP {code})" if code else f"  reachable: no ({reason})")
    else:
        answer = {"name": state.server, "reachable": bool(code), "http_status": code or None}
        show_object(state, answer)
    if not code:
        context.exit(TRANSPORT)


@server.command("health")
@pass_state
@click.pass_context
def health(context: click.Context, state: State) -> None:
    """Print `up`, or `down` on stderr with exit code 2."""
    code, reason = reach(state)
    if code == 200:
        click.echo("up")
        return
    state.log(reason)
    click.echo("down", err=True)
    context.exit(TRANSPORT)
