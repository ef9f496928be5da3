"""What a server costs before it does anything: starts, memory, the making of a tenant."""

import statistics
import time

from bench.rig import Rig, home_folder
from bench.server import Server

SETTLED_S = 5.0
POSTGRESQL = "PostgreSQL"


def measure_start(rig: Rig) -> None:
    """Time starts to /ready on a new home and on one that was used before."""
    rig.report.headline("start: `server start` to /ready")
    options = rig.options
    with home_folder() as home:
        server = Server(home, workers=options.workers, slots=options.slots)
        times = []
        for _ in range(1 + options.pick(5, 1)):
            times.append(server.start())
            server.stop()
    rig.report.add("start_first", times[0], "s")
    rig.report.add("start_later_p50", statistics.median(times[1:]), "s")
    rig.report.add("start_later_max", max(times[1:]), "s")


def measure_memory(rig: Rig) -> None:
    """Take the memory of a server that was started and has not run anything yet."""
    rig.report.headline("memory: an idle server, by part")
    tree = rig.server.tree()
    time.sleep(SETTLED_S)
    parts = tree.memory()
    rig.report.add_parts("memory_pss", {part: of.pss for part, of in parts.items()}, "MiB")
    rig.report.add_parts("memory_rss", {part: of.rss for part, of in parts.items()}, "MiB")
    without = sum(of.pss for part, of in parts.items() if part != POSTGRESQL)
    rig.report.add("memory_pss_without_postgresql", without, "MiB")


def measure_tenant_create(rig: Rig) -> None:
    """Time the making of tenants, each with its schema, tables and role."""
    rig.tenants(rig.options.pick(50, 10))
    rig.report.headline("tenant_create: POST /v1/tenants")
    rig.report.add("tenant_create_first", rig.tenant_create_s[0] * 1000, "ms")
    rig.report.add_times("tenant_create", rig.tenant_create_s)
