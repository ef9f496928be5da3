import logging
from collections.abc import Iterator

import pytest
from flask import Flask

from cloacina import errors as core
from cloacina.db import Database
from cloacina.lifecycle.tenants import create_tenant
from cloacina.settings import Settings
from tests.removal import delete_tenant
from tests.web.conftest import Caller, make_key, refusal
from web import create_app
from web.authz import LEVELS, PUBLIC
from web.errors import STATUSES
from web.state import close


@pytest.fixture
def own_app(settings: Settings, database: Database) -> Iterator[Flask]:
    """An application that a test may still change."""
    app = create_app(settings)
    yield app
    close(app)


def test_an_unknown_path_is_not_found(anyone: Caller, admin: Caller) -> None:
    for path in ("/", "/v1", "/v1/nothing", "/v1//tenants", "/v1/tenants/", "/v1/compiler/status"):
        assert refusal(anyone.get(path)) == (404, "not_found")
        assert refusal(admin.get(path)) == (404, "not_found")


def test_a_wrong_method_is_told_the_right_ones(anyone: Caller) -> None:
    answer = anyone("PATCH", "/v1/tenants")
    assert refusal(answer) == (405, "method_not_allowed")
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS", "POST"}


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b'{"name": NaN}',
        b'{"name": "\xff"}',
        b"[" * 100_000,
        b'{"name": 1e999}',
        b"\xef\xbb\xbf{}",
    ],
)
def test_a_body_that_is_not_json_is_refused(admin: Caller, body: bytes) -> None:
    answer = admin.post("/v1/auth/keys", data=body, content_type="application/json")
    assert refusal(answer) == (400, "invalid_json")


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_a_body_that_is_not_said_to_be_json_is_refused(admin: Caller, content_type: str) -> None:
    answer = admin.post("/v1/auth/keys", data=b'{"name": "x"}', content_type=content_type)
    assert refusal(answer) == (415, "unsupported_media_type")


@pytest.mark.parametrize("body", ["[1]", "3", "null", '"x"'])
def test_a_json_body_must_be_an_object(admin: Caller, body: str) -> None:
    answer = admin.post("/v1/auth/keys", data=body, content_type="application/json")
    assert refusal(answer) == (422, "validation_error")


def test_a_wrong_field_is_named(admin: Caller) -> None:
    answer = admin.post("/v1/auth/keys", json={"role": "boss", "expires_in_s": "soon"})
    assert refusal(answer) == (422, "validation_error")
    for name in ("name: is required", "role: must be one of", "expires_in_s:"):
        assert name in answer.json["error"]


def test_an_unknown_field_is_passed_over(admin: Caller) -> None:
    answer = admin.post("/v1/auth/keys", json={"name": "x", "colour": "red"})
    assert answer.status_code == 201


def test_every_error_that_is_for_clients_has_a_status() -> None:
    statuses = dict(STATUSES)
    for name in (
        "InvalidInput",
        "Unauthorized",
        "Forbidden",
        "NotFound",
        "Conflict",
        "Unavailable",
    ):
        assert getattr(core, name) in statuses


def test_an_unexpected_error_is_logged_under_its_request_id_and_says_nothing(
    own_app: Flask, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise RuntimeError("the secret inside")

    monkeypatch.setitem(LEVELS, "broken", PUBLIC)
    own_app.add_url_rule("/broken", "broken", fail)
    with caplog.at_level(logging.ERROR):
        answer = Caller(own_app).get("/broken", headers={"x-request-id": "abc"})
    assert refusal(answer) == (500, "internal_error")
    assert "secret" not in answer.text
    assert "the secret inside" in caplog.text


def test_a_tenant_that_goes_while_its_request_is_served_is_gone_not_an_error(
    own_app: Flask, database: Database, admin_key: str, tenant_name: str
) -> None:
    tenant = create_tenant(database, tenant_name)
    tenants_key = make_key(database, tenant, "read")
    own_app.before_request(lambda: delete_tenant(database, tenant_name) and None)
    answer = Caller(own_app, tenants_key).get(f"/v1/tenants/{tenant_name}/workflows")
    assert refusal(answer) == (401, "unauthorized")
    create_tenant(database, tenant_name)
    answer = Caller(own_app, admin_key).get(f"/v1/tenants/{tenant_name}/workflows")
    assert refusal(answer) == (404, "tenant_not_found")


def test_a_database_that_is_away_is_said_to_be(settings: Settings, admin_key: str) -> None:
    app = create_app(
        Settings(
            database_url="postgresql://nobody@127.0.0.1:1/nothing", broker_url=settings.broker_url
        )
    )
    answer = Caller(app, admin_key).get("/v1/tenants")
    assert refusal(answer) == (503, "database_unavailable")
    close(app)
