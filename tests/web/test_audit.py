"""The audit log over HTTP: what it gives to whom, page by page and filtered."""

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from cloacina.audit import services as audit
from cloacina.db import Database
from cloacina.lifecycle.tenants import create_tenant
from cloacina.tenants.models import Tenant
from tests.cloacina.audit.lines import add, lines
from tests.web.auditing import address
from tests.web.conftest import Caller, make_key, refusal

KEYS = {
    "id", "at", "action", "outcome", "subject", "tenant_id", "key_id", "key_name", "request_id",
    "address", "details",
}  # fmt: skip


@pytest.fixture(scope="module")
def noted(database: Database, acme: Tenant, globex: Tenant) -> Database:
    """A database whose log has some lines of two tenants and of the platform."""
    for number in range(25):
        add(database, acme, "thing.add", subject=f"a{number}", number=number)
        add(database, globex, "thing.add", subject=f"g{number}")
    add(database, acme, "thing.drop", outcome="thing_missing")
    add(database, acme, "things.count")
    add(database, None, "thing.add", subject="p")
    return database


def test_a_line_says_who_did_what_when_and_from_where(
    admin: Caller, database: Database, acme: Tenant
) -> None:
    who, where = make_id(admin), address()
    made = admin.post(
        f"/v1/tenants/{acme.name}/keys",
        json={"name": "ci", "role": "write"},
        headers={"x-request-id": "find-me"},
        environ_base={"REMOTE_ADDR": where},
    ).json
    (item,) = admin.get("/v1/audit?request_id=find-me").json["items"]
    assert set(item) == KEYS
    assert item | {"id": 0, "at": ""} == {
        "id": 0,
        "at": "",
        "action": "key.create",
        "outcome": "ok",
        "subject": made["id"],
        "tenant_id": acme.name,
        "key_id": who,
        "key_name": "test",
        "request_id": "find-me",
        "address": where,
        "details": {"name": "ci", "role": "write", "is_admin": False, "expires_at": None},
    }
    assert item["at"] >= made["created_at"]
    assert made["key"] not in admin.get("/v1/audit").text


def make_id(caller: Caller) -> str:
    """Give the id of a caller's key, which is the only platform's key with its name."""
    keys = caller.get("/v1/auth/keys").json["items"]
    (found,) = [key["id"] for key in keys if key["is_admin"] and key["name"] == "test"]
    return str(found)


def test_a_tenants_admin_sees_its_own_part_alone(
    manager: Caller, noted: Database, acme: Tenant
) -> None:
    answer = manager.get(f"/v1/tenants/{acme.name}/audit?action=thing.").json
    assert answer["tenant_id"] == acme.name
    assert answer["total"] == len(answer["items"]) == 26
    assert {item["tenant_id"] for item in answer["items"]} == {acme.name}
    assert refusal(manager.get("/v1/audit")) == (403, "admin_required")


def test_nobody_below_an_admin_sees_it(writer: Caller, reader: Caller, acme: Tenant) -> None:
    for caller in (writer, reader):
        answer = caller.get(f"/v1/tenants/{acme.name}/audit")
        assert refusal(answer) == (403, "insufficient_permissions")


def test_the_platform_sees_all_and_each_tenants_part(
    admin: Caller, noted: Database, acme: Tenant, globex: Tenant
) -> None:
    names = {item["tenant_id"] for item in admin.get("/v1/audit?action=thing.").json["items"]}
    assert names == {acme.name, globex.name, None}
    for path in (f"tenants/{globex.name}/audit?", f"audit?tenant={globex.name}&"):
        subjects = [item["subject"] for item in admin.get(f"/v1/{path}action=thing.").json["items"]]
        assert subjects == [f"g{number}" for number in reversed(range(25))]


def test_pages_stay_as_they_are_while_lines_are_added(
    manager: Caller, noted: Database, acme: Tenant
) -> None:
    path, seen, before = f"/v1/tenants/{acme.name}/audit?action=thing.add", [], ""
    while page := manager.get(f"{path}&limit=10{before}").json["items"]:
        seen += [item["subject"] for item in page]
        before = f"&before={page[-1]['id']}"
        add(noted, acme, "thing.add", subject="later")
    assert seen == [f"a{number}" for number in reversed(range(25))]
    numbered = manager.get(f"{path}&limit=10&offset=3").json["items"]
    assert [item["subject"] for item in numbered] == [f"a{number}" for number in range(24, 14, -1)]
    behind = manager.get(f"{path}&limit=1&offset=1&before={numbered[0]['id']}").json["items"]
    assert [item["subject"] for item in behind] == ["a22"]


@pytest.mark.parametrize(
    ("query", "actions"),
    [
        ("action=thing.drop", {"thing.drop"}),
        ("action=thing.", {"thing.add", "thing.drop"}),
        ("action=thin.", set()),
        ("outcome=thing_missing", {"thing.drop"}),
        ("since=1h&action=things.count", {"things.count"}),
        ("until=1h&action=things.count", set()),
        ("since=2020-01-01T00:00:00Z&until=2020-01-02T00:00:00Z", set()),
        ("request_id=nobodys", set()),
        ("key_id=00000000-0000-4000-8000-000000000000", set()),
        ("before=0", set()),
    ],
)
def test_each_filter_leaves_what_fits(
    manager: Caller, noted: Database, acme: Tenant, query: str, actions: set[str]
) -> None:
    items = manager.get(f"/v1/tenants/{acme.name}/audit?limit=1000&{query}").json["items"]
    assert {item["action"] for item in items} == actions


def test_lines_are_found_by_the_key_that_was_presented(
    app: Flask, admin: Caller, database: Database, acme: Tenant
) -> None:
    manager = Caller(app, make_key(database, acme, "admin", "of-its-own"))
    listed = admin.get("/v1/auth/keys").json["items"]
    key_id = next(key["id"] for key in listed if key["name"] == "of-its-own")
    path = f"/v1/tenants/{acme.name}"
    made = manager.post(f"{path}/keys", json={"name": "x"}).json["id"]
    assert manager.delete(f"{path}/keys/{made}").status_code == 200
    items = manager.get(f"{path}/audit?key_id={key_id}").json["items"]
    assert [(item["action"], item["subject"]) for item in items] == [
        ("key.revoke", made),
        ("key.create", made),
    ]


@pytest.mark.parametrize(
    ("query", "field", "code"),
    [
        ("limit=0", "limit", "invalid_pagination"),
        ("limit=1001", "limit", "invalid_pagination"),
        ("offset=-1", "offset", "invalid_pagination"),
        ("before=x", "before", "invalid_request"),
        ("before=-1", "before", "invalid_request"),
        ("before=9223372036854775808", "before", "invalid_request"),
        ("action=create", "action", "invalid_request"),
        ("action=key.%25", "action", "invalid_request"),
        ("outcome=Not%20Found", "outcome", "invalid_request"),
        ("key_id=seven", "key_id", "invalid_request"),
        ("since=yesterday", "since", "invalid_request"),
        ("until=2026-01-02T03:04:05", "until", "invalid_request"),
        ("request_id=", "request_id", "invalid_request"),
    ],
)
def test_a_filter_of_a_wrong_form_is_refused_by_its_name(
    admin: Caller, acme: Tenant, query: str, field: str, code: str
) -> None:
    for path in ("/v1/audit", f"/v1/tenants/{acme.name}/audit"):
        answer = admin.get(f"{path}?{query}")
        assert refusal(answer) == (400, code)
        assert answer.json["error"].startswith(f"{field}: ")


def test_a_tenant_made_anew_sees_nothing_of_the_old_one_and_the_platform_sees_both(
    app: Flask, admin: Caller, database: Database, tenant_name: str
) -> None:
    old = create_tenant(database, tenant_name)
    add(database, old, "thing.add", subject="old")
    assert admin.delete(f"/v1/tenants/{tenant_name}").status_code == 200
    new = create_tenant(database, tenant_name)
    add(database, new, "thing.add", subject="new")
    manager = Caller(app, make_key(database, new, "admin"))
    own = manager.get(f"/v1/tenants/{tenant_name}/audit?action=thing.").json["items"]
    assert [item["subject"] for item in own] == ["new"]
    both = admin.get(f"/v1/audit?action=thing.&tenant={tenant_name}").json["items"]
    assert [item["subject"] for item in both] == ["new", "old"]


def test_a_change_that_is_rolled_back_leaves_no_line(database: Database, acme: Tenant) -> None:
    before = lines(database, tenant_name=acme.name)
    with pytest.raises(ZeroDivisionError), database.platform() as session:
        record_and_fail(session, acme)
    assert lines(database, tenant_name=acme.name) == before


def record_and_fail(session: Session, tenant: Tenant) -> None:
    audit.record(session, "thing.add", tenant)
    raise ZeroDivisionError
