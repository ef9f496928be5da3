"""Operators see how a tenant stands, suspend it and let it go on."""

from collections.abc import Iterator

import pytest
from flask import Flask

from cloacina.db import Database
from cloacina.lifecycle.tenants import create_tenant
from tests.web.conftest import Caller, refusal


@pytest.fixture
def path(admin: Caller, database: Database, tenant_name: str) -> str:
    """A tenant's own path."""
    create_tenant(database, tenant_name, description="makes anvils")
    return f"/v1/tenants/{tenant_name}"


def test_a_tenant_is_shown_with_what_it_has(
    admin: Caller, app: Flask, path: str, tenant_name: str
) -> None:
    for _ in range(2):
        key = admin.post(f"{path}/keys", json={"name": "ci"}).json
    admin.delete(f"{path}/keys/{key['id']}")
    shown = admin.get(path).json
    assert len(shown.pop("id")) == 36
    assert shown.pop("created_at")
    assert shown.pop("schema_version")
    assert shown == {
        "name": tenant_name,
        "description": "makes anvils",
        "status": "active",
        "username": tenant_name,
        "live_keys": 1,
        "workers": [],
        "packages": 0,
        "storage_bytes": 0,
        "executions": {
            "Pending": 0,
            "Running": 0,
            "Paused": 0,
            "Completed": 0,
            "Failed": 0,
            "Cancelled": 0,
        },
    }
    assert admin.get("/v1/tenants/public").json["status"] == "active"


def test_a_suspended_tenant_is_closed_to_its_keys_and_to_what_would_start_something(
    admin: Caller, app: Flask, path: str, tenant_name: str
) -> None:
    own = Caller(app, admin.post(f"{path}/keys", json={"name": "ci"}).json["key"])
    for _ in range(2):
        answer = admin.post(f"{path}/suspend")
        assert answer.json == {"name": tenant_name, "status": "suspended"}

    suspended = (403, "tenant_suspended")
    for answer in (
        own.get(f"{path}/workflows"),
        own.get(f"{path}/keys"),
        own.post(f"{path}/workflows/x/pause"),
        own.post(f"{path}/workflows/x/execute", json={}),
        admin.post(f"{path}/workflows/x/execute", json={}),
        admin.post(f"{path}/workflows", data={}),
        admin.post(f"{path}/workflows/x/resume"),
        admin.post(f"{path}/executions/x/resume"),
        admin.post(f"{path}/executions/x/rerun", json={}),
    ):
        assert refusal(answer) == suspended
    # who it is may still be asked
    assert own.get("/v1/auth/whoami").status_code == 200
    # an operator looks, and ends what runs
    assert admin.get(f"{path}/workflows").status_code == 200
    assert admin.get(path).json["status"] == "suspended"
    assert refusal(admin.post(f"{path}/workflows/x/pause")) == (404, "workflow_not_found")
    assert admin.delete(f"{path}/workflows/x/1.0.0").status_code == 200
    assert admin.post(f"{path}/keys", json={"name": "another"}).status_code == 201
    [item] = [
        each for each in admin.get("/v1/tenants").json["items"] if each["name"] == tenant_name
    ]
    assert item["status"] == "suspended"

    for _ in range(2):
        assert admin.post(f"{path}/resume").json == {"name": tenant_name, "status": "active"}
    assert own.get(f"{path}/workflows").status_code == 200


@pytest.fixture
def suspended_public(admin: Caller) -> Iterator[None]:
    assert admin.post("/v1/tenants/public/suspend").json["status"] == "suspended"
    yield
    assert admin.post("/v1/tenants/public/resume").json["status"] == "active"


@pytest.mark.usefixtures("suspended_public")
def test_the_tenant_that_always_exists_may_be_suspended_too(
    admin: Caller, app: Flask, database: Database
) -> None:
    answer = admin.post("/v1/tenants/public/workflows/x/execute", json={})
    assert refusal(answer) == (403, "tenant_suspended")


def test_of_an_unknown_tenant_nothing_is_said(admin: Caller, manager: Caller, path: str) -> None:
    for answer in (
        admin.get("/v1/tenants/nobody"),
        admin.post("/v1/tenants/nobody/suspend"),
        admin.post("/v1/tenants/nobody/resume"),
    ):
        assert refusal(answer) == (404, "tenant_not_found")
    for answer in (manager.get(path), manager.post(f"{path}/suspend")):
        assert refusal(answer) == (403, "admin_required")
