"""Which process is a home's server, and its end from outside."""

import os
import signal
from pathlib import Path

import pytest

from cli.pid_file import PID_FILE, ServerNotRunning, held_pid_file, stop_server
from cloacina.errors import ConfigurationError, Unavailable
from tests.cloacina.embedded.owners import owner

HOLD = """
import signal, sys
from pathlib import Path
from cli.pid_file import held_pid_file
if sys.argv[2] == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
with held_pid_file(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_the_file_holds_our_id_and_goes_with_us(tmp_path: Path) -> None:
    with held_pid_file(tmp_path) as was_killed:
        assert (tmp_path / PID_FILE).read_text() == f"{os.getpid()}\n"
        assert not was_killed
    assert not (tmp_path / PID_FILE).exists()


def test_a_second_server_is_told_of_the_first(tmp_path: Path) -> None:
    with owner(HOLD, tmp_path, "") as (process, _):
        told = rf"already \(pid {process.pid}\)"
        with pytest.raises(ConfigurationError, match=told), held_pid_file(tmp_path):
            pytest.fail("two servers")
        assert (tmp_path / PID_FILE).read_text() == f"{process.pid}\n"


def test_the_file_of_a_killed_server_keeps_nobody_from_starting(tmp_path: Path) -> None:
    with owner(HOLD, tmp_path, "") as (process, _):
        process.kill()
        process.wait()
    assert (tmp_path / PID_FILE).exists()
    with pytest.raises(ServerNotRunning, match="left by a dead one"):
        stop_server(tmp_path, force=False, deadline_s=1)
    with held_pid_file(tmp_path) as was_killed:
        assert was_killed


def test_there_is_nothing_to_stop_in_a_home_without_a_server(tmp_path: Path) -> None:
    with pytest.raises(ServerNotRunning, match="there is no"):
        stop_server(tmp_path, force=False, deadline_s=1)


@pytest.mark.parametrize(("force", "number"), [(False, signal.SIGTERM), (True, signal.SIGKILL)])
def test_stopping_waits_for_the_servers_end(
    tmp_path: Path, force: bool, number: signal.Signals
) -> None:
    with owner(HOLD, tmp_path, "") as (process, _):
        assert stop_server(tmp_path, force=force, deadline_s=10) == process.pid
        assert process.wait(10) == -number


def test_a_server_that_does_not_end_in_time_is_named(tmp_path: Path) -> None:
    told = "still waits for running tasks.*--force kills it"
    with owner(HOLD, tmp_path, "stubborn"), pytest.raises(Unavailable, match=told):
        stop_server(tmp_path, force=False, deadline_s=0.2)


def test_a_file_that_is_held_but_empty_signals_nobody(tmp_path: Path) -> None:
    with held_pid_file(tmp_path):
        (tmp_path / PID_FILE).write_text("")
        with pytest.raises(Unavailable, match="did not write its id"):
            stop_server(tmp_path, force=True, deadline_s=1)
