"""The workers of tenants' own that come and go, with shell scripts in their place."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.crew import Crew
from cloacina.processes import spawn, wait_until
from tests.cloacina.embedded.owners import DEADLINE_S, is_running

FOREVER = "echo $$ >> pids-$TENANT; exec sleep 600"
STUBBORN = "trap '' TERM; echo $$ >> pids-$TENANT; while :; do sleep 0.05; done"
SLOW = "trap 'sleep 0.3; exit 0' TERM; echo $$ >> pids-$TENANT; while :; do sleep 0.05; done"


class Watched:
    """A crew in a folder, whose scripts write their process ids there."""

    def __init__(self, folder: Path, script: str, grace_s: float) -> None:
        self.folder = folder
        self.script = script
        self.file = folder / "fleet.json"
        self.crew = Crew(self.file, self.launch, grace_s)

    def launch(self, tenant: str) -> subprocess.Popen[bytes]:
        return spawn(
            ["/bin/sh", "-c", self.script],
            death_signal=signal.SIGKILL,
            environ={"PATH": os.defpath, "TENANT": tenant},
            cwd=self.folder,
        )

    def want(self, *rows: tuple[str, int, str]) -> None:
        new = self.file.with_suffix(".new")
        new.write_text(json.dumps(rows))
        new.replace(self.file)

    def pids(self, tenant: str) -> list[int]:
        file = self.folder / f"pids-{tenant}"
        return [int(line) for line in file.read_text().splitlines()] if file.exists() else []

    def running(self, tenant: str) -> list[int]:
        return [pid for pid in self.pids(tenant) if is_running(pid)]

    def wait_for_running(self, **counts: int) -> None:
        def is_so() -> bool:
            assert 0 <= self.crew.look_after() <= 1
            return all(len(self.running(name)) == count for name, count in counts.items())

        assert wait_until(is_so, DEADLINE_S)


@pytest.fixture
def watched(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Watched]:
    script, grace_s = getattr(request, "param", (FOREVER, DEADLINE_S))
    watched = Watched(tmp_path, script, grace_s)
    yield watched
    watched.crew.kill()
    assert watched.crew.has_ended()


def test_workers_are_started_and_stopped_as_the_file_says(watched: Watched) -> None:
    watched.wait_for_running(acme=0)
    watched.want(("1", 1, "acme"), ("1", 2, "acme"), ("2", 1, "globex"))
    watched.wait_for_running(acme=2, globex=1)
    before = watched.running("acme")
    watched.want(("1", 2, "acme"))
    watched.wait_for_running(acme=1, globex=0)
    assert set(watched.running("acme")) < set(before)
    watched.want()
    watched.wait_for_running(acme=0)
    assert watched.crew.has_ended()


def test_a_worker_that_crashes_is_started_again(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    watched.want(("1", 1, "acme"))
    watched.wait_for_running(acme=1)
    os.kill(watched.running("acme")[0], signal.SIGKILL)
    wait_until(lambda: not watched.running("acme"), DEADLINE_S)
    watched.wait_for_running(acme=1)
    assert len(watched.pids("acme")) == 2
    assert "worker 1 of tenant acme ended (killed by SIGKILL)" in caplog.text


def test_a_tenant_of_an_old_name_gets_workers_anew(watched: Watched) -> None:
    watched.want(("1", 1, "acme"))
    watched.wait_for_running(acme=1)
    old = watched.running("acme")
    watched.want(("2", 1, "acme"))
    watched.wait_for_running(acme=1)
    assert watched.running("acme") != old


@pytest.mark.parametrize("text", ["", "[", '[["1", 1]]', "{}}", "7", "null", '[[["1"], 1, "x"]]'])
def test_a_file_that_cannot_be_read_changes_nothing(watched: Watched, text: str) -> None:
    watched.want(("1", 1, "acme"))
    watched.wait_for_running(acme=1)
    watched.file.write_text(text)
    watched.wait_for_running(acme=1)
    watched.file.unlink()
    watched.wait_for_running(acme=1)
    assert len(watched.pids("acme")) == 1


@pytest.mark.parametrize("watched", [(SLOW, DEADLINE_S)], indirect=True)
def test_a_worker_that_ends_in_its_own_time_is_waited_for(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    watched.want(("1", 1, "acme"))
    watched.wait_for_running(acme=1)
    watched.want()
    watched.crew.look_after()
    assert len(watched.running("acme")) == 1
    assert not watched.crew.has_ended()
    # asked for anew, it is another one
    watched.want(("1", 1, "acme"))
    watched.wait_for_running(acme=2)
    watched.wait_for_running(acme=1)
    watched.crew.ask_to_stop()
    assert wait_until(watched.crew.has_ended, DEADLINE_S)
    assert "killing" not in caplog.text


@pytest.mark.parametrize("watched", [(STUBBORN, 0.1)], indirect=True)
def test_a_worker_that_does_not_end_is_killed_after_its_grace(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    watched.want(("1", 1, "acme"))
    watched.wait_for_running(acme=1)
    watched.want()
    watched.wait_for_running(acme=0)
    assert "killing worker 1 of tenant acme" in caplog.text
