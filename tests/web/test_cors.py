from collections.abc import Iterator
from dataclasses import replace

import pytest

from cloacina.db import Database
from cloacina.settings import Settings
from tests.web.conftest import Caller
from web import create_app
from web.state import close

ORIGIN = "https://console.example"
PREFLIGHT = {"Origin": ORIGIN, "Access-Control-Request-Method": "PATCH"}


@pytest.fixture
def open_to_console(settings: Settings, database: Database) -> Iterator[Caller]:
    """A caller of an application that one origin may call."""
    app = create_app(replace(settings, cors_origins=(ORIGIN,)))
    yield Caller(app)
    close(app)


def test_no_origin_may_call_by_default(anyone: Caller) -> None:
    for answer in (
        anyone.get("/health", headers={"Origin": ORIGIN}),
        anyone("OPTIONS", "/v1/tenants", headers=PREFLIGHT),
    ):
        assert not any(name.startswith("Access-Control") for name, _ in answer.headers)


def test_a_configured_origin_may_call_with_all_methods_and_without_a_key_at_first(
    open_to_console: Caller,
) -> None:
    answer = open_to_console("OPTIONS", "/v1/tenants", headers=PREFLIGHT)
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    methods = set(answer.headers["Access-Control-Allow-Methods"].split(", "))
    assert methods == {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


def test_a_configured_origin_reads_refusals_and_their_ids(open_to_console: Caller) -> None:
    answer = open_to_console.get("/v1/tenants", headers={"Origin": ORIGIN})
    assert answer.status_code == 401
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    exposed = answer.headers["Access-Control-Expose-Headers"].split(", ")
    assert set(exposed) == {"x-request-id", "Retry-After"}


def test_another_origin_may_not_call(open_to_console: Caller) -> None:
    answer = open_to_console.get("/health", headers={"Origin": "https://console.example.evil"})
    assert "Access-Control-Allow-Origin" not in answer.headers
