"""What a thousand tenants on one server cost those ten of them that have work.

Two servers run beside each other, one with 10 tenants and one with 1,000. Each round measures both,
so that what else happens on the machine meets both alike. What the one costs that is not measured
just then is a figure of its own.
"""

import statistics
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import redis

from bench import workflows
from bench.api_mix import ApiMix
from bench.load import Run, middle
from bench.measurements.throughput import WARM_UP_S, load_server
from bench.processes import cpu_seconds
from bench.report import Report, percentile
from bench.rig import Rig, home_folder
from bench.server import Server
from cloacina.db import Database
from cloacina.dispatch import Dispatcher
from workers.scheduler import TICK_S, tick

NAME = "tenants_1000"
FEW, MANY, MANY_QUICK = 10, 1_000, 100
CREATED_A_ROUND = 5
SETTLED_S = 5.0


def measure(rig: Rig) -> None:
    """Measure both servers in turns, then the greater one with work for all its tenants."""
    count = rig.options.pick(MANY, MANY_QUICK)
    rig.report.headline(f"{NAME}: {FEW} tenants with work on servers of {FEW} and of {count:,}")
    with home_folder() as few_home, home_folder() as many_home:
        few, many = (_server(rig, home) for home in (few_home, many_home))
        with few, many:
            sides = (_Side("of_10", few, FEW), _Side("of_1000", many, count))
            for side in sides:
                side.prepare()
            _measure_idle(rig, sides)
            _measure_rounds(rig, sides)
            for side in sides:
                side.report(rig.report)
            _compare(rig.report, *sides)
            _measure_spread(rig, sides[1])


def _server(rig: Rig, home: Path) -> Server:
    return Server(home, workers=rig.options.workers, slots=rig.options.slots)


@dataclass
class _Side:
    """A server, and what was measured of it."""

    label: str
    server: Server
    count: int
    created_s: list[float] = field(default_factory=list)
    api_s: list[float] = field(default_factory=list)
    ticks_s: list[float] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)

    def prepare(self) -> None:
        """Make the tenants; the last of them get work."""
        connection = self.server.connect()
        self.tenants = [f"tenant_{number}" for number in range(self.count)]
        for tenant in self.tenants:
            connection.create_tenant(tenant)
        packages = self.server.home / "packages"
        self.archive = workflows.archive(workflows.CHAIN, packages)
        single = workflows.archive(workflows.SINGLE, packages)
        self.busy = self.tenants[-FEW:]
        for tenant in self.busy:
            connection.upload(tenant, self.archive)
            connection.upload(tenant, single)
        keys = {tenant: connection.create_key(tenant) for tenant in self.busy}
        self._mix = ApiMix(self.server, keys)
        self._connection = connection
        self._database = Database(self.server.database_url, pool_size=1)
        self._dispatcher = Dispatcher(self._database, self.server.broker_url(0))

    def create(self) -> None:
        """Time the making of some tenants, which are deleted again."""
        for number in range(CREATED_A_ROUND):
            started = time.perf_counter()
            self._connection.create_tenant(f"passing_{number}")
            self.created_s.append(time.perf_counter() - started)
            self._connection.json("DELETE", f"/v1/tenants/passing_{number}")

    def ask(self, seconds: float) -> None:
        """Time requests, and meanwhile the ticks of one more scheduler."""
        ended = threading.Event()
        ticking = threading.Thread(target=self._tick, args=(ended,))
        ticking.start()
        self.api_s += self._mix.run(seconds)
        ended.set()
        ticking.join()

    def load(self, seconds: float) -> None:
        """Measure throughput."""
        self.runs.append(load_server(self.server, self.busy, seconds))

    def forget(self) -> None:
        """Begin anew, after a warm-up."""
        for found in (self.created_s, self.api_s, self.ticks_s, self.runs):
            found.clear()

    def report(self, report: Report) -> None:
        """Report what was found."""
        name = f"{NAME}_{self.label}"
        report.add(f"{name}_create_p50", statistics.median(self.created_s) * 1000, "ms")
        report.add(f"{name}_api_requests", len(self.api_s), "requests")
        report.add(f"{name}_api_p50", statistics.median(self.api_s) * 1000, "ms")
        report.add(f"{name}_api_p99", percentile(self.api_s, 99) * 1000, "ms")
        report.add(f"{name}_tick_p50", statistics.median(self.ticks_s) * 1000, "ms")
        report.add(f"{name}_tick_mean", statistics.fmean(self.ticks_s) * 1000, "ms")
        report.add(f"{name}_rate", statistics.median(run.rate for run in self.runs), "workflows/s")
        report.add_parts(f"{name}_cpu", middle(self.runs).cpu_ms, "ms/workflow")
        self.report_resources(report, name)

    def report_resources(self, report: Report, name: str) -> None:
        """Report memory and connections as they are now."""
        parts = self.server.tree().memory()
        report.add_parts(f"{name}_pss", {part: of.pss for part, of in parts.items()}, "MiB")
        with psycopg.connect(self.server.database_url) as connection:
            (found,) = connection.execute(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE usename = current_user AND pid <> pg_backend_pid()"
            ).fetchone() or (0,)
        report.add(f"{name}_database_connections", found, "connections")
        with redis.Redis.from_url(self.server.broker_url(0)) as broker:
            clients = int(broker.info("clients")["connected_clients"]) - 1
        report.add(f"{name}_broker_connections", clients, "connections")

    def _tick(self, ended: threading.Event) -> None:
        while not ended.wait(TICK_S):
            started = time.perf_counter()
            tick(self._database, self._dispatcher)
            self.ticks_s.append(time.perf_counter() - started)


def _measure_idle(rig: Rig, sides: Sequence[_Side]) -> None:
    """Measure what the servers cost while nobody wants anything."""
    seconds = rig.options.pick(60, 10)
    time.sleep(SETTLED_S)
    before = [side.server.tree().look() for side in sides]
    time.sleep(seconds)
    for side, then in zip(sides, before, strict=True):
        spent = cpu_seconds(then, side.server.tree().look())
        a_second = {part: of * 1000 / seconds for part, of in spent.items()}
        rig.report.add_parts(f"{NAME}_{side.label}_idle_cpu", a_second, "ms/s")


def _measure_rounds(rig: Rig, sides: Sequence[_Side]) -> None:
    rounds, seconds = rig.options.pick(8, 2), rig.options.pick(8, 4)
    steps: Sequence[Callable[[_Side], None]] = (
        _Side.create,
        lambda side: side.ask(seconds),
        lambda side: side.load(seconds),
    )
    for side in sides:
        side.create()
        side.ask(WARM_UP_S)
        side.load(WARM_UP_S)
        side.forget()
    for _ in range(rounds):
        for step in steps:
            for side in sides:
                step(side)


def _compare(report: Report, few: _Side, many: _Side) -> None:
    """Report the greater server's figures as ratios to the smaller one's."""

    def add(name: str, of: Callable[[_Side], float]) -> None:
        report.add(f"{NAME}_{name}_of_10", of(many) / of(few), "ratio")

    add("create_p50", lambda side: statistics.median(side.created_s))
    add("api_p50", lambda side: statistics.median(side.api_s))
    add("api_p99", lambda side: percentile(side.api_s, 99))
    add("tick_p50", lambda side: statistics.median(side.ticks_s))
    add("tick_mean", lambda side: statistics.fmean(side.ticks_s))
    # round by round: what slowed down both says nothing about either
    ratios = [run.rate / other.rate for run, other in zip(many.runs, few.runs, strict=True)]
    report.add(f"{NAME}_rate_of_10", statistics.median(ratios), "ratio")


def _measure_spread(rig: Rig, side: _Side) -> None:
    """Give every tenant work in turns: the worst that connections and caches can meet."""
    rig.report.headline(f"{NAME}: work for all tenants in turns")
    connection = side.server.connect()
    for tenant in side.tenants[:-FEW]:
        connection.upload(tenant, side.archive)
    runs = [
        load_server(side.server, side.tenants, rig.options.pick(20, 4))
        for _ in range(rig.options.pick(3, 1))
    ]
    name = f"{NAME}_spread"
    rig.report.add(f"{name}_rate", statistics.median(run.rate for run in runs), "workflows/s")
    rig.report.add_parts(f"{name}_cpu", middle(runs).cpu_ms, "ms/workflow")
    side.report_resources(rig.report, name)
