"""The whole server as one process starts it: embedded servers, API, worker, scheduler."""

import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from cloacina.embedded import EmbeddedPostgres, ports, temporary_data_root
from cloacina.processes import wait_until
from tests.cloacina.embedded.owners import is_running, wait_gone

DEADLINE_S = 60.0


@dataclass
class Running:
    """A service process that was started in the foreground."""

    home: Path
    address: str
    process: subprocess.Popen[bytes]

    def log(self) -> str:
        return (self.home / "log").read_text()

    def wait_for(self, condition: Callable[[], bool], what: str) -> None:
        def met() -> bool:
            assert self.process.poll() is None, self.log()
            return condition()

        assert wait_until(met, DEADLINE_S, 0.05), f"{what}\n{self.log()}"

    def wait_for_log(self, text: str) -> None:
        self.wait_for(lambda: text in self.log(), text)

    def status(self, path: str) -> int:
        try:
            with urllib.request.urlopen(f"http://{self.address}{path}", timeout=10) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            with error:
                return error.code
        except OSError:
            return 0

    def started(self) -> dict[int, str]:
        """Everything below the process: command line by process id."""
        listing = subprocess.run(
            ["ps", "-A", "-ww", "-o", "pid=,ppid=,args="], check=True, capture_output=True
        )
        rows = [line.split(None, 2) for line in listing.stdout.decode().splitlines()]
        found: dict[int, str] = {self.process.pid: ""}
        for pid, parent, *args in rows:
            if int(parent) in found:
                found[int(pid)] = "".join(args)
        del found[self.process.pid]
        return found

    def part(self, words: str) -> int:
        """The process that the supervisor itself started with these words."""
        return min(pid for pid, args in self.started().items() if words in args)


@contextmanager
def service(home: Path, *words: str, **environ: str) -> Iterator[Running]:
    address = f"127.0.0.1:{ports.choose('127.0.0.1')}"
    variables = {"PATH": os.defpath, "CLOACINA_HOME": str(home), "CLOACINA_BIND": address}
    home.mkdir(exist_ok=True)
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "cli", *words], stderr=log, env=variables | environ
        )
    running = Running(home, address, process)
    try:
        yield running
    finally:
        process.terminate()
        try:
            process.wait(DEADLINE_S)
        finally:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    with temporary_data_root() as root:
        yield root


@pytest.fixture(scope="module")
def server(home: Path) -> Iterator[Running]:
    with service(home, "server", "start") as running:
        running.wait_for_log("ready: http")
        running.wait_for(lambda: "workers.scheduler" in str(running.started()), "scheduler")
        yield running


def test_it_says_when_it_is_ready_and_where_its_key_lies(server: Running) -> None:
    assert server.status("/ready") == 200
    key = server.home / "bootstrap-key"
    assert f"ready: http://{server.address}; the bootstrap key lies in {key}\n" in server.log()
    assert key.read_text().strip() not in server.log()
    assert (server.home / "server.pid").read_text() == f"{server.process.pid}\n"


def test_no_secret_stands_in_a_command_line(server: Running) -> None:
    passwords = [path.read_text() for path in server.home.glob("data/*/*-password")]
    assert len(passwords) == 3
    shown = "\n".join(server.started().values())
    assert not any(secret in shown for secret in passwords)


@pytest.mark.parametrize(
    "words", ["valkey-server", "/postgres -D", "-m gunicorn", "-m workers.scheduler"]
)
def test_a_part_that_is_killed_comes_back(server: Running, words: str) -> None:
    killed = server.part(words)
    os.kill(killed, signal.SIGKILL)
    wait_gone(killed)

    def is_back() -> bool:
        return any(words in args for args in server.started().values())

    server.wait_for(is_back, words)
    server.wait_for(lambda: server.status("/ready") == 200, "/ready")


def test_stop_ends_all_of_it_within_ten_seconds(server: Running) -> None:
    pids = [*server.started(), server.process.pid]
    done = subprocess.run(
        [sys.executable, "-m", "cli", "server", "stop", "--home", str(server.home)],
        check=False,
        capture_output=True,
        text=True,
        timeout=10,
    )
    assert done.stdout == f"server stopped (pid {server.process.pid})\n", done.stderr
    assert server.process.wait(10) == 0
    assert not any(is_running(pid) for pid in pids)
    assert not (server.home / "server.pid").exists()


def test_nothing_outlives_a_killed_server_and_the_next_one_goes_on(home: Path) -> None:
    key = (home / "bootstrap-key").read_text()
    with service(home, "server", "start") as first:
        first.wait_for(lambda: "-m workers.scheduler" in str(first.started()), "scheduler")
        pids = first.started()
        first.process.kill()
        wait_gone(*pids)
    with service(home, "server", "start") as second:
        second.wait_for_log("ready: http")
        assert (home / "bootstrap-key").read_text() == key


def test_a_database_that_is_down_at_start_is_waited_for(home: Path) -> None:
    with temporary_data_root() as root:
        postgres = EmbeddedPostgres(root)
        with postgres:
            url = postgres.url
        words = ("server", "start", "--workers", "0", "--database-url", url)
        with service(root / "home", *words) as running:
            running.wait_for_log("preparing the database ended (exit code 1)")
            running.wait_for(lambda: running.status("/health") == 200, "/health")
            assert running.status("/ready") == 503
            with postgres:
                running.wait_for_log("ready: http")
                assert not any("workers" in args for args in running.started().values())


def test_a_worker_and_a_scheduler_run_alone_against_servers_elsewhere(
    empty_database_url: str, broker_url: str
) -> None:
    urls = {"CLOACINA_DATABASE_URL": empty_database_url, "CLOACINA_BROKER_URL": broker_url}
    with temporary_data_root() as root:
        migrate = [sys.executable, "-m", "cli", "admin", "migrate"]
        environ = {"PATH": os.defpath, "CLOACINA_HOME": str(root / "home"), **urls}
        subprocess.run(migrate, check=True, env=environ)
        worker_words = ("worker", "start", "--concurrency", "1", "--tenant", "public")
        with (
            service(root / "one", *worker_words, **urls) as worker,
            service(root / "two", "scheduler", "start", **urls) as scheduler,
        ):
            worker.wait_for_log("takes up the queue tenant.public")
            scheduler.wait_for_log("the scheduler runs")
            for running in (worker, scheduler):
                pids = running.started()
                assert pids
                running.process.terminate()
                assert running.process.wait(10) == 0
                assert not any(is_running(pid) for pid in pids)
