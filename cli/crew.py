"""The workers of tenants' own that a supervisor runs: as many as a file says, which may change."""

import json
import logging
import time
from collections.abc import Callable
from pathlib import Path

from cli.supervisor import Part, Process

log = logging.getLogger("supervisor")

LOOK_EVERY_S = 1.0


class Crew:
    """Parts that come and go; to the supervisor they are one.

    Parameters:
        path: of the file, a list of tenant's id, number and tenant's name for each worker; what it
            says last is kept while it is not there or cannot be read.
        launch: starts a worker for a tenant's name.
        grace_s: seconds that a worker which is told to stop gets to end.
    """

    name = "tenants' own workers"

    def __init__(self, path: Path, launch: Callable[[str], Process], grace_s: float) -> None:
        self._path = path
        self._launch = launch
        self._grace_s = grace_s
        self._seen = 0
        self._parts: dict[tuple[str, int], Part] = {}
        self._leaving: list[tuple[Part, float]] = []

    def look_after(self) -> float:
        """Start and stop what the file says, and keep running what is to run.

        Returns:
            Seconds until the next look.
        """
        self._follow()
        waits = [part.look_after() for part in self._parts.values()]
        self._leaving = [entry for entry in self._leaving if not _is_gone(*entry)]
        return min([LOOK_EVERY_S, *waits])

    def ask_to_stop(self) -> None:
        """Tell all of them to end in their own time."""
        for part in self._parts.values():
            part.ask_to_stop()

    def has_ended(self) -> bool:
        """Say whether none of them runs."""
        return all(part.has_ended() for part in self._all())

    def kill(self) -> None:
        """End those that are left."""
        for part in self._all():
            part.kill()

    def _all(self) -> list[Part]:
        return [*self._parts.values(), *(part for part, _ in self._leaving)]

    def _follow(self) -> None:
        try:
            changed = self._path.stat().st_mtime_ns
            if changed == self._seen:
                return
            rows = json.loads(self._path.read_text())
            wanted = {(tenant_id, number): name for tenant_id, number, name in rows}
        except (OSError, ValueError, TypeError):
            return
        self._seen = changed
        for key in self._parts.keys() - wanted.keys():
            part = self._parts.pop(key)
            log.info("stopping %s", part.name)
            part.ask_to_stop()
            self._leaving.append((part, time.monotonic() + self._grace_s))
        for key, tenant in wanted.items():
            if key not in self._parts:
                name = f"worker {key[1]} of tenant {tenant}"
                log.info("starting %s", name)
                self._parts[key] = Part(name, _launcher(self._launch, tenant))


def _launcher(launch: Callable[[str], Process], tenant: str) -> Callable[[], Process]:
    return lambda: launch(tenant)


def _is_gone(part: Part, until: float) -> bool:
    if not part.has_ended() and time.monotonic() >= until:
        log.warning("killing %s", part.name)
        part.kill()
    return part.has_ended()
