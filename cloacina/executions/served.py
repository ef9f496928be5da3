"""The queues that a worker serves, as its main process writes them down and its slots read them."""

import json
from collections.abc import Mapping, Sequence
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
        self._slots: Mapping[str, int] = {}
        self._names: Sequence[str] = ()

    def write(self, slots: Mapping[str, int]) -> None:
        """Say which queues the worker serves; whoever reads sees the old ones or these.

        Parameters:
            slots: by the queue's name, those of all workers that serve it.
        """
        new = self._path.with_suffix(".new")
        new.write_text(json.dumps(slots))
        new.replace(self._path)

    def names(self) -> Sequence[str]:
        """Give the queues' names; none before they were written."""
        self._read()
        return self._names

    def slots(self, name: str) -> int:
        """Give the slots of all workers that serve a queue; none where this one does not."""
        self._read()
        return self._slots.get(name, 0)

    def _read(self) -> None:
        with suppress(FileNotFoundError):
            changed = self._path.stat().st_mtime_ns
            if changed != self._seen:
                self._slots = json.loads(self._path.read_text())
                self._names = tuple(self._slots)
                self._seen = changed
