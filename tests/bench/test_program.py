"""The program as a whole, in its smallest form."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bench", *arguments],
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_it_starts_a_server_measures_and_writes_what_it_found(tmp_path: Path) -> None:
    results = tmp_path / "results.json"

    done = run("--quick", "--only", "tenant_create", "--slots", "1", "--json", str(results))

    assert done.returncode == 0, done.stderr
    found = json.loads(results.read_text())
    assert found["figures"]["tenant_create_p50"]["unit"] == "ms"
    assert [row["figure"] for row in found["targets"]] == ["tenant_create_p50"]
    assert (found["quick"], found["workers"], found["slots"]) == (True, 1, 1)
    assert found["machine"]["cores"] >= 1
    assert found["libraries"]["celery"]
    assert "tenant_create_p50" in done.stdout


@pytest.mark.parametrize("arguments", [("--only", "nothing"), ("--slots", "many")])
def test_what_it_does_not_know_it_refuses(arguments: tuple[str, ...]) -> None:
    assert run(*arguments).returncode == 2
