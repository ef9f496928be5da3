"""Whether tenants that flood a server slow down others; on servers of their own."""

import statistics
import time
from collections import Counter
from pathlib import Path

from bench import workflows
from bench.client import PATIENT_POLL_S, Connection
from bench.flood import flood
from bench.report import percentile
from bench.rig import Rig, home_folder
from bench.server import Server

SHORT, LONG, FIFTY = "fairness_short", "fairness_long", "fairness_50"
FLOODER, OTHER = "acme", "globex"
FLOODERS = 50
FLOODED_S = 30.0
WARM_UP_RUNS = 10
WIDTH = 20
_PAGE = 1000
_FLOOD = 12_000
"""Executions: so many that 10,000 are left when the last run is over."""


def measure(rig: Rig, names: list[str]) -> None:
    """Measure what one tenant feels of another's flood, and how many that flood share the server.

    Parameters:
        rig: options and report.
        names: of what to measure; the others are left out.
    """
    for name, workflow in ((SHORT, workflows.fan(WIDTH)), (LONG, workflows.LONG)):
        if name in names:
            rig.report.headline(
                f"{name}: POST to first task of {OTHER}, one each second: alone, and while"
                f" {FLOODER} has its queue full of `{workflow}`"
            )
            with home_folder() as home, _server(rig, home) as server:
                _measure_flood(rig, server, name, workflow)
    if FIFTY in names:
        rig.report.headline(f"{FIFTY}: {FLOODERS} tenants with full queues, over {FLOODED_S:g} s")
        with home_folder() as home, _server(rig, home) as server:
            _measure_shares(rig, server)


def _server(rig: Rig, home: Path) -> Server:
    return Server(home, workers=rig.options.workers, slots=rig.options.slots)


def _measure_flood(rig: Rig, server: Server, name: str, workflow: str) -> None:
    connection, packages = server.connect(), server.home / "packages"
    connection.create_tenant(OTHER)
    connection.upload(OTHER, workflows.archive(workflows.SINGLE, packages))
    connection.create_tenant(FLOODER)
    connection.let_queue(FLOODER, 2 * _FLOOD)
    connection.upload(FLOODER, workflows.archive(workflow, packages))
    for _ in range(WARM_UP_RUNS):
        connection.wait_for(OTHER, connection.execute(OTHER, workflows.SINGLE), PATIENT_POLL_S)
    runs = rig.options.pick(120, 20)
    alone = _waits(connection, runs)
    flood(server, [FLOODER], workflow, rig.options.pick(_FLOOD, 1_000))
    beside = _waits(connection, runs)
    for side, waits in (("alone", alone), ("beside", beside)):
        rig.report.add(f"{name}_{side}_p50", statistics.median(waits) * 1000, "ms")
        rig.report.add(f"{name}_{side}_p99", percentile(waits, 99) * 1000, "ms")
        rig.report.add(f"{name}_{side}_max", max(waits) * 1000, "ms")
    rig.report.add(f"{name}_runs", runs, "runs")
    rig.report.add(f"{name}_still_queued", _queued(connection, FLOODER), "executions")
    rig.report.add(f"{name}_p99_beside_alone", _ratio(beside, alone, 99), "ratio")
    rig.report.add(f"{name}_p50_beside_alone", _ratio(beside, alone, 50), "ratio")


def _ratio(beside: list[float], alone: list[float], percent: float) -> float:
    return percentile(beside, percent) / percentile(alone, percent)


def _waits(connection: Connection, runs: int) -> list[float]:
    """Start an execution each second, and give the seconds until the first task of each began."""
    posted: dict[str, float] = {}
    began = time.monotonic()
    for number in range(runs):
        time.sleep(max(began + number - time.monotonic(), 0))
        at = time.time()
        posted[connection.execute(OTHER, workflows.SINGLE)] = at
    waits = []
    for execution, at in posted.items():
        connection.wait_for(OTHER, execution, PATIENT_POLL_S)
        # the server's clock is ours
        waits.append(_moments(connection, OTHER, execution, "task_started")[0] - at)
    return waits


def _measure_shares(rig: Rig, server: Server) -> None:
    connection = server.connect()
    workflow = workflows.fan(WIDTH)
    archive = workflows.archive(workflow, server.home / "packages")
    tenants = [f"{FLOODER}_{number}" for number in range(FLOODERS)]
    for tenant in tenants:
        connection.create_tenant(tenant)
        connection.upload(tenant, archive)
    executions = flood(server, tenants, workflow, FLOODERS * 40)
    began = time.time()
    time.sleep(FLOODED_S)
    ended = time.time()
    waiting = [_queued(connection, tenant) for tenant in tenants]
    counts = Counter(dict.fromkeys(tenants, 0))
    for execution, tenant in executions.items():
        moments = _moments(connection, tenant, execution, "task_completed")
        counts[tenant] += sum(began <= at < ended for at in moments)
    fair = counts.total() / FLOODERS
    rig.report.add(f"{FIFTY}_rate", counts.total() / FLOODED_S, "tasks/s")
    rig.report.add(f"{FIFTY}_least_still_queued", min(waiting), "executions")
    rig.report.add(f"{FIFTY}_least_of_fair_share", min(counts.values()) / fair, "ratio")
    rig.report.add(f"{FIFTY}_most_of_fair_share", max(counts.values()) / fair, "ratio")


def _queued(connection: Connection, tenant: str) -> int:
    """Count a tenant's executions of which nothing has begun."""
    path = f"/v1/tenants/{tenant}/executions?limit={_PAGE}&status=Pending"
    count = 0
    while found := len(connection.json("GET", f"{path}&offset={count}")["items"]):
        count += found
    return count


def _moments(connection: Connection, tenant: str, execution: str, kind: str) -> list[float]:
    events = connection.events(tenant, execution)
    return [event["at"] for event in events if event["event_type"] == kind]
