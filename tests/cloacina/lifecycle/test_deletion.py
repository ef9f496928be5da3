"""A deletion: what it waits for, what it kills, and that it comes to its end."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import redis
from sqlalchemy import exc, select

from cloacina.audit.models import AuditRow
from cloacina.db import DATABASE_ERRORS, Database
from cloacina.dispatch import Dispatcher, queue_name
from cloacina.fleet import services as fleet
from cloacina.fleet.services import Worker
from cloacina.keys import services as keys
from cloacina.lifecycle.deletion import Deletion, Removal, delete_tenant, mark
from cloacina.lifecycle.residue import Residue, scan
from cloacina.lifecycle.tenants import create_tenant
from cloacina.processes import wait_until
from cloacina.tenants.errors import TenantCreationFailed
from cloacina.tenants.models import DELETION_STEPS, LimitsRow, Tenant
from tests.cloacina.executions.runs import Runs, chain
from workers.deletions import Deletions

BINDING = "_kombu.binding.tools"
LEASE_LONGER_S = 600


@pytest.fixture(scope="module")
def dispatcher(database: Database, broker_url: str) -> Dispatcher:
    return Dispatcher(database, broker_url)


@pytest.fixture
def broker(broker_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(broker_url) as broker:
        yield broker


@pytest.fixture
def deletions(database: Database, dispatcher: Dispatcher) -> Deletions:
    """What a scheduler does about deletions."""
    return Deletions(database, dispatcher, threading.Event())


Make = Callable[[str], Tenant]


@pytest.fixture
def make(database: Database, dispatcher: Dispatcher, broker: redis.Redis, tmp_path: Path) -> Make:
    """Make tenants that have something of everything."""

    def tenant_of(name: str) -> Tenant:
        tenant = create_tenant(database, name)
        with database.platform() as session:
            keys.issue(session, "ci", "write", tenant)
            session.add(LimitsRow(tenant_id=tenant.id, max_packages=7))
        runs = Runs(database, tenant)
        runs.start(runs.workflow(*chain("a", "b")))
        assert dispatcher.run(tenant.id, name)
        broker.sadd(BINDING, f"{queue_name(name)}\x06\x16\x06\x16{queue_name(name)}")
        return tenant

    return tenant_of


def left_of(tenant: Tenant, database: Database, dispatcher: Dispatcher, home: Path) -> set[str]:
    return {each.kind for each in scan(database, dispatcher, home, tenant.id, tenant.name)}


def report(database: Database, name: str) -> Worker:
    """Have a worker on duty."""
    worker = Worker(uuid4(), name, (), 1, 0, 0)
    with database.platform() as session:
        fleet.beat(session, worker)
    return worker


def recorded(database: Database, tenant: Tenant) -> list[tuple[str, dict[str, Any]]]:
    with database.platform() as session:
        mine = select(AuditRow.action, AuditRow.details).where(AuditRow.tenant_id == tenant.id)
        return [
            (action, json.loads(details or "{}"))
            for action, details in session.execute(mine.order_by(AuditRow.serial))
            if action.startswith("tenant.delete")
        ]


def test_a_scan_finds_all_that_a_tenant_has(
    database: Database, dispatcher: Dispatcher, make: Make, tenant_name: str, tmp_path: Path
) -> None:
    tenant = make(tenant_name)
    (tmp_path / "cache" / str(tenant.id)).mkdir(parents=True)
    found = scan(database, dispatcher, tmp_path, tenant.id, tenant_name)
    assert {
        Residue("schema", tenant_name),
        Residue("role", tenant_name),
        Residue("rows", "1 of tenants"),
        Residue("rows", "1 of limits"),
        Residue("rows", "1 of tenant_wakeups"),
        Residue("rows", "1 of api_keys"),
        Residue("key on the broker", queue_name(tenant_name)),
        Residue("key on the broker", BINDING),
        Residue("folder", str(tmp_path / "cache" / str(tenant.id))),
    } < set(found)

    assert delete_tenant(database, dispatcher, tenant_name) == Removal(1, removed=True)

    assert left_of(tenant, database, dispatcher, tmp_path) == {"folder"}
    # whoever has the name now is another
    make(tenant_name)
    assert left_of(tenant, database, dispatcher, tmp_path) == {"folder"}
    delete_tenant(database, dispatcher, tenant_name)


def test_each_step_is_recorded_once_with_its_duration(
    database: Database, dispatcher: Dispatcher, make: Make, tenant_name: str
) -> None:
    tenant = make(tenant_name)
    with ThreadPoolExecutor(3) as threads:
        removals = list(
            threads.map(lambda _: delete_tenant(database, dispatcher, tenant_name), range(3))
        )
    assert sum(removal.revoked_keys for removal in removals) == 1
    (began, first), *steps, (ended, last) = recorded(database, tenant)
    assert (began, ended) == ("tenant.delete", "tenant.delete")
    assert first == {"phase": "begun", "revoked_keys": 1, "drain_timeout_s": 0}
    assert last["phase"] == "ended"
    assert [action for action, _ in steps] == [f"tenant.delete.{step}" for step in DELETION_STEPS]
    assert all(details["duration_ms"] >= 0 for _, details in [*steps, (ended, last)])


@dataclass(frozen=True)
class BrokenOff:
    """A deletion whose process was killed: what was left then."""

    tenant: Tenant
    left: set[str]


@pytest.fixture(scope="module")
def broken_off(
    database: Database,
    broker_url: str,
    dispatcher: Dispatcher,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, BrokenOff]:
    """Deletions by the step after which they were broken off, when schedulers have gone on."""
    url = database.engine.url.render_as_string(hide_password=False)
    environ = os.environ | {"DATABASE_URL": url, "BROKER_URL": broker_url}
    steps = {}
    for step in ("mark", *DELETION_STEPS):
        tenant = create_tenant(database, f"t_{step}_{os.urandom(4).hex()}")
        runs = Runs(database, tenant)
        runs.start(runs.workflow(*chain("a")))
        assert dispatcher.run(tenant.id, tenant.name)
        steps[step] = tenant
    arguments = [f"{tenant.name}={step}" for step, tenant in steps.items()]
    module = "tests.cloacina.lifecycle.broken_off"
    subprocess.run([sys.executable, "-m", module, *arguments], env=environ, check=True, timeout=60)
    home = tmp_path_factory.mktemp("home")
    found = {
        step: BrokenOff(tenant, left_of(tenant, database, dispatcher, home))
        for step, tenant in steps.items()
    }
    deletions = Deletions(database, dispatcher, threading.Event())
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda _: deletions.look(), range(2)))
    return found


@pytest.mark.parametrize("step", ["mark", *DELETION_STEPS])
def test_schedulers_go_on_after_a_kill_at_each_step(
    broken_off: dict[str, BrokenOff],
    step: str,
    database: Database,
    dispatcher: Dispatcher,
    tmp_path: Path,
) -> None:
    tenant, left = broken_off[step].tenant, broken_off[step].left
    done = ("mark", *DELETION_STEPS).index(step)
    assert ("schema" in left) == (done <= DELETION_STEPS.index("schema"))
    assert ("key on the broker" in left) == (done <= DELETION_STEPS.index("queue"))
    assert ("role" in left) == ("rows" in left) == (step != "role")

    assert left_of(tenant, database, dispatcher, tmp_path) == set()
    actions = [action for action, _ in recorded(database, tenant)]
    steps = [f"tenant.delete.{each}" for each in DELETION_STEPS]
    assert actions == ["tenant.delete", *steps, "tenant.delete"]
    again = create_tenant(database, tenant.name)
    assert Runs(database, again).claim() is None
    delete_tenant(database, dispatcher, again.name)


def test_what_runs_may_end_and_nothing_else_begins(
    database: Database, dispatcher: Dispatcher, make: Make, tenant_name: str, deletions: Deletions
) -> None:
    runs = Runs(database, make(tenant_name))
    claim = runs.must_claim()
    with ThreadPoolExecutor(1) as thread:
        deletion = thread.submit(
            delete_tenant, database, dispatcher, tenant_name, drain_timeout_s=600
        )
        assert wait_until(lambda: recorded(database, runs.tenant), 20)
        with pytest.raises(TenantCreationFailed):
            create_tenant(database, tenant_name)
        # the scheduler waits as well
        assert deletions.look() == 0
        assert runs.renew(claim)
        # the next task of the chain becomes ready, and nobody's
        runs.complete(claim)
        assert deletion.result(30).removed
    drained = dict(recorded(database, runs.tenant))["tenant.delete.drain"]
    assert drained["still_running"] == 0


def test_what_runs_too_long_is_killed_and_can_store_nothing(
    database: Database, dispatcher: Dispatcher, make: Make, tenant_name: str
) -> None:
    runs = Runs(database, make(tenant_name))
    claim = runs.must_claim()
    runs.set_task(claim.execution_id, "a", lease_until=LEASE_LONGER_S)
    assert delete_tenant(database, dispatcher, tenant_name, drain_timeout_s=0.3).removed
    with pytest.raises(exc.DBAPIError), database.tenant(runs.tenant):
        pass
    assert dict(recorded(database, runs.tenant))["tenant.delete.drain"]["still_running"] == 1


def test_a_claim_whose_worker_is_gone_is_not_waited_for(
    database: Database, dispatcher: Dispatcher, make: Make, tenant_name: str
) -> None:
    runs = Runs(database, make(tenant_name))
    claim = runs.must_claim()
    runs.set_task(claim.execution_id, "a", lease_until=-1)
    assert delete_tenant(database, dispatcher, tenant_name, drain_timeout_s=600).removed


def test_after_the_kill_whoever_has_a_claim_is_refused(
    database: Database, dispatcher: Dispatcher, make: Make, tenant_name: str
) -> None:
    runs = Runs(database, make(tenant_name))
    claim = runs.must_claim()
    # the plans of these statements are made
    assert runs.renew(claim)
    marked = mark(database, tenant_name, 0)
    assert marked is not None
    steps = Deletion(database, dispatcher, marked[0]).steps()
    while next(steps) != "kill":
        pass
    for attempt in (
        lambda: runs.renew(claim),
        lambda: runs.complete(claim),
        lambda: runs.get(claim.execution_id),
    ):
        with pytest.raises(DATABASE_ERRORS, match="does not exist"):
            attempt()
    assert list(steps)[-1] == "role"


def test_workers_are_waited_for_until_they_have_looked(
    database: Database, dispatcher: Dispatcher, make: Make, tenant_name: str
) -> None:
    tenant = make(tenant_name)
    worker = report(database, "worker-that-looks")
    with ThreadPoolExecutor(1) as thread:
        deletion = thread.submit(delete_tenant, database, dispatcher, tenant_name)
        assert wait_until(lambda: "tenant.delete.kill" in dict(recorded(database, tenant)), 20)

        def is_done_once_it_has_looked() -> bool:
            with database.platform() as session:
                fleet.beat(session, worker)
            return deletion.done()

        assert wait_until(is_done_once_it_has_looked, 20, 0.05)
        assert deletion.result().removed
        with database.platform() as session:
            fleet.leave(session, worker.id)
    assert "not_heard_of" not in dict(recorded(database, tenant))["tenant.delete.caches"]


def test_a_worker_that_says_nothing_holds_up_no_deletion(
    database: Database,
    dispatcher: Dispatcher,
    make: Make,
    tenant_name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("cloacina.lifecycle.deletion.WORKERS_WITHIN_S", 0.2)
    tenant = make(tenant_name)
    worker = report(database, "worker-that-stands-still")
    assert delete_tenant(database, dispatcher, tenant_name).removed
    waited = dict(recorded(database, tenant))["tenant.delete.caches"]
    assert waited["not_heard_of"] == ["worker-that-stands-still"]
    with database.platform() as session:
        fleet.leave(session, worker.id)


def test_a_broker_that_is_away_holds_up_no_deletion_and_its_queue_goes_later(
    database: Database,
    make: Make,
    dispatcher: Dispatcher,
    tenant_name: str,
    deletions: Deletions,
    tmp_path: Path,
) -> None:
    tenant, other = make(tenant_name), make(f"{tenant_name}_2")
    away = Dispatcher(database, "redis://127.0.0.1:1")
    assert delete_tenant(database, away, tenant_name).removed
    assert left_of(tenant, database, dispatcher, tmp_path) == {"key on the broker"}
    deletions.sweep()
    assert left_of(tenant, database, dispatcher, tmp_path) == set()
    # as somebody who has not heard of it
    assert dispatcher.run(tenant.id, tenant_name)
    deletions.sweep()
    assert left_of(tenant, database, dispatcher, tmp_path) == set()
    assert other.name in dispatcher.tenants_with_queues()
    delete_tenant(database, dispatcher, other.name)
