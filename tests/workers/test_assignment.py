"""Workers that divide the tenants among themselves, and those that serve one tenant alone."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import delete

from cloacina.db import Database, now
from cloacina.fleet.assignment import QUEUES
from cloacina.tenants.models import ACTIVE, TenantRow
from tests.workers.fleet import Engineer, Fleet, wait_for
from tests.workers.modules import WAITS

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="nothing else ends its slots")

SLOTS = 2
MANY = QUEUES + 50


@pytest.fixture
def many(database: Database) -> Iterator[set[str]]:
    """Tenants as far as workers need them to take up their queues."""
    names = {f"many_{number}" for number in range(MANY)}
    with database.platform() as session:
        for name in names:
            row = TenantRow(id=uuid4(), name=name, schema_name=name, role_name=name)
            row.status, row.created_at = ACTIVE, now()
            row.schema_version = "0"
            session.add(row)
    yield names
    with database.platform() as session:
        session.execute(delete(TenantRow).where(TenantRow.name.in_(names)))


def served(fleet: Fleet, worker: subprocess.Popen[bytes]) -> dict[str, int]:
    """Give the tenants that a worker serves, each with its slots."""
    file = fleet.settings.home / "work" / f"worker-{worker.pid}" / "queues.json"
    slots = json.loads(file.read_text()) if file.exists() else {}
    of_tenants = {name: count for name, count in slots.items() if name.startswith("tenant.")}
    return {name.removeprefix("tenant."): count for name, count in of_tenants.items()}


def test_many_tenants_are_divided_and_those_of_a_killed_worker_are_served_by_others(
    fleet: Fleet, many: set[str]
) -> None:
    everything = many | {"public"}
    first = fleet.processes[0]
    wait_for(lambda: set(served(fleet, first)) == everything)
    second = fleet.start("workers")
    wait_for(lambda: served(fleet, second))
    wait_for(lambda: len(served(fleet, first)) < MANY)

    of_first, of_second = served(fleet, first), served(fleet, second)
    assert set(of_first) | set(of_second) == everything
    assert set(of_first) & set(of_second) == set()
    assert abs(len(of_first) - len(of_second)) < MANY / 2
    assert set((of_first | of_second).values()) == {SLOTS}

    second.kill()
    second.wait()
    wait_for(lambda: set(served(fleet, first)) == everything)
    # once, however often it has to
    assert fleet.log_path.read_text().count("start more workers") == 1


def test_a_tenant_leaves_the_shared_workers_while_it_has_one_of_its_own(
    fleet: Fleet, engineer: Engineer, tmp_path: Path
) -> None:
    name, common = engineer.tenant.name, fleet.processes[0]
    wait_for(lambda: served(fleet, common) == {name: SLOTS, "public": SLOTS})
    engineer.upload(tmp_path, "waits", WAITS)

    own = fleet.start("workers", CLOACINA_WORKER_TENANTS=f"{name},not_there_yet")
    wait_for(lambda: served(fleet, own) == {name: SLOTS})
    wait_for(lambda: served(fleet, common) == {"public": SLOTS})
    execution_id = engineer.start("waits", {"folder": str(tmp_path)})
    wait_for((tmp_path / "begun").exists)

    # it is gone for the others as soon as it is told to stop, while its task still runs
    own.send_signal(signal.SIGTERM)
    wait_for(lambda: served(fleet, common) == {name: SLOTS, "public": SLOTS})
    assert own.poll() is None
    (tmp_path / "go").touch()
    assert engineer.wait_for_end(execution_id).status == "Completed"
    assert own.wait(30) == 0
    assert (tmp_path / "begun").read_text().count("\n") == 1
