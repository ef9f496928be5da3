"""What `audit list` asks of the API, and what it prints."""

import json

EVENT = {
    "id": 7, "at": "2026-01-02T03:04:05.000000+00:00", "action": "key.create", "outcome": "ok",
    "subject": "k1", "tenant_id": "acme", "key_id": "k0", "key_name": "ops", "request_id": "r",
    "address": "192.0.2.1", "details": {"role": "read"},
}  # fmt: skip
REFUSED = EVENT | {
    "id": 6, "action": "access.refused", "outcome": "unauthorized", "subject": "GET /v1/tenants",
    "tenant_id": None, "key_id": None, "key_name": None,
}  # fmt: skip
WHOLE = {"items": [EVENT, REFUSED], "total": 2}
PART = {"tenant_id": "acme", "items": [EVENT], "total": 1}
PLATFORM = {"tenant_id": None, "role": "admin", "is_admin": True, "name": "ops"}
DEFAULTS = "limit=100&offset=0"


def test_a_tenants_key_is_shown_its_tenants_part(client, api):
    api.on("GET /v1/tenants/acme/audit", (200, PART))
    assert client("audit", "list").out.splitlines() == [
        "AT                                ACTION      OUTCOME  TENANT  KEY  SUBJECT",
        "2026-01-02T03:04:05.000000+00:00  key.create  ok       acme    ops  k1",
    ]
    assert api.requests[-1].path == f"/v1/tenants/acme/audit?{DEFAULTS}"


def test_a_key_of_the_platform_is_shown_all_of_it(client, api):
    api.on("GET /v1/auth/whoami", (200, PLATFORM))
    api.on("GET /v1/audit", (200, WHOLE))
    assert json.loads(client("audit", "list", "--json").out) == WHOLE["items"]
    assert client("audit", "list", "-o", "id").out == "7\n6\n"
    assert "unauthorized" in client("audit", "list").out


def test_the_filters_are_passed_on(client, api):
    api.on("GET /v1/tenants/globex/audit", (200, PART))
    flags = "--action key. --outcome ok --key k0 --since 5m --limit 3 --offset 1 --tenant globex"
    assert client("audit", "list", *flags.split()).code == 0
    query = api.requests[-1].path.partition("?")[2]
    assert set(query.split("&")) == {
        "action=key.", "outcome=ok", "key_id=k0", "since=5m", "limit=3", "offset=1",
    }  # fmt: skip


def test_a_tenant_that_was_deleted_is_looked_up_in_all_of_it(client, api):
    gone = {"error": "tenant 'gone' not found", "code": "tenant_not_found"}
    api.on("GET /v1/tenants/gone/audit", (404, gone))
    api.on("GET /v1/audit", (200, WHOLE))
    assert client("audit", "list", "--tenant", "gone").code == 0
    assert api.requests[-1].path == f"/v1/audit?tenant=gone&{DEFAULTS}"


def test_another_refusal_is_told_as_it_is(client, api):
    denied = {"error": "this key does not belong to that tenant", "code": "tenant_access_denied"}
    api.on("GET /v1/tenants/globex/audit", (403, denied))
    result = client("audit", "list", "--tenant", "globex")
    assert (result.code, "does not belong" in result.err) == (4, True)
