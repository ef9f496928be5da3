"""Hints: signed, and sent without ever failing or delaying who sends them."""

import json
import socket
import time
from base64 import b64decode
from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest
import redis

from cloacina import logs
from cloacina.db import Database
from cloacina.dispatch import MOST_WAITING, RECONCILE, RUN, Dispatcher, queue_name, sign
from cloacina.embedded import EmbeddedValkey, temporary_data_root
from cloacina.lifecycle import installation
from cloacina.tenants import services as tenants

TENANT = UUID(int=7)
# much more than it takes, on a machine that is busy too; without limits of ours it were for ever
QUICK_S = 15.0


@pytest.fixture
def name(broker_url: str, tenant_name: str) -> Iterator[str]:
    """A tenant's name; its queue is gone afterwards."""
    yield tenant_name
    with redis.Redis.from_url(broker_url) as broker:
        broker.delete(queue_name(tenant_name))


@pytest.fixture
def dispatcher(either_database: Database, broker_url: str) -> Dispatcher:
    return Dispatcher(either_database, broker_url)


def waiting(broker_url: str, name: str) -> list[dict]:
    """Give the messages in a tenant's queue, the oldest first."""
    with redis.Redis.from_url(broker_url) as broker:
        found = broker.lrange(queue_name(name), 0, -1)
    assert isinstance(found, list)
    return [json.loads(message) for message in reversed(found)]


def test_a_hint_lies_in_the_tenants_queue_with_ids_and_a_signature_and_no_more(
    dispatcher: Dispatcher, either_database: Database, broker_url: str, name: str
) -> None:
    execution_id = uuid4()
    token = logs.request_id.set("request-1")
    try:
        assert dispatcher.run(TENANT, name, execution_id)
    finally:
        logs.request_id.reset(token)
    assert dispatcher.run(TENANT, name)
    assert dispatcher.reconcile(TENANT, name)

    messages = waiting(broker_url, name)
    found = [json.loads(b64decode(message["body"]))[0] for message in messages]
    with either_database.platform() as session:
        key = tenants.hint_key(session)
    assert found == [
        [str(TENANT), execution, sign(key, task, str(TENANT), execution)]
        for task, execution in ((RUN, str(execution_id)), (RUN, ""), (RECONCILE, ""))
    ]
    headers = [message["headers"] for message in messages]
    assert [header["task"] for header in headers] == [RUN, RUN, RECONCILE]
    assert [header["x_request_id"] for header in headers] == ["request-1", None, None]


def test_signatures_differ_by_key_task_tenant_and_execution() -> None:
    ids = str(uuid4()), str(uuid4())
    made = {
        sign(key, task, tenant, execution)
        for key in (b"one", b"two")
        for task in (RUN, RECONCILE)
        for tenant in ids
        for execution in (*ids, "")
    }
    assert len(made) == 2 * 2 * 2 * 3


def test_no_more_hints_wait_than_lead_to_all_the_work(
    dispatcher: Dispatcher, broker_url: str, name: str
) -> None:
    assert all(dispatcher.run(TENANT, name) for _ in range(MOST_WAITING + 5))
    assert len(waiting(broker_url, name)) == MOST_WAITING


def test_each_installation_has_a_key_of_its_own_that_stays(
    either_database: Database, broker_url: str, tmp_path
) -> None:
    other = Database(f"sqlite:///{tmp_path}/other.db")
    installation.migrate(other)
    keys = [Dispatcher(each, broker_url).hint_key() for each in (either_database, other)]
    assert len({*keys, Dispatcher(either_database, broker_url).hint_key()}) == 2
    assert all(len(key) == 32 for key in keys)
    other.close()


def timed(work) -> tuple[object, float]:
    started = time.monotonic()
    return work(), time.monotonic() - started


def test_a_broker_that_is_not_there_costs_nothing_but_the_hint(
    either_database: Database, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    dispatcher = Dispatcher(either_database, "redis://127.0.0.1:1")
    for _ in range(2):
        sent, took_s = timed(lambda: dispatcher.run(TENANT, name))
        assert sent is False
        assert took_s < QUICK_S
    reachable, took_s = timed(dispatcher.is_reachable)
    assert reachable is False
    assert took_s < QUICK_S
    assert f"no hint in tenant.{name}: the broker is away" in caplog.text


def test_a_broker_that_accepts_and_says_nothing_costs_nothing_but_the_hint(
    database: Database, name: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        dispatcher = Dispatcher(database, f"redis://127.0.0.1:{silent.getsockname()[1]}")
        for work in (lambda: dispatcher.run(TENANT, name), dispatcher.is_reachable):
            done, took_s = timed(work)
            assert done is False
            assert took_s < QUICK_S


def test_a_password_of_the_broker_stands_in_no_log(
    either_database: Database, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    dispatcher = Dispatcher(either_database, "redis://:the-password@127.0.0.1:1")
    assert not dispatcher.run(TENANT, name)
    assert "the broker is away" in caplog.text
    assert "the-password" not in caplog.text


def test_a_broker_that_comes_back_takes_hints_again(database: Database, name: str) -> None:
    with temporary_data_root() as root:
        valkey = EmbeddedValkey(root)
        with valkey:
            url = valkey.url
            dispatcher = Dispatcher(database, url)
            assert dispatcher.is_reachable()
            assert dispatcher.run(TENANT, name)
        assert not dispatcher.is_reachable()
        assert not dispatcher.run(TENANT, name)
        with valkey:
            assert valkey.url == url
            assert dispatcher.is_reachable()
            # the connections that it kept are of no use any more: one hint may be lost on each
            assert any(dispatcher.run(TENANT, name) for _ in range(2))
            assert waiting(url, name)


def test_a_database_that_is_away_costs_nothing_but_the_hint(broker_url: str, name: str) -> None:
    # what the hint is for is committed by now: its sender must not be told that it failed
    away = Database("postgresql://nobody@127.0.0.1:1/nothing")
    assert Dispatcher(away, broker_url).run(TENANT, name) is False
    assert waiting(broker_url, name) == []
    away.close()
