"""Runs the measurements: `python -m bench [--quick] [--only NAME …] [--json PATH]`."""

import argparse
import time
from pathlib import Path

from bench.facts import facts
from bench.measurements import (
    fairness,
    fan_out,
    idle,
    latency,
    many_tenants,
    recovery,
    schemas,
    stages,
    throughput,
)
from bench.report import Report
from bench.rig import Options, Rig

# in the order in which they run: what wants an idle server comes before what fills its tables
NAMES = (
    *("start", "memory", "tenant_create", "latency", "throughput_1", "throughput_50", "peer"),
    *("stages", "fan_out_1000", "recovery", "fairness_short", "fairness_long", "fairness_50"),
    *("tenants_1000", "schemas_2000"),
)
RESULTS = Path(__file__).with_name("results.json")


def main() -> None:
    """Measure what was asked for, print it and write it."""
    arguments = _parser().parse_args()
    known = facts()
    report = Report()
    rig = Rig(Options(arguments.quick, arguments.workers, arguments.slots), report)
    began = time.monotonic()
    try:
        measure(rig, arguments.only or NAMES)
    finally:
        # also when it was broken off: what was measured until then is worth its time
        report.show_targets()
        known |= {
            "quick": arguments.quick,
            "workers": arguments.workers,
            "slots": arguments.slots,
            "took_s": round(time.monotonic() - began, 1),
        }
        report.write(arguments.json, known)
        print(f"\nwritten to {arguments.json}", flush=True)
        rig.close()


def measure(rig: Rig, names: tuple[str, ...] | list[str]) -> None:
    """Run the measurements of these names."""
    if "start" in names:
        idle.measure_start(rig)
    if "memory" in names:
        idle.measure_memory(rig)
    if "tenant_create" in names:
        idle.measure_tenant_create(rig)
    if timed := [name for name in (latency.LATENCY, latency.PEER) if name in names]:
        latency.measure(rig, timed)
    # the peer between the two: each of ours has it as a neighbour
    loads = (throughput.ONE, throughput.PEER, throughput.FIFTY)
    if loaded := [name for name in loads if name in names]:
        throughput.measure(rig, loaded)
    if "stages" in names:
        stages.measure(rig)
    if "fan_out_1000" in names:
        fan_out.measure(rig)
    if "recovery" in names:
        recovery.measure(rig)
    if flooded := [
        name for name in (fairness.SHORT, fairness.LONG, fairness.FIFTY) if name in names
    ]:
        fairness.measure(rig, flooded)
    if "tenants_1000" in names:
        many_tenants.measure(rig)
    if "schemas_2000" in names:
        schemas.measure(rig)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter runs, for a look")
    parser.add_argument(
        "--only", nargs="+", choices=NAMES, metavar="NAME", help=f"of {', '.join(NAMES)}"
    )
    parser.add_argument("--json", type=Path, default=RESULTS, metavar="PATH", help="[%(default)s]")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="[%(default)s]")
    parser.add_argument(
        "--slots", type=int, default=4, metavar="N", help="tasks at once in a worker [%(default)s]"
    )
    return parser


if __name__ == "__main__":
    main()
