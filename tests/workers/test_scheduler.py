"""The scheduler: a hint to whoever is due, from one of several."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
import redis
from sqlalchemy import update

from cloacina.db import Database, after
from cloacina.dispatch import Dispatcher, queue_name, worker_queue_name
from cloacina.embedded import EmbeddedPostgres, temporary_data_root
from cloacina.fleet import services as fleet
from cloacina.fleet.models import WorkerRow
from cloacina.fleet.services import Worker
from cloacina.lifecycle import installation
from cloacina.lifecycle.tenants import create_tenant
from cloacina.processes import wait_until
from cloacina.settings import Settings
from cloacina.tenants.models import Tenant, WakeupRow
from workers import scheduler


@pytest.fixture
def broker(broker_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(broker_url) as broker:
        yield broker


@pytest.fixture
def dispatcher(database: Database, broker_url: str) -> Dispatcher:
    return Dispatcher(database, broker_url)


@pytest.fixture
def tenant(database: Database, broker: redis.Redis, tenant_name: str) -> Iterator[Tenant]:
    """A tenant; nobody else is due."""
    tenant = create_tenant(database, tenant_name)
    with database.platform() as session:
        session.execute(update(WakeupRow).values(due_at=after(3600), reconcile_at=after(3600)))
    yield tenant
    broker.delete(queue_name(tenant_name))


def make_due(database: Database, tenant: Tenant, *, packages: bool = False) -> None:
    values = {"due_at": after(-1)} | ({"reconcile_at": after(-1)} if packages else {})
    with database.platform() as session:
        session.execute(update(WakeupRow).where(WakeupRow.tenant_id == tenant.id).values(**values))


def hints(broker: redis.Redis, tenant: Tenant) -> int:
    count = broker.llen(queue_name(tenant.name))
    assert isinstance(count, int)
    return count


def test_whoever_is_due_gets_one_hint_and_patience(
    database: Database, dispatcher: Dispatcher, broker: redis.Redis, tenant: Tenant
) -> None:
    assert scheduler.tick(database, dispatcher) == 0
    make_due(database, tenant)
    assert scheduler.tick(database, dispatcher) == 1
    assert scheduler.tick(database, dispatcher) == 0
    assert hints(broker, tenant) == 1


def test_whose_packages_are_due_too_gets_a_hint_for_them(
    database: Database, dispatcher: Dispatcher, broker: redis.Redis, tenant: Tenant
) -> None:
    make_due(database, tenant, packages=True)
    assert scheduler.tick(database, dispatcher) == 1
    assert hints(broker, tenant) == 2


def test_of_several_schedulers_one_sends_the_hint(
    database: Database, dispatcher: Dispatcher, broker: redis.Redis, tenant: Tenant
) -> None:
    for sent in range(1, 6):
        make_due(database, tenant)
        with ThreadPoolExecutor(3) as threads:
            due = list(threads.map(lambda _: scheduler.tick(database, dispatcher), range(3)))
        assert sorted(due) == [0, 0, 1]
        assert hints(broker, tenant) == sent


def test_the_queue_of_a_worker_that_was_killed_is_deleted(
    database: Database, dispatcher: Dispatcher, broker: redis.Redis, tenant: Tenant
) -> None:
    alive, silent = (Worker(uuid4(), f"worker-{number}", (), 1, 0, 0) for number in range(2))
    queues = [worker_queue_name(worker.id) for worker in (alive, silent)]
    for worker in (alive, silent):
        with database.platform() as session:
            fleet.beat(session, worker)
        assert dispatcher.resume(worker.id, tenant.id, uuid4())
    with database.platform() as session:
        session.execute(
            update(WorkerRow)
            .where(WorkerRow.id == silent.id)
            .values(heartbeat_at=after(-fleet.FORGET_S))
        )
    scheduler.tick(database, dispatcher)
    assert [broker.exists(queue) for queue in queues] == [1, 0]
    dispatcher.delete_queue(queues[0])


def test_a_hint_that_was_lost_is_sent_again(
    database: Database, broker_url: str, broker: redis.Redis, tenant: Tenant
) -> None:
    make_due(database, tenant)
    assert scheduler.tick(database, Dispatcher(database, "redis://127.0.0.1:1")) == 1
    assert hints(broker, tenant) == 0
    # what its patience ends with
    make_due(database, tenant)
    assert scheduler.tick(database, Dispatcher(database, broker_url)) == 1
    assert hints(broker, tenant) == 1


def test_a_database_that_goes_away_is_said_once_and_waited_for(
    broker_url: str,
    broker: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    monkeypatch.setattr("workers.scheduler.TICK_S", 0.05)
    stopped = threading.Event()
    with temporary_data_root() as root:
        postgres = EmbeddedPostgres(root)
        with postgres:
            url = postgres.url
            database = Database(url)
            installation.migrate(database)
            with database.platform() as session:
                session.execute(update(WakeupRow).values(due_at=after(-1)))
            database.close()
        settings = Settings(database_url=url, broker_url=broker_url)
        running = threading.Thread(target=scheduler.run, args=(settings, stopped))
        running.start()
        try:
            assert wait_until(lambda: "the database is away" in caplog.text, 30)
            with postgres:
                assert wait_until(lambda: "the database is back" in caplog.text, 30)
                assert wait_until(lambda: broker.llen(queue_name("public")), 30)
                stopped.set()
                running.join(30)
        finally:
            stopped.set()
            running.join(30)
    assert not running.is_alive()
    assert caplog.text.count("the database is away") == 1
    broker.delete(queue_name("public"))
