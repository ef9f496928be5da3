"""Two whole servers on one database, as on two machines, and the workers of tenants' own."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests

from cloacina.processes import wait_until
from tests.cli.test_supervisor_tasks import begun, make_package
from tests.cli.test_supervisor_whole import DEADLINE_S, Running, service
from tests.cloacina.embedded.owners import is_running

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

START = ("server", "start", "--workers", "1")
RAISE_AFTER_S = 1


class Operator:
    """Somebody with the bootstrap key, at one of the servers."""

    def __init__(self, server: Running, key: Path) -> None:
        self.server = server
        self.key = key

    def does(self, *words: str) -> str:
        """Run a command and give what it prints."""
        flags = ("--server", f"http://{self.server.address}", "--api-key", f"file:{self.key}")
        done = subprocess.run(
            [sys.executable, "-m", "cli", "--home", str(self.server.home), *flags, *words],
            check=True,
            capture_output=True,
            text=True,
            env={"PYTHONPATH": str(Path(__file__).parents[2])},
            timeout=60,
        )
        return done.stdout.strip()

    def fleet(self, tenant: str) -> dict[str, int]:
        """Give what the server says of a tenant's own workers."""
        found: dict[str, int] = requests.get(
            f"http://{self.server.address}/v1/tenants/{tenant}/fleet",
            headers={"Authorization": f"Bearer {self.key.read_text().strip()}"},
            timeout=10,
        ).json()
        return found

    def wait_for_fleet(self, tenant: str, **wanted: int) -> None:
        """Wait until the server says so of a tenant's own workers."""
        found: dict[str, int] = {}

        def is_so() -> bool:
            found.update(self.fleet(tenant))
            return wanted.items() <= found.items()

        assert wait_until(is_so, DEADLINE_S, 0.1), f"{found}\n{self.server.log()}"


def own_workers(server: Running, tenant: str) -> list[int]:
    """Give the processes that a supervisor itself runs for a tenant."""
    variable = f"CLOACINA_WORKER_TENANTS={tenant}".encode()
    found = []
    for pid in server.started():
        try:
            environ = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if variable in environ and int(parent) == server.process.pid:
            found.append(pid)
    return found


@pytest.fixture(scope="module")
def servers(
    empty_database_url: str, broker_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Running, Running]]:
    """Two servers with a shared worker of one slot each."""
    environ = {
        "CLOACINA_DATABASE_URL": empty_database_url,
        "CLOACINA_BROKER_URL": broker_url,
        "CLOACINA_CONCURRENCY": "1",
        "CLOACINA_FLEET_RAISE_AFTER_S": str(RAISE_AFTER_S),
    }
    with ExitStack() as stack:
        one, other = (
            stack.enter_context(service(tmp_path_factory.mktemp(name), *START, **environ))
            for name in ("one", "other")
        )
        for server in (one, other):
            server.wait_for_log("ready: http")
        yield one, other


@pytest.fixture(scope="module")
def operators(servers: tuple[Running, Running]) -> tuple[Operator, Operator]:
    """An operator at each; which server has made the key is the first one's luck."""
    keys = [server.home / "bootstrap-key" for server in servers]
    (key,) = [key for key in keys if key.exists()]
    return Operator(servers[0], key), Operator(servers[1], key)


def test_a_task_that_waits_behind_long_ones_brings_a_worker(
    operators: tuple[Operator, Operator], tmp_path: Path
) -> None:
    operator = operators[0]
    tmp_path.chmod(0o777)
    operator.does("package", "upload", str(make_package(tmp_path)), "--wait")
    # of the two shared slots a tenant may use one; a worker of its own is one more
    for _ in range(2):
        operator.does("workflow", "run", "waits", "--param", f"folder={tmp_path}")
    assert wait_until(lambda: begun(tmp_path) == 2, DEADLINE_S), operator.server.log()
    shown = operator.fleet("public")
    assert (shown["desired_count"], shown["raised_count"] > 0) == (0, True)
    (tmp_path / "go").touch()


def test_each_worker_is_run_by_one_machine_and_by_another_when_that_one_dies(
    servers: tuple[Running, Running], operators: tuple[Operator, Operator]
) -> None:
    one, other = servers
    operators[0].does("tenant", "create", "acme_fleet")
    operators[0].does("--tenant", "acme_fleet", "fleet", "provision", "--count", "2")
    operators[0].wait_for_fleet("acme_fleet", desired_count=2, actual_count=2)
    assert len(own_workers(one, "acme_fleet")) + len(own_workers(other, "acme_fleet")) == 2

    pids = own_workers(one, "acme_fleet")
    one.process.kill()
    one.process.wait()
    assert wait_until(lambda: not any(is_running(pid) for pid in pids), DEADLINE_S)
    assert wait_until(lambda: len(own_workers(other, "acme_fleet")) == 2, DEADLINE_S)
    operators[1].wait_for_fleet("acme_fleet", actual_count=2)

    operators[1].does("tenant", "delete", "acme_fleet", "--force")
    assert wait_until(lambda: not own_workers(other, "acme_fleet"), DEADLINE_S)
    assert "killing" not in other.log()


def test_the_worker_that_was_brought_goes_again_when_nothing_waits(
    operators: tuple[Operator, Operator],
) -> None:
    # it was the first test's; calm takes its time
    operators[1].wait_for_fleet("public", raised_count=0, actual_count=0)
