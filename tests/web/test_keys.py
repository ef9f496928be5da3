import uuid
from datetime import datetime

import pytest
from flask import Flask

from cloacina.db import Database
from cloacina.tenants.models import Tenant
from tests.web.conftest import Caller, make_key, refusal

INFO = {
    "id",
    "name",
    "permissions",
    "created_at",
    "revoked",
    "tenant_id",
    "is_admin",
    "last_used_at",
    "expires_at",
}
CREATED = INFO - {"revoked", "last_used_at"} | {"key"}


def test_a_platform_key_is_for_the_public_tenant_unless_it_is_admin(
    admin: Caller, app: Flask
) -> None:
    made = admin.post("/v1/auth/keys", json={"name": "ci"}).json
    assert set(made) == CREATED
    assert (made["permissions"], made["tenant_id"], made["is_admin"]) == ("admin", "public", False)
    assert made["key"].startswith("clk_")
    god = admin.post("/v1/auth/keys", json={"name": "ops", "is_admin": True}).json
    assert (god["tenant_id"], god["is_admin"]) == (None, True)
    whoami = Caller(app, god["key"]).get("/v1/auth/whoami").json
    assert whoami == {"tenant_id": None, "role": "admin", "is_admin": True, "name": "ops"}


def test_a_key_may_end_by_itself(admin: Caller) -> None:
    made = admin.post("/v1/auth/keys", json={"name": "brief", "expires_in_s": 3600}).json
    life = datetime.fromisoformat(made["expires_at"]) - datetime.fromisoformat(made["created_at"])
    assert life.total_seconds() == 3600


def test_null_in_a_body_means_not_given(admin: Caller) -> None:
    answer = admin.post("/v1/auth/keys", json={"name": "x", "expires_in_s": None})
    assert answer.json["expires_at"] is None


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": ""},
        {"name": "a\0b"},
        {"name": "a\ud800"},
        {"name": "x" * 256},
        {"name": 7},
        {"name": "x", "role": "Admin"},
        {"name": "x", "is_admin": "yes"},
        {"name": "x", "expires_in_s": 0},
        {"name": "x", "expires_in_s": 1.5},
        {"name": "x", "expires_in_s": 10**30},
    ],
)
def test_a_key_that_cannot_be_made_is_refused_and_not_stored(
    admin: Caller, body: dict[str, object]
) -> None:
    before = admin.get("/v1/auth/keys").json["total"]
    assert refusal(admin.post("/v1/auth/keys", json=body)) == (422, "validation_error")
    assert admin.get("/v1/auth/keys").json["total"] == before


def test_the_list_of_all_keys_has_all_tenants_and_no_key_itself(
    admin: Caller, database: Database, acme: Tenant, globex: Tenant
) -> None:
    plaintexts = [make_key(database, tenant, "read") for tenant in (acme, globex)]
    answer = admin.get("/v1/auth/keys")
    assert {item["tenant_id"] for item in answer.json["items"]} >= {acme.name, globex.name, None}
    assert all(set(item) == INFO for item in answer.json["items"])
    assert answer.json["total"] == len(answer.json["items"])
    assert not any(plaintext in answer.text for plaintext in plaintexts)


def test_a_tenants_admin_manages_its_own_keys_and_no_others(
    manager: Caller, app: Flask, database: Database, acme: Tenant, globex: Tenant
) -> None:
    path = f"/v1/tenants/{acme.name}/keys"
    made = manager.post(path, json={"name": "ci", "role": "write", "is_admin": True})
    assert made.status_code == 201
    assert set(made.json) == CREATED
    assert (made.json["tenant_id"], made.json["is_admin"]) == (acme.name, False)
    assert Caller(app, made.json["key"]).get("/v1/auth/whoami").json["role"] == "write"
    listed = manager.get(path).json["items"]
    assert {item["tenant_id"] for item in listed} == {acme.name}
    gone = manager.delete(f"{path}/{made.json['id']}")
    assert gone.json == {"status": "revoked", "id": made.json["id"]}
    assert refusal(Caller(app, made.json["key"]).get("/v1/auth/whoami")) == (401, "unauthorized")
    assert refusal(manager.delete(f"{path}/{made.json['id']}")) == (404, "key_not_found")


def test_another_tenants_key_is_not_found(
    manager: Caller, admin: Caller, database: Database, acme: Tenant, globex: Tenant
) -> None:
    others = Caller(admin.app, make_key(database, globex, "read"))
    theirs = admin.get(f"/v1/tenants/{globex.name}/keys").json["items"][-1]["id"]
    answer = manager.delete(f"/v1/tenants/{acme.name}/keys/{theirs}")
    assert refusal(answer) == (404, "key_not_found")
    assert others.get("/v1/auth/whoami").status_code == 200
    assert admin.delete(f"/v1/auth/keys/{theirs}").json == {"status": "revoked", "id": theirs}
    assert refusal(others.get("/v1/auth/whoami")) == (401, "unauthorized")


def test_an_id_that_is_none_is_refused(admin: Caller, acme: Tenant) -> None:
    for path in ("/v1/auth/keys", f"/v1/tenants/{acme.name}/keys"):
        assert refusal(admin.delete(f"{path}/seven")) == (400, "invalid_key_id")
        assert refusal(admin.delete(f"{path}/{uuid.uuid4()}")) == (404, "key_not_found")


def test_a_key_learns_what_it_is(reader: Caller, acme: Tenant) -> None:
    assert reader.get("/v1/auth/whoami").json == {
        "tenant_id": acme.name,
        "role": "read",
        "is_admin": False,
        "name": "test",
    }
