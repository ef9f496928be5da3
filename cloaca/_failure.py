"""Exceptions of an author's code, told so that the author finds the line."""

from __future__ import annotations

import errno
import os
import resource

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from traceback import TracebackException

MAX_MESSAGE_CHARS = 10_000
MAX_TRACEBACK_CHARS = 50_000


def describe(error: BaseException, roots: Sequence[str]) -> dict[str, str]:
    """Tell what went wrong.

    Parameters:
        error: what the author's code, or its loading, raised.
        roots: the folders that the package is imported from.

    Returns:
        `type`, `message` and `traceback`. The traceback has the package's own frames only, and its
        files are named from their root: where the server keeps them is not the author's concern.
    """
    return {
        "type": type(error).__name__,
        "message": _shortened(_relative(_message(error), roots), MAX_MESSAGE_CHARS),
        "traceback": _shortened(_relative(_traceback(error, roots), roots), MAX_TRACEBACK_CHARS),
    }


def _message(error: BaseException) -> str:
    try:
        return str(error) + _limit(error)
    except Exception:  # the text of an author's exception is an author's code
        return "(its text cannot be read: __str__ failed)"


def _limit(error: BaseException) -> str:
    """Say which limit a file has met: "File too large" alone does not."""
    if not isinstance(error, OSError) or error.errno != errno.EFBIG:
        return ""
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    if limit == resource.RLIM_INFINITY:
        return ""
    return f" (a file that a task writes may hold {limit} bytes)"


def _traceback(error: BaseException, roots: Sequence[str]) -> str:
    from traceback import TracebackException  # in here: most tasks succeed, and it is slow to load

    try:
        found = TracebackException(type(error), error, error.__traceback__, lookup_lines=False)
        _keep_own_frames(found, roots)
        return "".join(found.format())
    except Exception:  # attributes of an author's exception are an author's code
        return ""


def _keep_own_frames(found: TracebackException, roots: Sequence[str]) -> None:
    prefixes = tuple(root + os.sep for root in roots)
    pending = [found]
    while pending:
        current = pending.pop()
        current.stack[:] = [frame for frame in current.stack if frame.filename.startswith(prefixes)]
        pending += [part for part in (current.__cause__, current.__context__) if part]
        pending += current.exceptions or ()


def _relative(text: str, roots: Sequence[str]) -> str:
    for root in roots:
        text = text.replace(root + os.sep, "")
    return text


def _shortened(text: str, limit: int) -> str:
    """Cut the middle out: an error's beginning and its end say most."""
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]}\n... {len(text) - 2 * half} characters left out ...\n{text[-half:]}"
