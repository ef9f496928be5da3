"""The queues that a worker serves, as its main process writes them down and its slots read them."""

import json
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path


class ServedQueues:
    """A small file in the worker's folder.

    Parameters:
        folder: of the worker.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "queues.json"
        self._seen = 0
        self._names: tuple[str, ...] = ()

    def write(self, names: Collection[str]) -> None:
        """Say which queues the worker serves; whoever reads sees the old ones or these."""
        new = self._path.with_suffix(".new")
        new.write_text(json.dumps(sorted(names)))
        new.replace(self._path)

    def names(self) -> Sequence[str]:
        """Give the queues' names; none before they were written."""
        with suppress(FileNotFoundError):
            changed = self._path.stat().st_mtime_ns
            if changed != self._seen:
                self._names = tuple(json.loads(self._path.read_text()))
                self._seen = changed
        return self._names
