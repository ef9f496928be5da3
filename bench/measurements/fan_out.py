"""Whether a wide workflow costs as much a task as a narrow one."""

import statistics

from bench.client import seconds
from bench.stage import Stage
from bench.workflows import fan

NARROW, WIDE = 250, 1000
POLL_S = 0.1


def measure(stage: Stage) -> None:
    """Run a root, many tasks beside each other, and a join; with many and with more."""
    stage.report.headline("fan_out_1000: one execution of that many parallel tasks, idle server")
    times: dict[int, list[float]] = {NARROW: [], WIDE: []}
    for width in times:
        stage.workflow(fan(width))
    for _ in range(stage.options.pick(3, 1)):
        for width, took in times.items():
            took.append(_run_once(stage, width))
    middles = {width: statistics.median(took) for width, took in times.items()}
    a_task = {width: middle / (width + 2) for width, middle in middles.items()}
    for width in times:
        stage.report.add(f"fan_out_{width}", middles[width], "s")
        stage.report.add(f"fan_out_{width}_time_a_task", a_task[width] * 1000, "ms")
    stage.report.add("fan_out_time_a_task_1000_of_250", a_task[WIDE] / a_task[NARROW], "ratio")


def _run_once(stage: Stage, width: int) -> float:
    tenant = stage.tenants(1)[0]
    execution = stage.connection.execute(tenant, fan(width))
    stage.connection.wait_for(tenant, execution, POLL_S)
    # from the server's own times: the client asks seldom
    found = stage.connection.json("GET", f"/v1/tenants/{tenant}/executions/{execution}")
    return seconds(found["completed_at"]) - seconds(found["started_at"])
