"""A real worker of four slots, and how many of them a tenant gets, set and seen over HTTP."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloacina.db import Database
from cloacina.dispatch import Dispatcher
from cloacina.keys import services as keys
from cloacina.lifecycle.tenants import create_tenant
from cloacina.settings import Settings
from cloacina.tenants.models import Tenant
from tests.workers.fleet import Engineer, Fleet, wait_for
from web import create_app
from web.state import close

HELD = """
import pathlib, time
import cloaca

for number in range(2):

    @cloaca.task(id=f"t{number}")
    def hold(context):
        while not pathlib.Path(context["gate"]).exists():
            time.sleep(0.02)
        return context
"""
SHORT = """
import cloaca

for number in range(40):

    @cloaca.task(id=f"t{number}")
    def go(context):
        return context
"""


class Platform:
    """An operator who asks the API."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self.app = create_app(settings)
        with database.platform() as session:
            self._key = keys.issue(session, "ops", "admin", None).plaintext

    def limits(self, method: str, tenant: Tenant, **limits: int) -> dict[str, int]:
        """Ask after, or set, a tenant's limits; gives that of running tasks."""
        answer = self.app.test_client().open(
            f"/v1/tenants/{tenant.name}/limits",
            method=method,
            headers={"Authorization": f"Bearer {self._key}"},
            json=limits or None,
        )
        assert answer.status_code == 200, answer.json
        found: dict[str, int] = answer.json["max_concurrent_tasks"]
        return found

    def running(self, tenant: Tenant) -> int:
        """Count the tasks that run."""
        return self.limits("GET", tenant)["used"]


@pytest.fixture(scope="module")
def settings(
    empty_database_url: str, broker_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Settings:
    return Settings(
        home=tmp_path_factory.mktemp("home"),
        database_url=empty_database_url,
        broker_url=broker_url,
        concurrency=4,
    )


@pytest.fixture(scope="module")
def platform(settings: Settings, database: Database) -> Iterator[Platform]:
    """An operator, and one worker and one scheduler."""
    fleet = Fleet(settings)
    platform = Platform(settings, database)
    fleet.start("workers")
    fleet.start("workers.scheduler")
    yield platform
    fleet.stop()
    close(platform.app)


@pytest.fixture
def engineer(database: Database, broker_url: str, platform: Platform) -> Engineer:
    """Somebody of a tenant that the worker serves."""
    return _engineer(database, broker_url)


def _engineer(database: Database, broker_url: str) -> Engineer:
    tenant = create_tenant(database, f"t_{uuid.uuid4().hex[:12]}")
    return Engineer(database, Dispatcher(database, broker_url), tenant)


def test_a_tenant_runs_as_many_tasks_as_it_may_and_others_get_the_rest(
    engineer: Engineer, platform: Platform, database: Database, broker_url: str, tmp_path: Path
) -> None:
    tenant, gate = engineer.tenant, tmp_path / "gate"
    platform.limits("POST", tenant, max_concurrent_tasks=2)
    engineer.upload(tmp_path, "held", HELD)
    held = [engineer.start("held", {"gate": str(gate)}) for _ in range(4)]
    wait_for(lambda: platform.running(tenant) == 2)
    # meanwhile another tenant's tasks run through
    other = _engineer(database, broker_url)
    other.upload(tmp_path, "short", SHORT)
    short = other.start("short", {})
    while other.look_at(short).completed_at is None:
        assert platform.running(tenant) == 2
    platform.limits("POST", tenant, max_concurrent_tasks=3)
    wait_for(lambda: platform.running(tenant) == 3)
    # without one of its own it is one fewer than there are slots
    assert platform.limits("DELETE", tenant)["effective_limit"] == 3
    gate.touch()
    assert {engineer.wait_for_end(each).status for each in held} == {"Completed"}


def test_a_limit_that_is_lowered_holds_within_a_moment_for_tenants_that_never_pause(
    engineer: Engineer, platform: Platform, tmp_path: Path
) -> None:
    tenant = engineer.tenant
    engineer.upload(tmp_path, "short", SHORT)
    runs = [engineer.start("short", {}) for _ in range(40)]
    wait_for(lambda: platform.running(tenant) == 3)
    platform.limits("POST", tenant, max_concurrent_tasks=1)
    wait_for(lambda: platform.running(tenant) <= 1)
    counted = {platform.running(tenant) for _ in range(50)}
    assert engineer.look_at(runs[-1]).completed_at is None
    assert counted <= {0, 1}
