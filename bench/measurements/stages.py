"""Where the time of a 3-task workflow goes: stage by stage when idle, part by part under load."""

import statistics
import time

from bench.measurements import throughput
from bench.measurements.latency import WARM_UP_RUNS, Subject
from bench.rig import Rig
from bench.workflows import CHAIN


def measure(rig: Rig) -> None:
    """Split idle runs into stages, and a loaded run into CPU time by part."""
    rig.report.headline("stages: an idle 3-task workflow, medians; they follow each other")
    subject = Subject(rig, CHAIN)
    for _ in range(WARM_UP_RUNS):
        subject.run_once()
    runs = [_stages(rig, subject) for _ in range(rig.options.pick(100, 20))]
    for name in runs[0]:
        rig.report.add(f"stages_{name}", statistics.median(run[name] for run in runs) * 1000, "ms")
    if throughput.ONE not in rig.runs:
        rig.runs[throughput.ONE] = throughput.load_server(
            rig.server, [subject.tenant], rig.options.pick(10, 4)
        )
    rig.report.headline("stages: CPU under load with one tenant, by part")
    rig.report.add_parts("stages_cpu", rig.runs[throughput.ONE].cpu_ms, "ms/workflow")


def _stages(rig: Rig, subject: Subject) -> dict[str, float]:
    """Run the workflow once and give the seconds of each stage.

    The server's clock is ours: its events can be set beside the client's times.
    """
    began = time.time()
    took = subject.run_once()
    events = rig.connection.events(subject.tenant, subject.execution)
    at = {
        kind: [event["at"] for event in events if event["event_type"] == kind]
        for kind in ("workflow_started", "task_started", "task_completed", "workflow_completed")
    }
    started, completed = at["task_started"], at["task_completed"]
    return {
        # request, authorization, insertion of execution and tasks
        "accept": at["workflow_started"][0] - began,
        # commit, hint, queue, worker, claim
        "queue_and_claim": started[0] - at["workflow_started"][0],
        # commit of the claim, the child, the outcome's transaction up to its event
        "three_tasks": sum(end - start for start, end in zip(started, completed, strict=True)),
        # readiness and claim of the next, twice, in the outcome's transaction
        "claims_between": sum(
            start - end for end, start in zip(completed, started[1:], strict=False)
        ),
        "end": at["workflow_completed"][0] - completed[-1],
        # the last commit, and the client's question
        "seen": began + took - at["workflow_completed"][0],
        "whole": took,
        # how long the client's POST took, which overlaps the queue
        "post_answered": subject.posted_s,
    }
