import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask

from cloacina.db import Database
from cloacina.embedded import EmbeddedPostgres
from cloacina.lifecycle import installation
from cloacina.settings import Settings
from tests.web.conftest import Caller, refusal
from web import create_app
from web.state import close


@pytest.fixture
def caller_with(settings: Settings) -> Iterator[Callable[..., Caller]]:
    """Makes a caller of an application with other settings."""
    apps: list[Flask] = []

    def make(**changed: object) -> Caller:
        apps.append(create_app(replace(settings, **changed)))
        return Caller(apps[-1])

    yield make
    for app in apps:
        close(app)


def test_health_says_that_the_process_is_there(anyone: Caller) -> None:
    assert anyone.get("/health").json == {"status": "ok"}


def test_ready_says_that_requests_can_be_served(anyone: Caller) -> None:
    assert anyone.get("/ready").json == {"status": "ready"}


@pytest.mark.usefixtures("database")
def test_without_the_broker_the_server_is_ready_but_degraded(
    caller_with: Callable[..., Caller],
) -> None:
    caller = caller_with(broker_url="redis://127.0.0.1:1/0")
    answer = caller.get("/ready")
    assert answer.status_code == 200
    assert answer.json == {"status": "ready", "degraded": ["broker"]}


def test_a_database_without_tables_is_not_ready(
    caller_with: Callable[..., Caller], postgres: EmbeddedPostgres, tenant_name: str
) -> None:
    caller = caller_with(database_url=postgres.create_database(tenant_name))
    answer = caller.get("/ready")
    assert answer.status_code == 503
    assert answer.json["status"] == "not ready"
    assert "migrated" in answer.json["reason"]
    close(caller.app)
    postgres.drop_database(tenant_name)


def test_ready_follows_the_database_as_it_goes_and_comes(
    caller_with: Callable[..., Caller], data_root: Path
) -> None:
    server = EmbeddedPostgres(data_root / "goes-and-comes")
    server.start()
    database = Database(server.url)
    installation.migrate(database)
    database.close()
    caller = caller_with(database_url=server.url)
    assert caller.get("/ready").status_code == 200
    server.stop()
    answer = caller.get("/ready")
    assert (answer.status_code, answer.json["reason"]) == (503, "the database cannot be reached")
    assert caller.get("/health").status_code == 200
    gone = Caller(caller.app, "clk_any").get("/v1/auth/whoami")
    assert refusal(gone) == (503, "database_unavailable")
    server.start()
    assert caller.get("/ready").status_code == 200
    close(caller.app)
    server.stop()


def test_a_database_that_hangs_does_not_hang_the_answer(
    caller_with: Callable[..., Caller],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        caller = caller_with(database_url=f"postgresql://x@127.0.0.1:{port}/x")
        started = time.monotonic()
        assert [caller.get("/ready").status_code for _ in range(2)] == [503, 503]
        # much more than it takes, on a machine that is busy too
        assert time.monotonic() - started < 30


def test_metrics_are_ours_and_by_route(anyone: Caller, reader: Caller, acme: object) -> None:
    reader.get("/v1/auth/whoami")
    anyone.get("/v1/tenants/secret_name/workflows")
    anyone.get("/no/such/path")
    anyone("MADEUP", "/health")
    answer = anyone.get("/metrics")
    assert answer.mimetype == "text/plain"
    lines = answer.text.splitlines()
    named = [line.removeprefix("# HELP ").removeprefix("# TYPE ") for line in lines]
    assert all(line.startswith("cloacina_") for line in named)
    names = {line.split("{")[0] for line in lines if not line.startswith("#")}
    for name in names:
        base = name.removesuffix("_bucket").removesuffix("_count").removesuffix("_sum")
        assert any(line.startswith(f"# TYPE {base} ") for line in lines)
    assert 'route="/v1/auth/whoami",status="200"' in answer.text
    assert 'route="/v1/tenants/<tenant_id>/workflows",status="401"' in answer.text
    assert 'route="unmatched",status="404"' in answer.text
    assert "secret_name" not in answer.text
    assert "MADEUP" not in answer.text
    assert "/metrics" not in answer.text


@pytest.mark.usefixtures("database")
def test_metrics_may_ask_for_a_token(caller_with: Callable[..., Caller]) -> None:
    app = caller_with(metrics_token="schlüssel").app
    for wrong in (None, "other", "schlüsse"):
        key = None if wrong is None else wrong.encode().decode("latin-1")
        assert refusal(Caller(app, key).get("/metrics")) == (401, "unauthorized")
    assert Caller(app, "schlüssel".encode().decode("latin-1")).get("/metrics").status_code == 200


def test_the_page_of_the_description_needs_nothing_from_elsewhere(anyone: Caller) -> None:
    answer = anyone.get("/docs")
    assert answer.mimetype == "text/html"
    assert "http://" not in answer.text
    assert "https://" not in answer.text
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.text.count("nonce=") == 2
    assert "{nonce}" not in answer.text


def test_answers_are_stored_by_nobody(anyone: Caller, admin: Caller) -> None:
    for answer in (anyone.get("/health"), admin.get("/v1/auth/keys")):
        assert answer.headers["Cache-Control"] == "no-store"
