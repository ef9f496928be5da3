"""`fleet`: workers that serve one tenant alone. All its keys see them, its admins ask for them."""

import click

from cli.options import Group
from cli.output import Row, show_object
from cli.state import State, pass_state

fleet = Group("fleet", help="Show workers of a tenant's own, and ask for more or fewer.")

_count = click.option(
    "--count",
    type=click.IntRange(1, 256),
    default=1,
    show_default=True,
    metavar="N",
    help="How many.",
)


@fleet.command("show")
@pass_state
def show(state: State) -> None:
    """Show how many workers of its own the tenant has, and how many it is to have."""
    _show(state, state.client.get(state.tenant_path("fleet")))


@fleet.command("provision")
@_count
@pass_state
def provision(state: State, count: int) -> None:
    """Ask for more workers of the tenant's own; they are there within seconds."""
    _change(state, "provision", count)


@fleet.command("deprovision")
@_count
@pass_state
def deprovision(state: State, count: int) -> None:
    """Ask for fewer of them; what they run comes to its end."""
    _change(state, "deprovision", count)


def _change(state: State, verb: str, count: int) -> None:
    _show(state, state.client.post(state.tenant_path("fleet", verb), {"count": count}))


def _show(state: State, answer: Row) -> None:
    if state.output == "id":
        show_object(state, {"name": answer["tenant_id"]})
    else:
        show_object(state, answer)
