"""Times an idle server: from POST …/execute to Completed, for a workflow of three tasks.

    .venv/bin/python bench/latency.py [RUNS]

It starts a whole server with embedded PostgreSQL and Valkey in a temporary home, as a user would,
and asks over HTTP like any client. The clock stops when a poll, every 2 ms, first sees the end; so
a figure includes the poll that saw it.
"""

import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from cloacina.packages.pack import pack
from cloacina.packages.scaffold import create

CLOACINACTL = Path(sys.executable).with_name("cloacinactl")
BIND = "127.0.0.1:18080"
TENANTS = ["bench", *(f"other_{number}" for number in range(10))]
TENANT = f"http://{BIND}/v1/tenants/{TENANTS[0]}"
WARM_UP_RUNS = 30
POLL_S = 0.002
DEADLINE_S = 60.0


def main(runs: int) -> None:
    """Start a server, run the workflow again and again, and print the figures."""
    with tempfile.TemporaryDirectory(prefix="cloacina-bench-") as folder:
        home = Path(folder)
        # an embedded PostgreSQL started by root runs as another user, who must pass through here
        home.chmod(0o711)
        started = time.monotonic()
        with server(home), requests.Session() as session:
            print(f"server start to /ready   {time.monotonic() - started:8.2f} s")
            key = (home / "bootstrap-key").read_text().strip()
            session.headers["Authorization"] = f"Bearer {key}"
            created = [create_tenant(session, name) * 1000 for name in TENANTS]
            print(f"tenant create, first     {created[0]:8.1f} ms")
            print(f"tenant create, p50       {statistics.median(created):8.1f} ms")
            upload(session, home)
            for _ in range(WARM_UP_RUNS):
                run_once(session)
            times = sorted(run_once(session) * 1000 for _ in range(runs))
    print(f"3 tasks, POST to Completed, {runs} runs, idle server")
    for name, value in (
        ("p50", statistics.median(times)),
        ("p99", times[int(len(times) * 0.99)]),
        ("max", times[-1]),
    ):
        print(f"  {name}                    {value:8.1f} ms")


@contextmanager
def server(home: Path) -> Iterator[None]:
    """Run a server until the block ends."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith("CLOACINA_")}
    with (home / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [CLOACINACTL, "server", "start", "--home", home, "--bind", BIND],
            env=environ,
            stderr=log,
        )
    try:
        wait_until(is_ready)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def is_ready() -> bool:
    """Ask whether the server is ready."""
    try:
        return requests.get(f"http://{BIND}/ready", timeout=5).ok
    except requests.ConnectionError:
        return False


def create_tenant(session: requests.Session, name: str) -> float:
    """Create a tenant and give the seconds that it took."""
    started = time.perf_counter()
    url = f"http://{BIND}/v1/tenants"
    session.post(url, json={"name": name}, timeout=DEADLINE_S).raise_for_status()
    return time.perf_counter() - started


def upload(session: requests.Session, home: Path) -> None:
    """Upload the package that `package new` makes, which has three tasks in a chain."""
    archive = pack(create("bench", "workflow", home / "bench"), home)
    with archive.open("rb") as file:
        answer = session.post(f"{TENANT}/workflows", files={"file": file}, timeout=DEADLINE_S)
    answer.raise_for_status()
    url = f"{TENANT}/workflows/{answer.json()['package_id']}"
    wait_until(lambda: session.get(url, timeout=DEADLINE_S).json()["build_status"] == "success")


def run_once(session: requests.Session) -> float:
    """Run the workflow once and give the seconds until it was seen completed."""
    started = time.perf_counter()
    answer = session.post(f"{TENANT}/workflows/bench/execute", json={}, timeout=DEADLINE_S)
    answer.raise_for_status()
    url = f"{TENANT}/executions/{answer.json()['execution_id']}"
    wait_until(lambda: session.get(url, timeout=DEADLINE_S).json()["status"] == "Completed")
    return time.perf_counter() - started


def wait_until(condition: Callable[[], bool]) -> None:
    """Poll a condition until it holds, or give up after the deadline."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        if time.monotonic() > deadline:
            sys.exit("the server did not come to it in time; its log is gone with its home")
        time.sleep(POLL_S)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
