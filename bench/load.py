"""A load that keeps a server busy, the same for ours and for the peer.

It is a closed loop: each client starts a batch, and starts the next when the last of an earlier
batch has ended. So there is always work waiting and never more than a bounded amount of it. A
client asks a few times a batch whether it has ended, at the pace at which batches end: asking each
workflow every few milliseconds took a third of the server's throughput.
"""

import statistics
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

CLIENTS = 4
BATCH = 10
BATCHES_AHEAD = 3
POLLS_A_BATCH = 4
LEAST_POLL_S = 0.02


class Starter(Protocol):
    """What one client, on a thread of its own, starts workflows with."""

    def start(self) -> Any:
        """Start a workflow and give a handle of it."""

    def wait(self, handle: Any, poll_s: float) -> None:
        """Wait until a workflow has ended; who has to ask does so with this pause."""


@dataclass(frozen=True)
class Driven:
    """What the clients did.

    Parameters:
        began: time of the first start, in seconds of the epoch.
        one_stopped: time of the last start of the client that stopped first.
        starts_ended: time of the last start of all.
        ended: time at which the clients had waited for their last batches.
        handles: of all that was started.
        client_s: CPU seconds of the clients.
    """

    began: float
    one_stopped: float
    starts_ended: float
    ended: float
    handles: list[Any]
    client_s: float


@dataclass(frozen=True)
class Run:
    """One round of load.

    Parameters:
        count: workflows.
        accept_rate: started a second, while they were started.
        rate: completed a second, from the first start to the last end.
        in_flight: workflows that were started and not ended: on average, and the least between
            the first batches and the last start.
        polls: questions whether it has ended, for each workflow.
        cpu_ms: CPU milliseconds for each workflow, by part.
    """

    count: int
    accept_rate: float
    rate: float
    in_flight: float
    least_in_flight: int
    polls: float
    cpu_ms: dict[str, float] = field(default_factory=dict)


def drive(starters: Sequence[Starter], seconds: float) -> Driven:
    """Have each starter keep its batches going for some seconds, then wait for the last of them."""
    cpu = time.process_time()
    began = time.time()
    clients = [_Client(starter, seconds) for starter in starters]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    if any(client.failed for client in clients):
        sys.exit("a client of the load failed; the reason stands above")
    return Driven(
        began,
        min(client.starts_ended for client in clients),
        max(client.starts_ended for client in clients),
        time.time(),
        [handle for client in clients for handle in client.handles],
        time.process_time() - cpu,
    )


def summarize(
    driven: Driven,
    spans: Sequence[tuple[float, float]],
    cpu_s: dict[str, float],
    polls: int = 0,
) -> Run:
    """Make the figures of a round.

    Parameters:
        driven: what the clients did.
        spans: beginning and end of each workflow, in seconds of the epoch.
        cpu_s: CPU seconds of the round until the clients had ended, by part.
        polls: requests that only asked whether something has ended.
    """
    count = len(spans)
    if count != len(driven.handles):
        sys.exit(f"{len(driven.handles)} workflows were started and {count} completed")
    completed_then = sum(end <= driven.ended for _, end in spans)
    whole_s = max(end for _, end in spans) - driven.began
    return Run(
        count,
        accept_rate=count / (driven.starts_ended - driven.began),
        rate=count / whole_s,
        in_flight=sum(end - start for start, end in spans) / whole_s,
        least_in_flight=_least_in_flight(spans, driven),
        polls=polls / count,
        cpu_ms={
            part: seconds * 1000 / completed_then
            for part, seconds in {**cpu_s, "client": driven.client_s}.items()
        },
    )


def middle(runs: Sequence[Run]) -> Run:
    """Give the medians of several rounds, each figure for itself."""
    parts = sorted({part for run in runs for part in run.cpu_ms})
    return Run(
        count=sum(run.count for run in runs),
        accept_rate=statistics.median(run.accept_rate for run in runs),
        rate=statistics.median(run.rate for run in runs),
        in_flight=statistics.median(run.in_flight for run in runs),
        least_in_flight=min(run.least_in_flight for run in runs),
        polls=statistics.median(run.polls for run in runs),
        cpu_ms={
            part: statistics.median(run.cpu_ms.get(part, 0.0) for run in runs) for part in parts
        },
    )


def _least_in_flight(spans: Sequence[tuple[float, float]], driven: Driven) -> int:
    """Find how near the queue came to being empty, between the first batches and the last."""
    changes = sorted([(start, 1) for start, _ in spans] + [(end, -1) for _, end in spans])
    now, filled, least = 0, False, len(spans)
    for moment, change in changes:
        if moment > driven.one_stopped:
            break
        now += change
        filled = filled or now >= CLIENTS * BATCH
        if filled:
            least = min(least, now)
    return least if filled else 0


class _Client(threading.Thread):
    def __init__(self, starter: Starter, seconds: float) -> None:
        super().__init__(daemon=True)
        self._starter = starter
        self._seconds = seconds
        self.handles: list[Any] = []
        self.starts_ended = 0.0
        self.failed = True

    def run(self) -> None:
        ahead: deque[Any] = deque()
        pause_s, began = LEAST_POLL_S, time.monotonic()
        until = began + self._seconds
        while began < until:
            batch = [self._starter.start() for _ in range(BATCH)]
            self.handles += batch
            self.starts_ended = time.time()
            ahead.append(batch[-1])
            if len(ahead) == BATCHES_AHEAD:
                self._starter.wait(ahead.popleft(), pause_s)
            now = time.monotonic()
            pause_s, began = max((now - began) / POLLS_A_BATCH, LEAST_POLL_S), now
        for last in ahead:
            self._starter.wait(last, pause_s)
        self.failed = False
