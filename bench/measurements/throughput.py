"""How many 3-task workflows a second, with one tenant, with fifty, and of the peer."""

import itertools
import statistics

from bench.client import Connection
from bench.load import CLIENTS, Run, drive, middle, summarize
from bench.processes import cpu_seconds
from bench.rig import Rig
from bench.server import Server
from bench.workflows import CHAIN

ONE, FIFTY, PEER = "throughput_1", "throughput_50", "peer"
_TENANTS = {ONE: 1, FIFTY: 50}
WARM_UP_S = 3.0


def measure(rig: Rig, names: list[str]) -> None:
    """Measure in turns, round by round, so that what else happens on the machine meets all alike.

    Parameters:
        rig: the servers.
        names: of what to measure; the others are left out.
    """
    rig.report.headline(f"{', '.join(names)}: rounds of load, in turns")
    rounds, seconds = rig.options.pick(5, 2), rig.options.pick(10, 4)
    for name in names:
        _load(rig, name, WARM_UP_S)
    runs: dict[str, list[Run]] = {name: [] for name in names}
    for number in range(1, rounds + 1):
        for name in names:
            run = _load(rig, name, seconds)
            runs[name].append(run)
            print(f"  round {number}, {name}: {run.rate:.1f} workflows/s", flush=True)
    rig.runs |= {name: middle(runs[name]) for name in names}
    for name in names:
        _add(rig, name, rig.runs[name])
    for above, below, figure in ((ONE, PEER, "1_of_peer"), (FIFTY, ONE, "50_of_1")):
        if above in names and below in names:
            # round by round: what slowed down both says nothing about either
            ratios = [
                high.rate / low.rate for high, low in zip(runs[above], runs[below], strict=True)
            ]
            rig.report.add(f"throughput_{figure}", statistics.median(ratios), "ratio")


def _add(rig: Rig, name: str, run: Run) -> None:
    """Report the medians of one of the loads."""
    add = rig.report.add
    rig.report.headline(f"{name}: 3-task workflows under load, medians of the rounds")
    add(f"{name}_rate", run.rate, "workflows/s")
    add(f"{name}_accept_rate", run.accept_rate, "workflows/s")
    add(f"{name}_in_flight", run.in_flight, "workflows")
    add(f"{name}_least_in_flight", run.least_in_flight, "workflows")
    add(f"{name}_polls", run.polls, "GETs/workflow")
    rig.report.add_parts(f"{name}_cpu", run.cpu_ms, "ms/workflow")


def _load(rig: Rig, name: str, seconds: float) -> Run:
    if name == PEER:
        return rig.peer.load(seconds)
    tenants = rig.tenants(_TENANTS[name])
    for tenant in tenants:
        rig.workflow(CHAIN, tenant)
    return load_server(rig.server, tenants, seconds)


def load_server(server: Server, tenants: list[str], seconds: float) -> Run:
    """Keep a server busy for some seconds, all tenants alike; each has the 3-task workflow."""
    connections = [server.connect() for _ in range(CLIENTS)]
    turns = itertools.cycle(tenants)
    before = server.tree().look()
    driven = drive([_Starter(connection, turns) for connection in connections], seconds)
    cpu = cpu_seconds(before, server.tree().look())
    polls = sum(connection.requests for connection in connections) - len(driven.handles)
    spans = []
    for tenant in {tenant for tenant, _ in driven.handles}:
        spans += connections[0].spans(tenant, driven.began)
    for connection in connections:
        connection.close()
    return summarize(driven, spans, cpu, polls)


class _Starter:
    def __init__(self, connection: Connection, turns: "itertools.cycle[str]") -> None:
        self._connection = connection
        self._turns = turns

    def start(self) -> tuple[str, str]:
        tenant = next(self._turns)
        return tenant, self._connection.execute(tenant, CHAIN)

    def wait(self, handle: tuple[str, str], poll_s: float) -> None:
        self._connection.wait_for(*handle, poll_s)
