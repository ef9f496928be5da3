"""What `server start`, `worker start` and `scheduler start` refuse before anything runs."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from cli.server_parts import BOOTSTRAP_KEY_FILE, _absolute
from cloacina.lifecycle import installation
from tests.cli.test_supervisor_pid_file import HOLD
from tests.cloacina.embedded.owners import owner


def cloacinactl(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environ = {"PATH": "/usr/bin:/bin", "CLOACINA_HOME": str(home)}
    return subprocess.run(
        [sys.executable, "-m", "cli", *words],
        check=False,
        capture_output=True,
        text=True,
        env=environ,
        timeout=60,
    )


def test_a_port_in_use_is_told_before_anything_is_started(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        done = cloacinactl(tmp_path, "server", "start", "--bind", address)
    assert done.returncode == 1
    assert done.stderr == (
        f"Error: {address}: the port is in use by another program; choose another with --bind\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_an_address_that_is_not_ours_is_told(tmp_path: Path) -> None:
    done = cloacinactl(tmp_path, "server", "start", "--bind", "192.0.2.1:8080")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: 192.0.2.1:8080: cannot listen there: ")


def test_a_second_server_of_a_home_is_told_the_firsts_process_id(tmp_path: Path) -> None:
    with owner(HOLD, tmp_path, "") as (process, _):
        done = cloacinactl(tmp_path, "server", "start", "--bind", "127.0.0.1:0")
    assert done.returncode == 1
    assert f"already (pid {process.pid})" in done.stderr


def test_sqlite_takes_one_worker_process(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/db"
    done = cloacinactl(tmp_path, "server", "start", "--database-url", url, "--workers", "2")
    assert done.returncode == 1
    assert "SQLite serves one worker process" in done.stderr


@pytest.mark.parametrize("noun", ["worker", "scheduler"])
def test_a_part_alone_needs_both_urls(tmp_path: Path, noun: str) -> None:
    done = cloacinactl(tmp_path, noun, "start", "--broker-url", "redis://127.0.0.1:1/0")
    assert done.returncode == 1
    assert f"`{noun} start` needs --database-url" in done.stderr
    assert "embedded servers belong to `server start`" in done.stderr


@pytest.mark.parametrize("noun", ["worker", "scheduler"])
def test_a_part_alone_is_refused_with_sqlite(tmp_path: Path, noun: str) -> None:
    urls = ("--broker-url", "redis://127.0.0.1:1/0", "--database-url", "sqlite:///here.db")
    done = cloacinactl(tmp_path, noun, "start", *urls)
    assert done.returncode == 1
    assert f"`{noun} start` needs PostgreSQL" in done.stderr


def test_the_bootstrap_key_is_announced_where_it_is_written() -> None:
    assert BOOTSTRAP_KEY_FILE == installation.BOOTSTRAP_KEY_FILE


def test_a_relative_path_of_sqlite_is_meant_from_where_the_server_was_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert _absolute("sqlite:///here.db") == f"sqlite:///{tmp_path}/here.db"
    assert _absolute("sqlite:////there.db") == "sqlite:////there.db"
    assert _absolute("postgresql://host/db") == "postgresql://host/db"
