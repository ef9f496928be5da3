"""deploy/healthcheck.py, where something is wrong; that it passes is shown by the services."""

import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import update

from cloacina.db import Database, after
from cloacina.embedded import ports
from cloacina.tenants.models import WakeupRow
from tests.deploy.compose import ROOT

Check = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def check(database: Database, empty_database_url: str, tmp_path: Path) -> Check:
    """Runs the check on a database without workers and schedulers."""

    def run(*words: str, url: str = empty_database_url) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, ROOT / "deploy" / "healthcheck.py", *words],
            check=False,
            capture_output=True,
            text=True,
            env={"CLOACINA_HOME": str(tmp_path), "CLOACINA_DATABASE_URL": url},
            timeout=60,
        )

    return run


def test_a_worker_that_does_not_report_for_duty_is_told(check: Check) -> None:
    done = check("worker")
    assert done.returncode == 1
    expected = f"no worker of {socket.gethostname()} has reported for duty in 8 s\n"
    assert done.stderr == expected


def test_a_tenant_that_no_scheduler_has_looked_after_is_told(
    check: Check, database: Database
) -> None:
    with database.platform() as session:
        session.execute(update(WakeupRow).values(due_at=after(-10)))
    assert check("scheduler").returncode == 0
    with database.platform() as session:
        session.execute(update(WakeupRow).values(due_at=after(-20)))
    done = check("scheduler")
    assert done.returncode == 1
    assert done.stderr == "tenant public has been due for more than 15 s\n"


def test_a_database_that_is_away_is_told_in_one_line(check: Check) -> None:
    done = check("worker", url=f"postgresql://a:secret@127.0.0.1:{ports.choose('127.0.0.1')}/a")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "secret" not in done.stderr


@pytest.mark.parametrize("words", [(), ("web",), ("worker", "scheduler")])
def test_it_says_what_it_can_check(check: Check, words: tuple[str, ...]) -> None:
    done = check(*words)
    assert done.returncode == 1
    assert done.stderr == "usage: healthcheck.py worker|scheduler\n"
