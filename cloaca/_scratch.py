"""The folder that an author's code works in: made, emptied between tasks, removed."""

from __future__ import annotations

import os
import stat
from contextlib import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Scratch:
    """A folder for one process, which nobody else may enter.

    Parameters:
        path: where it is made.

    Raises:
        OSError: it cannot be made.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        os.mkdir(path, 0o700)  # noqa: PTH102 - pathlib is slow to import

    def empty(self) -> bool:
        """Remove all that is in it.

        Returns:
            False when the code has made that impossible.
        """
        # the code may have put a link to somewhere else in its place
        return _is_folder(self.path) and _clear(self.path)

    def remove(self) -> None:
        """Remove it, or whatever is in its place."""
        remove(self.path)


def remove(path: str) -> None:
    """Remove a scratch folder, or whatever is in its place, as far as that is possible."""
    if not _is_folder(path):
        _is_done(os.unlink, path)
        return
    _open_up(path)
    _clear(path)
    _is_done(os.rmdir, path)


def _clear(path: str) -> bool:
    """Remove what is in a folder; tell whether nothing is left.

    Each folder in it is lifted to the top before it is removed. So neither the paths nor the stack
    grow with the depth, which is the code's to choose.
    """
    lifted = _names(f"{path}/{os.urandom(8).hex()}")
    try:
        while names := os.listdir(path):  # noqa: PTH208 - pathlib is slow to import
            changed = [_take_apart(f"{path}/{name}", lifted) for name in names]
            if not any(changed):
                return False
    except OSError:
        return False
    return True


def _take_apart(path: str, lifted: Iterator[str]) -> bool:
    """Remove a file, or a folder with its files; tell whether any of that worked."""
    if not _is_folder(path):
        return _is_done(os.unlink, path)
    _open_up(path)
    try:
        names = os.listdir(path)  # noqa: PTH208 - pathlib is slow to import
    except OSError:
        return False
    changed = False
    for name in names:
        below = f"{path}/{name}"
        if _is_folder(below):
            _open_up(below)  # to move a folder is to write into it
            changed |= _is_done(os.rename, below, next(lifted))
        else:
            changed |= _is_done(os.unlink, below)
    return _is_done(os.rmdir, path) or changed


def _names(beginning: str) -> Iterator[str]:
    number = 0
    while True:
        number += 1
        yield f"{beginning}-{number}"


def _is_folder(path: str) -> bool:
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except OSError:
        return False


def _open_up(path: str) -> None:
    """Give us back the rights that the code took from its own folder."""
    with suppress(OSError):
        os.chmod(path, 0o700)  # noqa: PTH101 - pathlib is slow to import


def _is_done(what: Callable[..., None], *paths: str) -> bool:
    try:
        what(*paths)
    except OSError:
        return False
    return True
