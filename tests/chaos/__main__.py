"""Runs the chaos test: `python -m tests.chaos --seed N --seconds 180 [--keep] [--short]`."""

import argparse
import secrets
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos import kin
from tests.chaos.checks import violations
from tests.chaos.report import figures, verdict
from tests.chaos.run import Form, Run

_LONG_S, _SHORT_S = 180.0, 12.0
_SHORT_SCALE = 0.2


def main() -> int:
    """Run the test; 1 when something is as it must not be."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000))
    parser.add_argument("--seconds", type=float, help="of the storm")
    parser.add_argument("--rate", type=float, default=1.5, help="executions a second")
    parser.add_argument("--short", action="store_true", help="few disturbances, each soon over")
    parser.add_argument("--keep", action="store_true", help="keep the folder of data and logs")
    given = parser.parse_args()
    if sys.platform != "linux":
        sys.exit("the chaos test reads /proc: it needs Linux")
    print(f"seed {given.seed}", flush=True)
    seconds = given.seconds or (_SHORT_S if given.short else _LONG_S)
    form = Form(seconds, rate=given.rate)
    if given.short:
        form = Form(seconds, given.rate, killers=0, scale=_SHORT_SCALE, short=True)
    folder = Path(tempfile.mkdtemp(prefix="cloacina-chaos-"))
    # root's embedded servers run as another user, who has to pass through
    folder.chmod(0o711)
    kin.adopt_orphans()
    began = time.monotonic()
    keep = True
    try:
        evidence = Run(given.seed, form, folder).run()
        found = violations(evidence)
        print("\n".join(figures(evidence)))
        print("\n".join(verdict(found)))
        print(f"seed {given.seed}, {time.monotonic() - began:.0f} s in all", flush=True)
        keep = given.keep or bool(found)
    finally:
        if keep:
            print(f"data and logs are kept in {folder}", flush=True)
        else:
            shutil.rmtree(folder)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
