"""Errors of the command line, and the exit code and text of every error there is.

    CloacinaError
    ├── ApiError         the server answered with an error
    ├── TransportError   the server gave no answer
    ├── BuildFailed      a package was uploaded and does not build
    ├── MigrationStopped a tenant's tables could not be migrated
    ├── ExecutionFailed  an execution that was waited for did not complete
    └── Refused          a destructive command was not confirmed

Exit codes: 0 ok · 1 user, validation, local I/O, HTTP 400 and 422 · 2 transport, usage ·
3 HTTP 404 · 4 HTTP 401 and 403 · 5 any other HTTP status, a failed build · 130 interrupted.
"""

import sys
import traceback
from collections.abc import Iterator

import click

from cli.text import printable
from cloacina.errors import CloacinaError

OK, USER, TRANSPORT, NOT_FOUND, AUTHENTICATION, SERVER, INTERRUPTED = 0, 1, 2, 3, 4, 5, 130

_STATUS_EXITS = {
    400: USER,
    422: USER,
    404: NOT_FOUND,
    401: AUTHENTICATION,
    403: AUTHENTICATION,
}


class ApiError(CloacinaError):
    """The server answered with an error.

    Parameters:
        status: the HTTP status.
        message: the body's `error`.
        code: the body's `code`, empty when the answer has none.
        request_id: the answer's `x-request-id`, empty when it has none.
    """

    def __init__(self, status: int, message: str, code: str = "", request_id: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.request_id = request_id


class TransportError(CloacinaError):
    """The server cannot be reached."""


class BuildFailed(CloacinaError):
    """The package does not build."""


class ExecutionFailed(CloacinaError):
    """The execution did not complete."""


class MigrationStopped(CloacinaError):
    """Not every tenant's tables could be migrated."""


class Refused(CloacinaError):
    """The command was not confirmed."""


def exit_code(error: BaseException) -> int:
    """Give the exit code that an error ends the command with."""
    if isinstance(error, click.Abort | KeyboardInterrupt):
        return INTERRUPTED
    if isinstance(error, click.ClickException):
        return error.exit_code
    if isinstance(error, ApiError):
        return _STATUS_EXITS.get(error.status, SERVER)
    if isinstance(error, TransportError):
        return TRANSPORT
    if isinstance(error, BuildFailed):
        return SERVER
    return USER


def report(error: BaseException, *, verbose: bool) -> int:
    """Tell a person on stderr what went wrong, without a traceback.

    Parameters:
        error: what ended the command.
        verbose: add the code and the request id of an answer, or the place of a defect.

    Returns:
        The exit code.
    """
    if isinstance(error, click.ClickException):
        error.show(file=sys.stderr)
    elif not isinstance(error, click.Abort | KeyboardInterrupt):
        for line in _lines(error, verbose):
            click.echo(printable(line), err=True)
    return exit_code(error)


def _lines(error: BaseException, verbose: bool) -> Iterator[str]:
    if isinstance(error, ApiError):
        yield f"Error: {_prefix(error)}{error.message}"
        if verbose and error.code:
            yield f"  code: {error.code}"
        if verbose and error.request_id:
            yield f"  request id: {error.request_id}"
    elif isinstance(error, CloacinaError):
        # a package tells all its problems at once
        for problem in getattr(error, "problems", ()) or (error.message,):
            yield f"Error: {problem}"
    elif isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        yield f"Error: {where}{error.strerror or error}"
    else:
        hint = "" if verbose else "; -v shows where"
        yield f"Error: unexpected {type(error).__name__}: {error}{hint}"
        if verbose:
            for frame in traceback.extract_tb(error.__traceback__):
                yield f"  at {frame.filename}:{frame.lineno} in {frame.name}"


def _prefix(error: ApiError) -> str:
    return {
        USER: "",
        NOT_FOUND: "not found — ",
        AUTHENTICATION: "authentication — ",
    }.get(exit_code(error), f"server (HTTP {error.status}) — ")
