"""Looks at the tables and the APIs all the while, from a thread each."""

import threading
import time
from collections.abc import Sequence

import psycopg
import requests

from tests.chaos import tables
from tests.chaos.evidence import Probe, Sample
from tests.chaos.world import World

_SAMPLE_EVERY_S = 0.4
_PROBE_EVERY_S = 0.25
_PROBE_PATIENCE_S = 5.0


class Watch:
    """The onlookers.

    Parameters:
        world: what they look at.
        tenants: whose tables they look at.
    """

    def __init__(self, world: World, tenants: Sequence[str]) -> None:
        self.samples: list[Sample] = []
        self.probes: list[Probe] = []
        self._world = world
        self._tenants = tenants
        self._url = world.admin_url
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._sample, daemon=True)]
        self._threads += [
            threading.Thread(target=self._probe, args=(part.name, address), daemon=True)
            for part, address in zip(world.apis, world.addresses, strict=True)
        ]

    def start(self) -> None:
        """Begin to look."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _sample(self) -> None:
        connection = None
        while not self._ended.wait(_SAMPLE_EVERY_S):
            try:
                if connection is None or connection.closed:
                    connection = tables.connect(self._url)
                self.samples.append(tables.sample(connection, self._tenants))
            except psycopg.OperationalError:
                connection = None
        if connection is not None:
            connection.close()

    def _probe(self, part: str, address: str) -> None:
        while not self._ended.wait(_PROBE_EVERY_S):
            at = time.time()
            healthy, ready = (_is_ok(f"http://{address}/{path}") for path in ("health", "ready"))
            self.probes.append(Probe(at, part, healthy, ready))


def _is_ok(url: str) -> bool:
    try:
        return requests.get(url, timeout=_PROBE_PATIENCE_S).ok
    except requests.RequestException:
        return False
