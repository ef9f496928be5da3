"""How many 3-task workflows a second, with one tenant, with fifty, and of the peer."""

import itertools

from bench.client import Connection
from bench.load import CLIENTS, Run, drive, middle, summarize
from bench.processes import cpu_seconds
from bench.stage import Stage
from bench.workflows import CHAIN

ONE, FIFTY, PEER = "throughput_1", "throughput_50", "peer"
_TENANTS = {ONE: 1, FIFTY: 50}
WARM_UP_S = 3.0


def measure(stage: Stage, names: list[str]) -> None:
    """Measure in turns, round by round, so that what else happens on the machine meets all alike.

    Parameters:
        stage: the servers.
        names: of what to measure; the others are left out.
    """
    rounds, seconds = stage.options.pick(5, 2), stage.options.pick(10, 4)
    for name in names:
        _load(stage, name, WARM_UP_S)
    runs: dict[str, list[Run]] = {name: [] for name in names}
    for number in range(1, rounds + 1):
        for name in names:
            run = _load(stage, name, seconds)
            runs[name].append(run)
            print(f"  round {number}, {name}: {run.rate:.1f} workflows/s", flush=True)
    stage.runs |= {name: middle(runs[name]) for name in names}
    for name in names:
        add(stage, name, stage.runs[name])
    for above, below, figure in ((ONE, PEER, "1_of_peer"), (FIFTY, ONE, "50_of_1")):
        if above in names and below in names:
            stage.report.add(
                f"throughput_{figure}", stage.runs[above].rate / stage.runs[below].rate, "ratio"
            )


def add(stage: Stage, name: str, run: Run) -> None:
    """Report the medians of one of the loads."""
    add = stage.report.add
    stage.report.headline(f"{name}: 3-task workflows under load, medians of the rounds")
    add(f"{name}_rate", run.rate, "workflows/s")
    add(f"{name}_accept_rate", run.accept_rate, "workflows/s")
    add(f"{name}_in_flight", run.in_flight, "workflows")
    add(f"{name}_least_in_flight", run.least_in_flight, "workflows")
    add(f"{name}_polls", run.polls, "GETs/workflow")
    stage.report.add_parts(f"{name}_cpu", run.cpu_ms, "ms/workflow")


def _load(stage: Stage, name: str, seconds: float) -> Run:
    if name == PEER:
        return stage.peer.load(seconds)
    tenants = stage.tenants(_TENANTS[name])
    for tenant in tenants:
        stage.workflow(CHAIN, tenant)
    return load_server(stage, tenants, seconds)


def load_server(stage: Stage, tenants: list[str], seconds: float) -> Run:
    """Keep the server busy for some seconds, all tenants alike."""
    connections = [stage.server.connect() for _ in range(CLIENTS)]
    turns = itertools.cycle(tenants)
    before = stage.server.tree().look()
    driven = drive([_Starter(connection, turns) for connection in connections], seconds)
    cpu = cpu_seconds(before, stage.server.tree().look())
    polls = sum(connection.requests for connection in connections) - len(driven.handles)
    for connection in connections:
        connection.close()
    spans = []
    for tenant in tenants:
        spans += stage.connection.spans(tenant, driven.began)
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
