"""Slots and workers that are ended, softly and not, and hints that nobody meant."""

import os
import signal
import sys
from pathlib import Path
from uuid import UUID

import pytest
import redis
from celery import Celery
from sqlalchemy import update

from cloacina import dispatch
from cloacina.db import after
from cloacina.embedded import EmbeddedValkey
from cloacina.executions.models import TaskRow
from cloacina.tenants import services as tenants
from tests.workers.fleet import (
    Engineer,
    Fleet,
    begun,
    descendants,
    is_running,
    parent_of,
    slots_of,
    wait_for,
)
from tests.workers.modules import CHAIN, WAITS

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def let_leases_end(engineer: Engineer) -> None:
    """Do to a tenant's claims what waiting for longer than a lease would."""
    database, tenant = engineer.database, engineer.tenant
    with database.tenant(tenant) as session:
        session.execute(
            update(TaskRow).where(TaskRow.lease_until.is_not(None)).values(lease_until=after(-1))
        )
        database.act_as_platform(session)
        tenants.wake(session, tenant.id, 0)


@linux_only
def test_a_killed_slot_takes_its_task_with_it_and_another_runs_it(
    fleet: Fleet, engineer: Engineer, tmp_path: Path
) -> None:
    engineer.upload(tmp_path, "waits", WAITS)
    execution_id = engineer.start("waits", {"folder": str(tmp_path)})
    wait_for(lambda: begun(tmp_path))
    (child,) = begun(tmp_path)
    worker = fleet.processes[0]
    slots = slots_of(worker.pid)
    assert len(slots) == fleet.settings.concurrency

    for slot in slots:
        os.kill(slot, signal.SIGKILL)

    wait_for(lambda: not is_running(child))
    let_leases_end(engineer)
    wait_for(lambda: len(begun(tmp_path)) == 2)
    assert not slots & slots_of(worker.pid)
    (tmp_path / "go").touch()
    assert engineer.wait_for_end(execution_id).status == "Completed"
    assert engineer.events(execution_id).count("task_reset") == 1
    assert engineer.attempts(execution_id) == [1]
    assert worker.poll() is None


def hosts_of(worker: int) -> list[int]:
    """Give the sandbox hosts that a worker has: one, but for the moment after it was killed."""
    own = [pid for pid in descendants(worker) if parent_of(pid) == worker]
    return [pid for pid in own if b"_host.py" in Path(f"/proc/{pid}/cmdline").read_bytes()]


@linux_only
def test_a_killed_sandbox_host_is_started_again(
    fleet: Fleet, engineer: Engineer, tmp_path: Path
) -> None:
    engineer.upload(tmp_path, "chain", CHAIN)
    worker = fleet.processes[0]
    (host,) = hosts_of(worker.pid)

    os.kill(host, signal.SIGKILL)

    wait_for(lambda: hosts_of(worker.pid) not in ([], [host]))
    assert engineer.wait_for_end(engineer.start("chain", {})).status == "Completed"
    assert worker.poll() is None


def test_hints_of_any_form_leave_the_worker_at_work(
    fleet: Fleet, engineer: Engineer, broker: EmbeddedValkey, tmp_path: Path
) -> None:
    engineer.upload(tmp_path, "chain", CHAIN)
    queue = dispatch.queue(dispatch.queue_name(engineer.tenant.name))
    own = str(engineer.tenant.id)
    with engineer.database.platform() as session:
        key = tenants.hint_key(session)
    nobody = str(UUID(int=0))
    forger = Celery(broker=broker.url, set_as_current=False)
    for task, arguments in [
        (dispatch.RUN, [own, "", "☃ ünïcode"]),
        (dispatch.RUN, [own, "", "\ud800"]),
        (dispatch.RUN, [own, "\ud800", ""]),
        (dispatch.RUN, [own, "", None]),
        (dispatch.RUN, [{}, [], 5]),
        (dispatch.RUN, [own]),
        (dispatch.RUN, []),
        (dispatch.RECONCILE, [own, "", "0" * 64]),
        # signed for another task, and for a tenant that there is not
        (dispatch.RECONCILE, [own, "", dispatch.sign(key, dispatch.RUN, own, "")]),
        (dispatch.RUN, [nobody, "", dispatch.sign(key, dispatch.RUN, nobody, "")]),
        ("celery.ping", []),
        ("os.system", ["true"]),
    ]:
        forger.send_task(task, args=arguments, queue=queue)
    with redis.Redis.from_url(broker.url) as direct:
        direct.lpush(queue.name, '{"body": "", "headers": {}, "properties": {}}')

    for _ in range(3):
        assert engineer.wait_for_end(engineer.start("chain", {})).status == "Completed"
    assert fleet.processes[0].poll() is None
