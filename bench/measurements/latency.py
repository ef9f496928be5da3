"""How long an idle server takes from POST …/execute to Completed, as its client sees it.

The client sleeps through most of the time that the fastest run took, and then asks every 2 ms: each
question costs the server a millisecond or two of CPU, which would else be taken from the work that
is waited for. A figure includes the question that saw the end.
"""

import time
from collections.abc import Callable

from bench.rig import Rig
from bench.workflows import CHAIN, SINGLE, fan

LATENCY, PEER = "latency", "peer"
WORKFLOWS = {"single": SINGLE, "chain": CHAIN, "fan_20": fan(20)}
POLL_S = 0.002
WARM_UP_RUNS = 20
BLOCK = 25
LONGEST_S = 150.0
# of the fastest run so far
ASLEEP = 0.8


def measure(rig: Rig, names: list[str]) -> None:
    """Time workflows one at a time; ours and the peer's in turns, block by block.

    Parameters:
        rig: the servers.
        names: `latency`, `peer`, or both.
    """
    rig.report.headline("latency: POST to Completed, idle server")
    subjects: dict[str, Callable[[], float]] = {}
    if LATENCY in names:
        for label, workflow in WORKFLOWS.items():
            subjects[f"latency_{label}"] = Subject(rig, workflow).run_once
    if PEER in names:
        subjects["peer_latency_chain"] = rig.peer.run_once
    times: dict[str, list[float]] = {name: [] for name in subjects}
    for run_once in subjects.values():
        for _ in range(WARM_UP_RUNS):
            run_once()
    for _ in range(rig.options.pick(300, 25) // BLOCK):
        for name, run_once in subjects.items():
            # a workflow that is slow on this machine does without its p99
            if sum(times[name]) < LONGEST_S:
                times[name] += [run_once() for _ in range(BLOCK)]
    for name in subjects:
        rig.report.add(f"{name}_runs", len(times[name]), "runs")
        rig.report.add_times(name, times[name])


class Subject:
    """A workflow that is run again and again.

    Parameters:
        rig: the servers.
        workflow: its name.

    Attributes:
        execution: of the last run.
        posted_s: seconds until the last run's POST was answered.
    """

    def __init__(self, rig: Rig, workflow: str) -> None:
        self.tenant = rig.workflow(workflow)
        self._connection = rig.connection
        self._workflow = workflow
        self._fastest = 0.0
        self.execution = ""
        self.posted_s = 0.0

    def run_once(self) -> float:
        """Run it and give the seconds until it was seen completed."""
        started = time.perf_counter()
        self.execution = self._connection.execute(self.tenant, self._workflow)
        self.posted_s = time.perf_counter() - started
        time.sleep(max(self._fastest * ASLEEP - self.posted_s, 0))
        self._connection.wait_for(self.tenant, self.execution, POLL_S)
        took = time.perf_counter() - started
        self._fastest = min(self._fastest or took, took)
        return took
