"""A slot, while somebody who is logged in as a tenant holds its tables locked."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from cloacina.db import Database, TenantLocked
from cloacina.db import database as units
from cloacina.lifecycle.tenants import create_tenant
from cloacina.processes import wait_until
from tests.cloacina.slots import Desk, open_slot
from tests.cloacina.tenants.logins import login

PASSWORD = "open sesame"
ONE = "import time\n@cloaca.task()\ndef it(context):\n    time.sleep(context['s'])\n"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(units.TIMEOUTS, "lock_timeout", "100")
    monkeypatch.setattr("cloacina.db.locked.FIRST_S", 0.05)


@pytest.fixture(scope="module")
def desks(
    database: Database, broker_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Desk, Desk]]:
    """Two tenants that one slot serves."""
    with open_slot(database, broker_url, tmp_path_factory.mktemp("slot") / "home") as slot:
        names = [f"t_{uuid4().hex[:12]}" for _ in range(2)]
        tenants = [create_tenant(database, name, password=PASSWORD) for name in names]
        acme, globex = (Desk(slot, tenant, broker_url) for tenant in tenants)
        yield acme, globex
        acme.close()
        globex.close()


@pytest.fixture
def locker(database: Database, desks: tuple[Desk, Desk]) -> Iterator[psycopg.Connection[Any]]:
    with login(database, desks[0].tenant.role, PASSWORD) as connection:
        yield connection


def lock(locker: psycopg.Connection[Any]) -> None:
    locker.execute("BEGIN")
    locker.execute("LOCK TABLE packages, workflow_executions, task_executions")


def test_it_goes_on_with_other_tenants_and_comes_back(
    desks: tuple[Desk, Desk], locker: psycopg.Connection[Any]
) -> None:
    acme, globex = desks
    theirs, others = (desk.start(desk.built(ONE), s=0) for desk in desks)
    lock(locker)
    for _ in range(3):
        with pytest.raises(TenantLocked):
            acme.run()
    assert globex.run_all(others).status == "Completed"
    locker.execute("ROLLBACK")

    def has_run_it() -> bool:
        try:
            return acme.run(theirs) == 1
        except TenantLocked:
            return False

    assert wait_until(has_run_it, 20)
    assert acme.runs.get(theirs).status == "Completed"


def test_what_a_task_gave_meanwhile_is_kept_until_it_can_be_stored(
    desks: tuple[Desk, Desk], locker: psycopg.Connection[Any]
) -> None:
    acme, _ = desks
    execution_id = acme.start(acme.built(ONE), s=0.5)
    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(acme.run, execution_id)
        assert wait_until(lambda: acme.runs.row(execution_id, "it").status == "Running", 20)
        lock(locker)
        # its first try to store the outcome has ended by then
        with pytest.raises(TimeoutError):
            running.result(1.5)
        locker.execute("ROLLBACK")
        assert running.result(20) == 1
    assert acme.runs.get(execution_id).status == "Completed"
    assert acme.runs.row(execution_id, "it").attempt == 1
