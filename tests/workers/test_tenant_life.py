"""A tenant with something of everything, deleted at a real worker and made again."""

import sys
from pathlib import Path

import psycopg
import pytest

from cloacina.db import Database
from cloacina.dispatch import Dispatcher
from cloacina.errors import Unauthorized
from cloacina.executions import services as executions
from cloacina.keys import services as keys
from cloacina.lifecycle.deletion import delete_tenant, mark
from cloacina.lifecycle.residue import scan
from cloacina.lifecycle.tenants import create_tenant
from cloacina.packages import services as packages
from tests.cloacina.keys.verifying import verify
from tests.cloacina.tenants.logins import login
from tests.workers.fleet import Engineer, Fleet, descendants, is_running, wait_for
from tests.workers.modules import DEFERS, WAITS

PASSWORD = "a-tenants-own"
WRITES = """
import cloaca

@cloaca.task(retry_attempts=1)
def write(context):
    print("a line")
    context.set("done", True)
    return context
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_nothing_is_left_of_a_tenant_and_one_of_its_name_is_new(
    fleet: Fleet, database: Database, dispatcher: Dispatcher, tenant_name: str, tmp_path: Path
) -> None:
    home, worker = fleet.settings.home, fleet.processes[0].pid
    fleet.wait_for_line("takes up the queue")
    idle = descendants(worker)
    old = create_tenant(database, tenant_name, password=PASSWORD)
    with database.platform() as session:
        key = keys.issue(session, "ci", "write", old).plaintext
    engineer = Engineer(database, dispatcher, old)
    for name, tasks in (("writes", WRITES), ("waits", WAITS), ("defers", DEFERS)):
        engineer.upload(tmp_path / "old", name, tasks)
    ended = engineer.wait_for_end(engineer.start("writes", {}))
    assert engineer.lines(ended.id) == ["a line"]
    deferred = engineer.start("defers", {"folder": str(tmp_path), "files": ["never"]})
    wait_for(lambda: engineer.sub_statuses(deferred) == ["Deferred"])
    engineer.start("waits", {"folder": str(tmp_path)})
    wait_for(lambda: len((tmp_path / "begun").read_text().split()) == 2)
    own = login(database, tenant_name, PASSWORD)
    own.execute("BEGIN")
    own.execute("SELECT count(*) FROM packages")
    dispatcher.run(old.id, tenant_name)

    children = descendants(worker) - idle
    assert len(children) >= 6
    found = {each.kind for each in scan(database, dispatcher, home, old.id, tenant_name)}
    assert found > {"schema", "role", "session", "rows", "folder", "object of the role"}

    assert delete_tenant(database, dispatcher, tenant_name, drain_timeout_s=0.5).revoked_keys == 1

    assert scan(database, dispatcher, home, old.id, tenant_name) == []
    wait_for(lambda: not [pid for pid in children if is_running(pid)])
    wait_for(lambda: not list((home / "work").glob("worker-*/scratch-*")))
    with pytest.raises(psycopg.OperationalError):
        own.execute("SELECT 1")
    assert not (tmp_path / "ended").exists()

    new = create_tenant(database, tenant_name)
    again = Engineer(database, dispatcher, new)
    with pytest.raises(Unauthorized):
        verify(database, key)
    with database.tenant(new) as session:
        assert packages.list_active(session) == []
        every = {"status": None, "workflow": None, "limit": 1000, "offset": 0}
        assert executions.list_executions(session, **every) == []
    assert again.lines(ended.id) == []
    # the same bytes are unpacked anew
    again.upload(tmp_path / "new", "writes", WRITES)
    assert again.wait_for_end(again.start("writes", {})).status == "Completed"
    assert {folder.name for folder in (home / "cache").iterdir()} == {str(new.id)}
    assert scan(database, dispatcher, home, old.id, tenant_name) == []
    delete_tenant(database, dispatcher, tenant_name)


def test_the_scheduler_ends_a_deletion_that_was_only_begun(
    fleet: Fleet, database: Database, dispatcher: Dispatcher, engineer: Engineer
) -> None:
    tenant = engineer.tenant
    assert dispatcher.run(tenant.id, tenant.name)
    assert mark(database, tenant.name, 600)
    fleet.wait_for_line(f"tenant {tenant.name}: its deletion was ended: drain, logins, sessions")
    assert scan(database, dispatcher, fleet.settings.home, tenant.id, tenant.name) == []
