"""`completions`: a script for the shell, to be sourced."""

import click
from click.shell_completion import get_completion_class

from cli.options import Command


@click.command("completions", cls=Command)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completions(context: click.Context, shell: str) -> None:
    """Print the completion script of a shell.

    For bash: eval "$(cloacinactl completions bash)"
    """
    root = context.find_root()
    program = str(root.info_name)
    script = get_completion_class(shell)
    assert script is not None  # noqa: S101  # click completes all three shells
    variable = f"_{program}_COMPLETE".replace("-", "_").upper()
    click.echo(script(root.command, {}, program, variable).source())
