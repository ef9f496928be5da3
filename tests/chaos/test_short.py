"""The chaos test in its short form, on real processes. `make chaos` runs the long one."""

import subprocess
import sys
from pathlib import Path

import pytest

SEED = 20
DEADLINE_S = 300


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_short_storm_loses_nothing_and_runs_nothing_twice() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.chaos", "--short", "--seed", str(SEED)],
        cwd=Path(__file__).parents[2],
        check=False,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
    )
    print(done.stdout)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
