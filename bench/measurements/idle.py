"""What a server costs before it does anything: starts, memory, the making of a tenant."""

import statistics
import time

from bench.server import Server
from bench.stage import Stage, home_folder

SETTLED_S = 5.0
POSTGRESQL = "PostgreSQL"


def measure_start(stage: Stage) -> None:
    """Time starts to /ready on a new home and on one that was used before."""
    stage.report.headline("start: `server start` to /ready")
    options = stage.options
    with home_folder() as home:
        server = Server(home, workers=options.workers, slots=options.slots)
        times = []
        for _ in range(1 + options.pick(5, 1)):
            times.append(server.start())
            server.stop()
    stage.report.add("start_first", times[0], "s")
    stage.report.add("start_later_p50", statistics.median(times[1:]), "s")
    stage.report.add("start_later_max", max(times[1:]), "s")


def measure_memory(stage: Stage) -> None:
    """Take the memory of a server that was started and has not run anything yet."""
    stage.report.headline("memory: an idle server, by part")
    tree = stage.server.tree()
    time.sleep(SETTLED_S)
    parts = tree.memory()
    stage.report.add_parts("memory_pss", {part: of.pss for part, of in parts.items()}, "MiB")
    stage.report.add_parts("memory_rss", {part: of.rss for part, of in parts.items()}, "MiB")
    without = sum(of.pss for part, of in parts.items() if part != POSTGRESQL)
    stage.report.add("memory_pss_without_postgresql", without, "MiB")


def measure_tenant_create(stage: Stage) -> None:
    """Time the making of tenants, each with its schema, tables and role."""
    stage.tenants(stage.options.pick(50, 10))
    stage.report.headline("tenant_create: POST /v1/tenants")
    stage.report.add("tenant_create_first", stage.tenant_create_s[0] * 1000, "ms")
    stage.report.add_times("tenant_create", stage.tenant_create_s)
