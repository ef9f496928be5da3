"""Questions before something is destroyed."""

import sys

import click

from cli.errors import Refused


def confirm(action: str, *, force: bool) -> None:
    """Ask whether to go on, unless `--force` was given.

    Parameters:
        action: what will be done, such as `delete tenant acme`.
        force: do not ask.

    Raises:
        Refused: the answer was not yes, or nobody is there to be asked.
    """
    if force:
        return
    if not sys.stdin.isatty():
        raise Refused(f"refusing to {action} without --force (stdin is not a TTY)")
    click.echo(f"{action}? [y/N] ", err=True, nl=False)
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise Refused("cancelled")
