"""The folder that an author's code works in: made, emptied between tasks, removed."""

from __future__ import annotations

import os
import stat
from contextlib import suppress


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
        import shutil

        try:
            # the code may have put a link to somewhere else in its place
            if not stat.S_ISDIR(os.lstat(self.path).st_mode):
                return False
            with os.scandir(self.path) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        shutil.rmtree(entry.path)
                    else:
                        os.unlink(entry.path)  # noqa: PTH108 - pathlib is slow to import
        except (OSError, RecursionError):
            return False
        return True

    def remove(self) -> None:
        """Remove it, or whatever is in its place."""
        remove(self.path)


def remove(path: str) -> None:
    """Remove a scratch folder, or whatever is in its place, as far as that is possible."""
    import shutil

    with suppress(OSError):
        if not stat.S_ISDIR(os.lstat(path).st_mode):
            os.unlink(path)  # noqa: PTH108 - pathlib is slow to import
            return
    if not os.path.lexists(path):
        return
    shutil.rmtree(path, ignore_errors=True)
    if os.path.lexists(path):
        _open_up(path)
        shutil.rmtree(path, ignore_errors=True)


def _open_up(path: str) -> None:
    """Give us back the rights that the code took from its own folders."""
    with suppress(OSError):
        os.chmod(path, 0o700)  # noqa: PTH101 - pathlib is slow to import
    for folder, names, _ in os.walk(path):
        for name in names:
            below = os.path.join(folder, name)  # noqa: PTH118 - pathlib is slow to import
            if not os.path.islink(below):  # noqa: PTH114 - pathlib is slow to import
                with suppress(OSError):
                    os.chmod(below, 0o700)  # noqa: PTH101 - pathlib is slow to import
