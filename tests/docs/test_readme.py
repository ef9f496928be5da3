"""The README's tour is taken from its first command to its last."""

import subprocess
import sys
from pathlib import Path

from cloacina.embedded.ports import choose
from tests.docs.conftest import README, ROOT
from tests.docs.runner import Runner

ELSEWHERE = {
    "make demo": "the test below runs what it runs once it has installed",
    "make test": "this is it",
    "pip install .": "tests/smoke_wheel.py installs into an environment of its own",
}


def test_the_readme_does_what_it_shows(home: Path, clone: Path) -> None:
    # the port may be taken here
    address = f"127.0.0.1:{choose('127.0.0.1')}"
    runner = Runner(
        home,
        clone,
        places={"127.0.0.1:8080": address},
        elsewhere=ELSEWHERE,
        environ={"CLOACINA_BIND": address},
    )
    with runner:
        runner.follow(README)


def test_the_demonstration_shows_two_tenants_apart() -> None:
    demo = [sys.executable, str(ROOT / "examples" / "demo.py")]
    done = subprocess.run(demo, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(" 1 row(s)") == 2
    assert done.stdout.count(" 0 row(s)") == 4
    assert done.stderr.count("This key does not belong to that tenant.") == 2
