"""Whether a wide workflow costs as much a task as a narrow one."""

import statistics

from bench.client import seconds
from bench.rig import Rig
from bench.workflows import fan

NARROW, WIDE = 250, 1000
POLL_S = 0.1


def measure(rig: Rig) -> None:
    """Run a root, many tasks beside each other, and a join; with many and with more."""
    rig.report.headline("fan_out_1000: one execution of that many parallel tasks, idle server")
    times: dict[int, list[float]] = {NARROW: [], WIDE: []}
    for width in times:
        rig.workflow(fan(width))
    for _ in range(rig.options.pick(3, 1)):
        for width, took in times.items():
            took.append(_run_once(rig, width))
    middles = {width: statistics.median(took) for width, took in times.items()}
    a_task = {width: middle / (width + 2) for width, middle in middles.items()}
    for width in times:
        rig.report.add(f"fan_out_{width}", middles[width], "s")
        rig.report.add(f"fan_out_{width}_time_a_task", a_task[width] * 1000, "ms")
    rig.report.add("fan_out_time_a_task_1000_of_250", a_task[WIDE] / a_task[NARROW], "ratio")


def _run_once(rig: Rig, width: int) -> float:
    tenant = rig.tenants(1)[0]
    execution = rig.connection.execute(tenant, fan(width))
    rig.connection.wait_for(tenant, execution, POLL_S)
    # from the server's own times: the client asks seldom
    found = rig.connection.json("GET", f"/v1/tenants/{tenant}/executions/{execution}")
    return seconds(found["completed_at"]) - seconds(found["started_at"])
