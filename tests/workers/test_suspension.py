"""Tenants that are suspended, at real workers."""

from pathlib import Path

from cloacina.db import Database
from cloacina.lifecycle.suspension import resume, suspend
from tests.workers.fleet import Engineer, Fleet, wait_for
from tests.workers.modules import DEFERS

CHAIN = """
import pathlib, time
import cloaca

@cloaca.task(retry_attempts=1)
def first(context):
    folder = pathlib.Path(context["folder"])
    (folder / "begun").touch()
    while not (folder / "go").exists():
        time.sleep(0.05)

@cloaca.task(dependencies=["first"])
def second(context):
    context.set("done", True)
    return context
"""


def test_a_chain_stops_at_a_suspended_tenant_and_what_waits_without_a_slot_ends(
    fleet: Fleet, database: Database, engineer: Engineer, tmp_path: Path
) -> None:
    name = engineer.tenant.name
    engineer.upload(tmp_path, "chain", CHAIN)
    engineer.upload(tmp_path, "defers", DEFERS)
    waiting = engineer.start("defers", {"folder": str(tmp_path), "files": ["a", "b"]})
    wait_for(lambda: engineer.sub_statuses(waiting) == ["Deferred"])
    execution_id = engineer.start("chain", {"folder": str(tmp_path)})
    wait_for((tmp_path / "begun").exists)

    suspend(database, name)
    (tmp_path / "go").touch()
    wait_for(lambda: engineer.tasks(execution_id)[0].status == "Completed")
    for file in ("a", "b"):
        (tmp_path / file).touch()
    assert engineer.wait_for_end(waiting).status == "Completed"

    # whoever looks for work there finds that nothing starts, and says no more of it
    assert engineer.dispatcher.run(engineer.tenant.id, name, execution_id)
    fleet.wait_for_line(f"nothing starts: tenant '{name}' is suspended")
    assert engineer.tasks(execution_id)[1].status == "Ready"
    assert f"tenant {name}: the database refused" not in fleet.log_path.read_text()

    resume(database, engineer.dispatcher, name)

    assert engineer.wait_for_end(execution_id).context["done"] is True
    assert engineer.attempts(execution_id) == [1, 1]
