"""Flower shows the tenants' queues and what became of their hints, and changes nothing."""

from typing import Any

import pytest
import requests

from cloacina.dispatch import RUN
from cloacina.processes import wait_until
from tests.deploy.conftest import TENANT, Tenant
from tests.deploy.stack import DEADLINE_S, Stack


class Flower:
    """A person with a browser."""

    def __init__(self, stack: Stack) -> None:
        self.url = f"http://127.0.0.1:{stack.ports['flower']}/flower"
        user, _, password = stack.variables["FLOWER_BASIC_AUTH"].partition(":")
        self.auth = (user, password)

    def get(self, path: str) -> requests.Response:
        return requests.get(self.url + path, auth=self.auth, timeout=10)

    def post(self, path: str, **body: Any) -> requests.Response:
        return requests.post(self.url + path, auth=self.auth, json=body, timeout=10)

    def api(self, path: str) -> Any:
        answer = self.get(f"/api/{path}")
        return answer.json() if answer.ok else None


@pytest.fixture
def flower(stack: Stack) -> Flower:
    """Flower, as somebody who knows its password."""
    return Flower(stack)


def queues(flower: Flower) -> dict[str, set[str]]:
    """Have Flower ask the workers, until one consumes the tenant's queue; queues by worker."""

    def consumed() -> dict[str, set[str]] | None:
        found = flower.api("workers?refresh=1") or {}
        names = {
            worker: {queue["name"] for queue in one.get("active_queues", ())}
            for worker, one in found.items()
        }
        return names if any(f"tenant.{TENANT}" in one for one in names.values()) else None

    return wait_until(consumed, DEADLINE_S, 0.2) or {}


def test_a_worker_consumes_the_queues_of_all_tenants(flower: Flower, tenant: Tenant) -> None:
    shared = {f"tenant.{TENANT}", "tenant.public"}
    (of_worker,) = (names - shared for names in queues(flower).values() if names >= shared)
    # and one of its own, for tasks that have waited at it
    assert [name.partition(".")[0] for name in of_worker] == ["worker"]


def test_the_tenants_queue_is_shown_with_its_length(flower: Flower, tenant: Tenant) -> None:
    assert queues(flower)
    lengths = {one["name"]: one["messages"] for one in flower.api("queues/length")["active_queues"]}
    assert lengths[f"tenant.{TENANT}"] == 0


def test_an_executions_hint_is_shown_as_done(flower: Flower, tenant: Tenant) -> None:
    execution_id, _ = tenant.run()

    def done() -> list[dict[str, Any]]:
        tasks = flower.api(f"tasks?state=SUCCESS&taskname={RUN}") or {}
        return [task for task in tasks.values() if execution_id in str(task["args"])]

    found = wait_until(done, DEADLINE_S, 0.2)
    assert found, flower.api("tasks")
    assert (found[0]["name"], found[0]["state"]) == (RUN, "SUCCESS")


def test_the_brokers_password_is_not_shown(stack: Stack, flower: Flower, tenant: Tenant) -> None:
    assert queues(flower)
    shown = flower.get("/api/workers").text + flower.get("/broker").text
    assert "redis" in shown
    assert stack.variables["VALKEY_PASSWORD"] not in shown


def test_nothing_is_shown_without_the_password(flower: Flower) -> None:
    for path in ("/", "/workers", "/tasks", "/api/workers", "/api/tasks", "/api/queues/length"):
        assert requests.get(flower.url + path, timeout=10).status_code == 401
        assert requests.get(flower.url + path, auth=("flower", "x"), timeout=10).status_code == 401


def test_nothing_can_be_changed(flower: Flower, tenant: Tenant) -> None:
    (name, *_) = queues(flower)
    for path in (
        f"/api/worker/shutdown/{name}",
        f"/api/worker/queue/cancel-consumer/{name}?queue=tenant.{TENANT}",
        f"/api/task/async-apply/{RUN}",
    ):
        refused = flower.post(path, args=[])
        assert refused.status_code == 403
        assert refused.text == "Read only mode is enabled"


def test_metrics_and_health_answer_to_anyone_so_that_only_the_proxy_may_reach_them(
    flower: Flower,
) -> None:
    for path in ("/metrics", "/healthcheck"):
        assert requests.get(flower.url + path, timeout=10).status_code == 200
