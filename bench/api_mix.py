"""Questions and orders of tenants to the API, each with its own key, at a steady pace."""

import itertools
import time
from collections.abc import Iterator, Sequence

from bench.server import Server
from bench.workflows import SINGLE

PACE = 50.0
"""Requests a second: little enough that what is timed is the answer, not a queue before it."""


class ApiMix:
    """One client that takes turns among tenants.

    Parameters:
        server: whose API is asked.
        keys: a key of each tenant; each tenant has the workflow `single`.
    """

    def __init__(self, server: Server, keys: dict[str, str]) -> None:
        self._requests = itertools.chain.from_iterable(
            itertools.starmap(self._round, itertools.cycle(keys.items()))
        )
        self._connections = {tenant: server.connect(key) for tenant, key in keys.items()}

    def run(self, seconds: float) -> Sequence[float]:
        """Send requests for some seconds, and give the seconds that each took."""
        times: list[float] = []
        began = time.monotonic()
        while (due := began + len(times) / PACE) < began + seconds:
            time.sleep(max(due - time.monotonic(), 0))
            times.append(next(self._requests))
        return times

    def _round(self, tenant: str, _key: str) -> Iterator[float]:
        """Start an execution, look at it and around; gives the seconds of each request."""
        base = f"/v1/tenants/{tenant}"
        took, found = self._timed(tenant, "POST", f"{base}/workflows/{SINGLE}/execute", b"{}")
        yield took
        execution = f"{base}/executions/{found['execution_id']}"
        lists = (f"{base}/executions?limit=20", f"{base}/workflows")
        for path in (execution, lists[0], f"{execution}/events", lists[1], f"{execution}/tasks"):
            yield self._timed(tenant, "GET", path)[0]

    def _timed(
        self, tenant: str, method: str, path: str, body: bytes | None = None
    ) -> tuple[float, dict[str, str]]:
        started = time.perf_counter()
        found = self._connections[tenant].json(method, path, body)
        return time.perf_counter() - started, found
