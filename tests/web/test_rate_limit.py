"""Requests a second, over all replicas of the API, with the broker there, away, or hanging."""

import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
import redis
from flask import Flask

from cloacina.db import Database
from cloacina.processes import wait_until
from cloacina.settings import Settings
from cloacina.tenants.models import Tenant
from tests.web.conftest import Caller, make_key, refusal
from web import create_app
from web.state import close

DEADLINE_S = 30.0


@contextmanager
def replica(settings: Settings, **changes: object) -> Iterator[Flask]:
    """Another replica of the API."""
    app = create_app(replace(settings, **changes))  # type: ignore[arg-type]
    yield app
    close(app)


@pytest.fixture
def limited(admin: Caller, acme: Tenant) -> Iterator[str]:
    """Acme's path, whose keys may send one request a second."""
    path = f"/v1/tenants/{acme.name}"
    admin.post(f"{path}/limits", json={"max_requests_per_s": 1})
    yield path
    admin.delete(f"{path}/limits")


def is_refused(caller: Caller, path: str) -> bool:
    """Say whether a request is one too many."""
    answer = caller.get(f"{path}/workflows")
    if answer.status_code == 200:
        return False
    assert refusal(answer) == (429, "rate_limited")
    assert int(answer.headers["Retry-After"]) >= 1
    assert "1 requests a second" in answer.json["error"]
    return True


def until_refused(caller: Caller, path: str) -> None:
    """Send requests until one is refused."""
    assert wait_until(lambda: is_refused(caller, path), DEADLINE_S, 0)


def test_what_a_tenant_sends_beyond_its_rate_is_refused_until_a_moment_later(
    reader: Caller, limited: str
) -> None:
    until_refused(reader, limited)
    assert wait_until(lambda: not is_refused(reader, limited), DEADLINE_S, 0.1)


def test_all_keys_of_a_tenant_and_all_replicas_count_together(
    settings: Settings, database: Database, acme: Tenant, reader: Caller, limited: str
) -> None:
    with replica(settings) as other:
        callers = [reader, Caller(other, make_key(database, acme, "admin"))]

        def second_is_refused() -> bool:
            return not is_refused(callers[0], limited) and is_refused(callers[1], limited)

        assert wait_until(second_is_refused, DEADLINE_S, 0.3)


def test_others_are_served_meanwhile(
    app: Flask, admin: Caller, database: Database, reader: Caller, limited: str, globex: Tenant
) -> None:
    other = Caller(app, make_key(database, globex, "read"))
    for _ in range(5):
        until_refused(reader, limited)
        assert other.get(f"/v1/tenants/{globex.name}/workflows").status_code == 200
        assert admin.get(f"{limited}/workflows").status_code == 200
    assert Caller(app).get("/health").status_code == 200


def test_the_rate_is_looked_at_before_anything_else_of_a_request(
    writer: Caller, limited: str
) -> None:
    broken = {"data": b"{", "content_type": "application/json"}

    def is_refused_unread() -> bool:
        answer = writer.post(f"{limited}/workflows/x/execute", **broken)
        if answer.status_code == 400:
            return False
        assert refusal(answer) == (429, "rate_limited")
        return True

    assert wait_until(is_refused_unread, DEADLINE_S, 0)
    # and nothing of the platform, or of another tenant, can be asked after without end
    paths = ("/v1/tenants", "/v1/tenants/nobody/workflows", "/v1/auth/whoami")
    assert wait_until(lambda: writer.get(paths[0]).status_code == 429, DEADLINE_S, 0)
    assert wait_until(lambda: writer.get(paths[1]).status_code == 429, DEADLINE_S, 0)
    assert wait_until(lambda: writer.get(paths[2]).status_code == 429, DEADLINE_S, 0)


def test_nothing_of_it_stays_on_the_broker(
    reader: Caller, acme: Tenant, limited: str, broker_url: str
) -> None:
    with redis.Redis.from_url(broker_url) as broker:

        def kept() -> list[bytes]:
            return list(broker.scan_iter(f"*{acme.id}*"))

        until_refused(reader, limited)
        assert kept()
        assert wait_until(lambda: not kept(), DEADLINE_S, 0.1)


def test_while_the_broker_is_away_nobody_is_limited_and_one_line_says_so(
    settings: Settings, reader: Caller, limited: str, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    with (
        replica(settings, broker_url=f"redis://127.0.0.1:{port}/0") as app,
        caplog.at_level(logging.INFO, "web.rate"),
    ):
        caller = Caller(app, reader.key)
        assert not any(is_refused(caller, limited) for _ in range(20))
    assert [line.levelname for line in caplog.records if line.name == "web.rate"] == ["WARNING"]


def test_a_broker_that_hangs_holds_up_one_request_and_not_each(
    settings: Settings, reader: Caller, limited: str, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        replica(settings, broker_url=f"redis://127.0.0.1:{silent.getsockname()[1]}/0") as app,
    ):
        caller = Caller(app, reader.key)
        assert not any(is_refused(caller, limited) for _ in range(20))
        assert connections(silent) == 1
    assert [line.levelname for line in caplog.records if line.name == "web.rate"] == ["WARNING"]


def test_once_the_broker_is_back_requests_are_limited_again(
    settings: Settings,
    reader: Caller,
    limited: str,
    broker_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("web.rate.AWAY_S", 0.2)
    with replica(settings) as app:
        caller = Caller(app, reader.key)
        with redis.Redis.from_url(broker_url) as broker:
            # it answers nobody for a while
            broker.client_pause(1500)
            assert wait_until(lambda: not is_refused(caller, limited), DEADLINE_S, 0)
        until_refused(caller, limited)


def connections(server: socket.socket) -> int:
    """Count those who have connected to a server that answers nobody."""
    count = 0
    server.setblocking(False)
    while True:
        try:
            server.accept()[0].close()
        except BlockingIOError:
            return count
        count += 1
