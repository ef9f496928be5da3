"""How long the tasks of a worker that is killed wait until they run again.

On a server of its own with two workers, so that there is an elsewhere, and nothing of what is
killed here touches the other measurements.
"""

import os
import random
import signal
import statistics
import time

from bench import workflows
from bench.client import Connection, wait_until
from bench.rig import Rig, home_folder
from bench.server import Server

TENANT = "bench"
WORKERS = 2
POLL_S = 0.1


def measure(rig: Rig) -> None:
    """Kill a worker's main process again and again, while every slot runs a task."""
    rig.report.headline(
        f"recovery: kill -9 of one of {WORKERS} workers while tasks of {workflows.SLEEP_S:g} s run"
    )
    waits: list[float] = []
    with (
        home_folder() as home,
        Server(home, workers=WORKERS, slots=rig.options.slots) as server,
    ):
        connection = server.connect()
        connection.create_tenant(TENANT)
        connection.upload(TENANT, workflows.archive(workflows.SLEEP, home / "packages"))
        for _ in range(rig.options.pick(5, 1)):
            waits += _kill_once(server, connection)
    rig.report.add("recovery_tasks", len(waits), "tasks")
    if waits:
        rig.report.add("recovery_p50", statistics.median(waits), "s")
        rig.report.add("recovery_max", max(waits), "s")


def _kill_once(server: Server, connection: Connection) -> list[float]:
    """Kill a worker and give the seconds until each of its tasks ran again."""
    wait_until(lambda: len(server.tree().pids("worker main")) == WORKERS, POLL_S)
    # a tenant leaves one of all slots to others
    wanted = WORKERS * server.slots - 1
    executions = [connection.execute(TENANT, workflows.SLEEP) for _ in range(wanted)]
    wait_until(lambda: _running(connection) >= wanted, POLL_S)
    killed = time.time()
    os.kill(random.choice(server.tree().pids("worker main")), signal.SIGKILL)
    waits = []
    for execution in executions:
        connection.wait_for(TENANT, execution, POLL_S)
        events = connection.events(TENANT, execution)
        resets = [event["at"] for event in events if event["event_type"] == "task_reset"]
        again = [
            event["at"]
            for event in events
            if resets and event["event_type"] == "task_started" and event["at"] >= resets[0]
        ]
        waits += [at - killed for at in again[:1]]
    return waits


def _running(connection: Connection) -> int:
    path = f"/v1/tenants/{TENANT}/executions?limit=1000&status=Running"
    return len(connection.json("GET", path)["items"])
