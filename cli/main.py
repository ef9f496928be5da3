"""`cloacinactl`: the nouns, and the one place where a command ends."""

import contextlib
import io
import os
import sys
from collections.abc import Sequence

from cli.errors import OK, USER, report
from cli.options import Group
from cli.state import State

PROGRAM = "cloacinactl"

NOUNS = {
    "admin": "cli.services:admin",
    "audit": "cli.nouns.audit:audit",
    "completions": "cli.nouns.completions:completions",
    "config": "cli.nouns.config:config",
    "execution": "cli.nouns.execution:execution",
    "fleet": "cli.nouns.fleet:fleet",
    "key": "cli.nouns.key:key",
    "limits": "cli.nouns.limits:limits",
    "package": "cli.nouns.package:package",
    "scheduler": "cli.services:scheduler",
    "server": "cli.nouns.server:server",
    "status": "cli.nouns.status:status",
    "tenant": "cli.nouns.tenant:tenant",
    "trigger": "cli.nouns.trigger:trigger",
    "worker": "cli.services:worker",
    "workflow": "cli.nouns.workflow:workflow",
}

cloacinactl = Group(
    PROGRAM,
    lazy=NOUNS,
    help="Run workflows of many tenants: a server, and all that its users do with it.",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def main(args: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters:
        args: the words after the program's name; by default the process's own.

    Returns:
        The exit code.
    """
    _never_fail_on_a_character()
    state = State()
    try:
        result = cloacinactl.main(
            None if args is None else list(args), PROGRAM, standalone_mode=False, obj=state
        )
        sys.stdout.flush()
    except BrokenPipeError:
        # the reader has seen enough; what is still buffered must not complain at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return USER
    except SystemExit:
        # click's own answer to a reader that went away, and to a shell that asks for completions
        raise
    except BaseException as error:
        return report(error, verbose=state.verbose)
    return result if isinstance(result, int) else OK


def _never_fail_on_a_character() -> None:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            with contextlib.suppress(io.UnsupportedOperation):
                stream.reconfigure(errors="backslashreplace")
