"""Workers and a scheduler as processes, with a database and a broker of their own."""

import signal
import sys
import uuid
from pathlib import Path

import pytest
from celery import Celery

from cloacina import dispatch
from cloacina.db import Database
from cloacina.dispatch import Dispatcher
from cloacina.embedded import EmbeddedPostgres, EmbeddedValkey
from cloacina.lifecycle import installation
from cloacina.lifecycle.tenants import create_tenant
from tests.removal import delete_tenant
from tests.workers.fleet import Engineer, Fleet, descendants, fleet_at, is_running, wait_for
from tests.workers.modules import CHAIN, WAITS

READS_ENVIRONMENT = """
import os
import cloaca

@cloaca.task()
def look(context):
    context.set("environ", dict(os.environ))
    context.set("greeting", cloaca.var("GREETING"))
    return context
"""


@pytest.mark.usefixtures("fleet")
def test_a_tenant_that_was_just_created_is_served_without_a_restart(
    engineer: Engineer, tmp_path: Path
) -> None:
    engineer.upload(tmp_path, "chain", CHAIN)
    execution_id = engineer.start("chain", {"given": 1})

    execution = engineer.wait_for_end(execution_id)

    assert (execution.status, execution.error) == ("Completed", None)
    assert execution.context == {"given": 1, "seen": ["one", "two"]}
    assert engineer.events(execution_id) == [
        "workflow_started",
        "task_marked_ready",
        "task_started",
        "task_completed",
        "task_marked_ready",
        "task_started",
        "task_completed",
        "workflow_completed",
    ]


def test_a_tasks_environment_holds_nothing_of_the_workers(
    fleet: Fleet, engineer: Engineer, tmp_path: Path
) -> None:
    engineer.upload(tmp_path, "looks", READS_ENVIRONMENT)

    execution = engineer.wait_for_end(engineer.start("looks", {}))

    assert execution.context["greeting"] == "hello"
    seen = execution.context["environ"]
    assert {name for name in seen if name.startswith("CLOACINA")} == {"CLOACINA_VAR_GREETING"}
    text = str(seen)
    for secret in (fleet.settings.database_url, fleet.settings.broker_url):
        assert secret.partition("@")[0].rpartition(":")[2] not in text


@pytest.mark.usefixtures("fleet")
def test_an_execution_that_was_accepted_without_a_broker_runs_when_it_is_back(
    engineer: Engineer, broker: EmbeddedValkey, tmp_path: Path
) -> None:
    engineer.upload(tmp_path, "chain", CHAIN)
    broker.stop()
    execution_id = engineer.start("chain", {})
    assert engineer.look_at(execution_id).status == "Pending"
    broker.start()
    assert engineer.wait_for_end(execution_id).status == "Completed"


def test_a_hint_that_was_not_signed_by_this_installation_is_refused(
    fleet: Fleet, engineer: Engineer, broker: EmbeddedValkey
) -> None:
    # once a hint of ours has come through, the queue is consumed
    engineer.dispatcher.run(engineer.tenant.id, engineer.tenant.name)
    forger = Celery(broker=broker.url, set_as_current=False)
    tenant_id = str(engineer.tenant.id)
    signature = dispatch.sign(b"guessed", dispatch.RUN, tenant_id, "")
    forger.send_task(
        dispatch.RUN,
        args=[tenant_id, "", signature],
        queue=dispatch.queue(dispatch.queue_name(engineer.tenant.name)),
    )
    fleet.wait_for_line("refused a hint with a wrong signature")


def test_the_queue_of_a_deleted_tenant_is_dropped(
    fleet: Fleet, engineer: Engineer, database: Database
) -> None:
    name = engineer.tenant.name
    fleet.wait_for_line(f"takes up the queue tenant.{name}")
    delete_tenant(database, name)
    fleet.wait_for_line(f"drops the queue tenant.{name}")


def test_the_running_task_of_a_deleted_tenant_is_killed_and_the_worker_goes_on(
    fleet: Fleet, engineer: Engineer, database: Database, tmp_path: Path, tenant_name: str
) -> None:
    engineer.upload(tmp_path, "waits", WAITS)
    engineer.start("waits", {"folder": str(tmp_path)})
    wait_for((tmp_path / "begun").exists)
    wait_for((tmp_path / "begun").read_text)
    pid = int((tmp_path / "begun").read_text())

    delete_tenant(database, engineer.tenant.name)

    wait_for(lambda: not is_running(pid))
    again = Engineer(database, engineer.dispatcher, create_tenant(database, tenant_name))
    again.upload(tmp_path, "chain", CHAIN)
    assert again.wait_for_end(again.start("chain", {})).status == "Completed"


def test_a_worker_for_one_tenant_serves_no_other(
    database: Database, empty_database_url: str, data_root: Path, tmp_path: Path
) -> None:
    with EmbeddedValkey(data_root / "one-tenant-valkey") as broker:
        dispatcher = Dispatcher(database, broker.url)
        mine, other = (
            Engineer(database, dispatcher, create_tenant(database, f"t_{uuid.uuid4().hex[:12]}"))
            for _ in range(2)
        )
        home = tmp_path / "home"
        with fleet_at(home, empty_database_url, broker.url, concurrency=1) as fleet:
            worker = fleet.start("workers", CLOACINA_WORKER_TENANTS=mine.tenant.name)
            # others may serve the same database, and do its work
            fleet.wait_for_line(f"takes up the queue tenant.{mine.tenant.name}")
            mine.upload(tmp_path, "chain", CHAIN)
            assert mine.wait_for_end(mine.start("chain", {})).status == "Completed"
            assert f"tenant.{other.tenant.name}" not in fleet.log_path.read_text()

            worker.send_signal(signal.SIGTERM)
            assert worker.wait(30) == 0
            assert list((home / "work").iterdir()) == []


def test_the_result_of_a_task_outlasts_a_database_that_is_away_when_it_ends(
    data_root: Path, broker: EmbeddedValkey, tmp_path: Path
) -> None:
    with (
        EmbeddedPostgres(data_root / "outage") as postgres,
        fleet_at(tmp_path / "home", postgres.url, broker.url, concurrency=1) as fleet,
    ):
        database = Database(postgres.url)
        installation.migrate(database)
        fleet.start("workers")
        fleet.start("workers.scheduler")
        dispatcher = Dispatcher(database, broker.url)
        engineer = Engineer(database, dispatcher, create_tenant(database, "outage"))
        engineer.upload(tmp_path, "waits", WAITS)
        execution_id = engineer.start("waits", {"folder": str(tmp_path)})
        wait_for((tmp_path / "begun").exists)

        postgres.stop()
        (tmp_path / "go").touch()
        wait_for((tmp_path / "ended").exists)
        postgres.start()

        assert engineer.wait_for_end(execution_id).status == "Completed"
        assert engineer.events(execution_id).count("task_started") == 1
        database.close()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, and needs the death signal")
def test_a_killed_worker_leaves_nothing_and_its_task_runs_elsewhere(
    fleet: Fleet, engineer: Engineer, tmp_path: Path
) -> None:
    engineer.upload(tmp_path, "waits", WAITS)
    execution_id = engineer.start("waits", {"folder": str(tmp_path)})
    wait_for((tmp_path / "begun").exists)
    worker = fleet.processes[0]
    below = descendants(worker.pid)
    assert len(below) > fleet.settings.concurrency

    worker.kill()
    worker.wait()

    wait_for(lambda: not any(is_running(pid) for pid in below))
    fleet.processes[0] = fleet.start("workers")
    (tmp_path / "go").touch()
    execution = engineer.wait_for_end(execution_id)
    assert execution.context["done"] is True
    assert len((tmp_path / "begun").read_text().splitlines()) == 2
    events = engineer.events(execution_id)
    assert events.count("task_reset") == 1
    # a lost claim costs no attempt: this task has only one
    assert engineer.attempts(execution_id) == [1]
