"""Starting, stopping, starting again; and what happens when somebody is killed."""

import os
import signal
import socket
import threading
from pathlib import Path

import psycopg
import pytest

from cloacina.embedded import EmbeddedPostgres, EmbeddedValkey
from cloacina.embedded.errors import AlreadyRunning, EmbeddedServerFailed
from cloacina.embedded.server import EmbeddedServer
from cloacina.errors import ConfigurationError
from cloacina.processes import wait_until
from tests.cloacina.embedded.owners import DEADLINE_S, is_running, owner, wait_gone

BOTH = pytest.mark.parametrize("kind", [EmbeddedPostgres, EmbeddedValkey])
START_BOTH = """
import sys
from pathlib import Path
from cloacina.embedded import EmbeddedPostgres, EmbeddedValkey
with EmbeddedPostgres(Path(sys.argv[1])) as one, EmbeddedValkey(Path(sys.argv[1])) as two:
    print(one.process.pid, two.process.pid, flush=True)
    sys.stdin.read()
"""


def answers(url: str) -> bool:
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError:
        return False
    return True


def test_data_url_and_port_survive_a_restart(data_root: Path) -> None:
    with EmbeddedPostgres(data_root) as server, psycopg.connect(server.url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        url = server.url
    with EmbeddedPostgres(data_root) as server, psycopg.connect(server.url) as connection:
        assert server.url == url
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)


@BOTH
def test_stopping_leaves_nothing_running(kind: type[EmbeddedServer], data_root: Path) -> None:
    server = kind(data_root)
    server.start()
    assert server.process is not None
    pid = server.process.pid
    server.stop()
    assert not is_running(pid)
    server.stop()


def test_another_port_is_chosen_when_somebody_took_the_old_one(data_root: Path) -> None:
    with EmbeddedValkey(data_root) as server:
        port = server.port
    with socket.create_server(("127.0.0.1", port)), EmbeddedValkey(data_root) as server:
        assert server.port != port


@BOTH
def test_a_second_start_of_the_same_folder_is_refused(
    kind: type[EmbeddedServer], data_root: Path
) -> None:
    with owner(START_BOTH, data_root) as (process, line):
        assert line
        with pytest.raises(AlreadyRunning, match="already running"):
            kind(data_root).start()
        assert process.poll() is None


def test_a_killed_owner_leaves_nothing_and_the_next_finds_its_data(data_root: Path) -> None:
    with owner(START_BOTH, data_root) as (process, line):
        pids = [int(pid) for pid in line.split()]
        process.kill()
        wait_gone(*pids)
    with EmbeddedPostgres(data_root) as server:
        assert answers(server.url)


def test_a_start_waits_for_the_servers_of_an_owner_who_was_just_killed(data_root: Path) -> None:
    with owner(START_BOTH, data_root) as (process, line):
        process.kill()
        process.wait()
        with EmbeddedPostgres(data_root), EmbeddedValkey(data_root):
            assert not any(is_running(int(pid)) for pid in line.split())


@BOTH
def test_a_server_that_was_killed_can_be_launched_again(
    kind: type[EmbeddedServer], data_root: Path
) -> None:
    with kind(data_root) as server:
        port = server.port
        assert server.process is not None
        server.process.kill()
        server.process.wait()

        def launched_again() -> bool:
            if server.process is None or server.process.poll() is not None:
                server.launch()
            return server._answers()

        assert wait_until(launched_again, DEADLINE_S)
        assert server.port == port


def test_an_interrupted_set_up_begins_anew(data_root: Path) -> None:
    half = data_root / "postgres" / "data.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18")
    with EmbeddedPostgres(data_root) as server:
        assert answers(server.url)
        assert not half.exists()


def test_data_of_another_version_is_refused_untouched(data_root: Path) -> None:
    with EmbeddedPostgres(data_root) as server:
        version = server.folder.data / "PG_VERSION"
    version.write_text("12\n")
    with pytest.raises(ConfigurationError, match=r"made by PostgreSQL 12, and this is PostgreSQL"):
        EmbeddedPostgres(data_root).start()
    version.write_text("18\n")
    with EmbeddedPostgres(data_root) as server:
        assert answers(server.url)


def test_data_whose_password_is_gone_is_refused(data_root: Path) -> None:
    with EmbeddedPostgres(data_root) as server:
        file = server.folder.path / "service-password"
    file.unlink()
    with pytest.raises(ConfigurationError, match=r"service-password is missing"):
        EmbeddedPostgres(data_root).start()


def test_a_start_that_fails_quotes_the_log_and_leaves_nothing(data_root: Path) -> None:
    with EmbeddedPostgres(data_root) as server:
        data = server.folder.data
    (data / "global" / "pg_control").unlink()
    server = EmbeddedPostgres(data_root)
    with pytest.raises(EmbeddedServerFailed, match=r"(?s)ended with code.*could not find the data"):
        server.start()
    assert server.process is None
    with pytest.raises(RuntimeError, match="not started"):
        assert server.url


def test_a_thread_may_not_start_servers_because_they_would_end_with_it(data_root: Path) -> None:
    caught: list[BaseException] = []

    def start() -> None:
        try:
            EmbeddedValkey(data_root).start()
        except RuntimeError as error:
            caught.append(error)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert "main thread" in str(caught[0])


def test_the_watchdog_signals_a_process_whose_owner_was_killed() -> None:
    script = """
import signal, subprocess, sys
from cloacina.processes import watch
process = subprocess.Popen(["sleep", "600"])
watch(process.pid, signal.SIGTERM)
print(process.pid, flush=True)
sys.stdin.read()
"""
    with owner(script) as (process, line):
        sleeper = int(line)
        process.kill()
        try:
            wait_gone(sleeper)
        finally:
            if is_running(sleeper):
                os.kill(sleeper, signal.SIGKILL)
