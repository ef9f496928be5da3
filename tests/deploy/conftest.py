"""The services of docker-compose.yml, running, and a tenant who has them run a package."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from cloacina.embedded import EmbeddedPostgres
from cloacina.packages.pack import pack
from cloacina.processes import wait_until
from tests.deploy.compose import ROOT
from tests.deploy.stack import DEADLINE_S, Stack

# roles are the whole cluster's, which other tests use as well
TENANT = f"t_{uuid.uuid4().hex[:12]}"
WORKFLOW = "nightly-etl"


@pytest.fixture(scope="package")
def stack(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The services but the proxy, migrated and healthy."""
    stack = Stack(tmp_path_factory.mktemp("stack"), postgres)
    try:
        stack.start("valkey")
        for done in (stack.run_init_script(), stack.run("migrate")):
            assert done.returncode == 0, done.stderr
        for name in ("web", "worker", "scheduler", "flower"):
            stack.start(name)
        for name in ("web", "worker", "flower"):
            stack.wait_healthy(name)
        yield stack
    finally:
        stack.close()


@pytest.fixture(scope="package")
def admin_key(stack: Stack) -> str:
    """The key that the migration has left."""
    return (stack.home("migrate") / "bootstrap-key").read_text().strip()


class Tenant:
    """A tenant with a package.

    Parameters:
        stack: the services.
        key: presented with each request.
    """

    def __init__(self, stack: Stack, key: str) -> None:
        self._stack = stack
        self._headers = {"Authorization": f"Bearer {key}"}

    def ask(self, method: str, path: str, **request: Any) -> requests.Response:
        """Ask the API."""
        url = f"http://127.0.0.1:{self._stack.ports['api']}{path}"
        return requests.request(method, url, headers=self._headers, timeout=30, **request)

    def run(self) -> tuple[str, dict[str, Any]]:
        """Run the package's workflow to its end; give the execution's id and the API's answer."""
        path = f"/v1/tenants/{TENANT}"

        def start() -> str | None:
            answer = self.ask("POST", f"{path}/workflows/{WORKFLOW}/execute", json={})
            return answer.json()["execution_id"] if answer.status_code == 202 else None

        execution_id = wait_until(start, DEADLINE_S, 0.1)

        def end() -> dict[str, Any] | None:
            answer = self.ask("GET", f"{path}/executions/{execution_id}").json()
            return answer if answer["status"] not in {"Pending", "Running"} else None

        ended = wait_until(end, DEADLINE_S, 0.05) if execution_id else None
        assert execution_id, self._stack.log("worker")
        assert ended, self._stack.log("worker")
        return execution_id, ended


@pytest.fixture(scope="package")
def tenant(stack: Stack, admin_key: str, tmp_path_factory: pytest.TempPathFactory) -> Tenant:
    """A new tenant, who has uploaded an example."""
    tenant = Tenant(stack, admin_key)
    assert tenant.ask("POST", "/v1/tenants", json={"name": TENANT}).status_code == 201
    archive = pack(ROOT / "examples" / "acme-etl", tmp_path_factory.mktemp("package"))
    with archive.open("rb") as file:
        sent = tenant.ask("POST", f"/v1/tenants/{TENANT}/workflows", files={"file": file})
    assert sent.status_code == 201
    return tenant
