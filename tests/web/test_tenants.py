import pytest
from flask import Flask

from cloacina.db import Database
from tests.web.conftest import Caller, make_key, refusal


def test_a_tenant_is_created_listed_and_removed(
    admin: Caller, app: Flask, database: Database, tenant_name: str
) -> None:
    body = {"name": tenant_name, "description": "two\nlines", "password": "s3cret-word"}
    made = admin.post("/v1/tenants", json=body)
    assert made.status_code == 201
    expected = {"name": tenant_name, "username": tenant_name, "description": "two\nlines"}
    assert made.json == expected
    listed = admin.get("/v1/tenants")
    [item] = [each for each in listed.json["items"] if each["name"] == tenant_name]
    assert set(item) == {"name", "description", "status", "created_at", "schema_version"}
    assert item["status"] == "active"
    assert "public" not in {each["name"] for each in listed.json["items"]}
    assert "s3cret-word" not in made.text + listed.text

    key = admin.post(f"/v1/tenants/{tenant_name}/keys", json={"name": "ci"}).json["key"]
    removed = admin.delete(f"/v1/tenants/{tenant_name}")
    assert removed.json == {
        "status": "removed",
        "schema_name": tenant_name,
        "revoked_keys": 1,
        "runner_evicted": True,
        "db_cache_evicted": True,
    }
    path = f"/v1/tenants/{tenant_name}/workflows"
    assert refusal(admin.get(path)) == (404, "tenant_not_found")
    assert refusal(Caller(app, key).get(path)) == (401, "unauthorized")

    assert admin.post("/v1/tenants", json={"name": tenant_name}).status_code == 201
    assert admin.get(path).json["items"] == []
    assert refusal(Caller(app, key).get(path)) == (401, "unauthorized")


def test_removing_an_unknown_tenant_is_no_error(admin: Caller) -> None:
    answer = admin.delete("/v1/tenants/never_there")
    assert answer.status_code == 200
    assert answer.json["revoked_keys"] == 0
    assert answer.json["runner_evicted"] is False


def test_the_public_tenant_cannot_be_removed(admin: Caller) -> None:
    assert refusal(admin.delete("/v1/tenants/public")) == (400, "tenant_removal_failed")
    assert admin.get("/v1/tenants/public/workflows").status_code == 200


@pytest.mark.parametrize(
    "name",
    ["Acme", "a" * 64, "1st", "", "pg_x", "public", 'a"; drop', "a b", "a\0", "\ud800", "postgres"],
)
def test_a_name_that_no_tenant_may_have_is_refused(admin: Caller, name: str) -> None:
    before = admin.get("/v1/tenants").json["total"]
    assert refusal(admin.post("/v1/tenants", json={"name": name})) == (
        400,
        "tenant_creation_failed",
    )
    assert admin.get("/v1/tenants").json["total"] == before


def test_a_taken_name_is_refused(admin: Caller, database: Database, tenant_name: str) -> None:
    body = {"name": tenant_name}
    assert admin.post("/v1/tenants", json=body).status_code == 201
    assert refusal(admin.post("/v1/tenants", json=body)) == (400, "tenant_creation_failed")
    body = {"name": database.service_role}
    assert refusal(admin.post("/v1/tenants", json=body)) == (400, "tenant_creation_failed")


@pytest.mark.parametrize(
    "body", [{}, {"name": 7}, {"name": None}, {"name": "fine", "password": ""}]
)
def test_a_wrong_field_is_refused(admin: Caller, body: dict[str, object]) -> None:
    assert refusal(admin.post("/v1/tenants", json=body)) == (422, "validation_error")


def test_a_tenants_key_may_not_create_tenants(app: Flask, database: Database, acme: object) -> None:
    caller = Caller(app, make_key(database, acme, "admin"))
    assert refusal(caller.post("/v1/tenants", json={"name": "x"})) == (403, "admin_required")
