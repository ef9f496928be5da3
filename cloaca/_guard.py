"""Looks now and then at how much a folder holds, while somebody writes into it."""

from __future__ import annotations

import os
import time
from contextlib import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

EVERY_S = 1.0
"""Seconds between two looks, and until the first."""

MOST_FILES = 100_000
"""Files and folders; more would take too long to look at."""

# so many at a time: whoever looks has other duties
_STEP = 500
# a look may cost this part of a processor
_SHARE = 0.1


class Guard:
    """Keeps watch over a folder, a little at a time.

    It sees what has a name: neither files that were deleted while they were open, nor folders that
    it may not enter. Only a quota or a file system of its own would hold the code to every byte.

    Parameters:
        path: the folder.
        max_bytes: how much it may hold, as the file system counts it.
        max_files: how many files and folders.
    """

    def __init__(self, path: str, max_bytes: int, max_files: int = MOST_FILES) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._max_files = max_files
        self._due: float | None = None
        self._look: Iterator[str | None] | None = None
        self._cost_s = 0.0

    def watch(self) -> None:
        """Begin to look, unless that has begun."""
        if self._due is None:
            self._due = time.monotonic() + EVERY_S

    def rest(self) -> None:
        """Look no more."""
        self._due = self._look = None

    def due_at(self) -> float | None:
        """Give the moment of the next `step`, by the monotonic clock."""
        return self._due

    def step(self) -> str | None:
        """Go on with a look, when it is time; tell what there is too much of, if anything."""
        begun = time.monotonic()
        if self._due is None or begun < self._due:
            return None
        if self._look is None:
            self._look, self._cost_s = self._looks(), 0.0
        try:
            found = next(self._look)
        except StopIteration:
            self._look, found = None, None
        now = time.monotonic()
        self._cost_s += now - begun
        if self._look is None:
            self._due = now + max(EVERY_S, self._cost_s / _SHARE)
        return found

    def _looks(self) -> Iterator[str | None]:
        """Look through the folder, and pause after every few entries."""
        held, files = 0, 0
        linked: set[tuple[int, int]] = set()
        # in two parts, since many paths would take much more memory than many names
        pending = [os.path.split(self._path)]
        while pending:
            folder = "/".join(pending.pop())
            # whatever cannot be looked at is gone by now, or closed to us
            with suppress(OSError), os.scandir(folder) as entries:
                for entry in entries:
                    files += 1
                    if files > self._max_files:
                        yield f"{self._max_files} files"
                    if not files % _STEP:
                        yield None
                    with suppress(OSError):
                        status = entry.stat(follow_symlinks=False)
                        if entry.is_dir(follow_symlinks=False):
                            pending.append((folder, entry.name))
                        elif status.st_nlink > 1:
                            # one file under several names
                            if (status.st_dev, status.st_ino) in linked:
                                continue
                            linked.add((status.st_dev, status.st_ino))
                        held += status.st_blocks * 512
                    if held > self._max_bytes:
                        yield f"{self._max_bytes} bytes"
