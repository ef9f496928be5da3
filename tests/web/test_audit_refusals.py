"""Every refused access leaves a line, which tells nobody of others, and a flood leaves few."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask

from cloacina.audit.models import Event
from cloacina.db import Database
from cloacina.keys import services as keys
from cloacina.lifecycle.tenants import create_tenant
from cloacina.settings import Settings
from cloacina.tenants.models import Tenant, TenantRow
from tests.cloacina.audit.lines import lines
from tests.web.auditing import address
from tests.web.conftest import Caller, make_key, refusal
from tests.web.test_authz import concrete, routes
from web import create_app
from web.authz import LEVELS
from web.condense import SOURCE_LINES
from web.state import close

UNKNOWN = "clk_nobody-has-this-key"


def refused(database: Database, from_where: str) -> list[Event]:
    """Give the refusals of what came from an address."""
    found = lines(database, action="access.refused")
    return [event for event in found if event.address == from_where]


def asked_from(caller: Caller, method: str, path: str, where: str, **request: Any) -> None:
    """Ask from an address, and be refused."""
    answer = caller(method, path, environ_base={"REMOTE_ADDR": where}, **request)
    assert answer.status_code in {401, 403}


def test_every_route_that_is_not_open_records_whom_it_refuses(
    app: Flask, database: Database, acme: Tenant
) -> None:
    expected = set()
    where = ""
    for number, (method, pattern, endpoint) in enumerate(routes(app)):
        if LEVELS[endpoint].scope != "public":
            if number % SOURCE_LINES == 0 or not where:
                where = address()
            asked_from(Caller(app), method, concrete(pattern, acme.name), where)
            expected.add((f"{method} {pattern}", "unauthorized"))
    found = {(event.subject, event.outcome) for event in lines(database, action="access.refused")}
    assert found >= expected


def test_an_unknown_key_is_written_down_nowhere_and_the_paths_tenant_is(
    app: Flask, database: Database, acme: Tenant
) -> None:
    where = address()
    asked_from(Caller(app, UNKNOWN), "GET", f"/v1/tenants/{acme.name}/workflows?x=secret", where)
    (event,) = refused(database, where)
    assert event.subject == "GET /v1/tenants/<tenant_id>/workflows"
    assert (event.outcome, event.tenant_name) == ("unauthorized", acme.name)
    assert (event.key_id, event.key_name, event.details) == (None, None, None)


@pytest.mark.parametrize("name", [UNKNOWN, "No-Tenants-Name", "%00", "x" * 64])
def test_what_can_be_no_tenants_name_is_not_written_down(
    app: Flask, database: Database, name: str
) -> None:
    where = address()
    asked_from(Caller(app), "GET", f"/v1/tenants/{name}/workflows", where)
    (event,) = refused(database, where)
    assert (event.tenant_name, event.details) == (None, None)


def test_a_key_that_asks_for_another_tenant_is_in_its_own_tenants_log_alone(
    app: Flask, database: Database, acme: Tenant, globex: Tenant
) -> None:
    stranger = Caller(app, make_key(database, globex, "admin", "stranger"))
    manager = Caller(app, make_key(database, acme, "admin"))
    where = address()
    for name in (acme.name, "nobody"):
        asked_from(stranger, "GET", f"/v1/tenants/{name}/workflows", where)
        asked_from(stranger, "DELETE", f"/v1/tenants/{name}", where)
    path = "/v1/tenants/{}/audit?action=access.refused"
    own = [
        item
        for item in stranger.get(path.format(globex.name)).json["items"]
        if item["address"] == where
    ]
    # whether the other tenant exists makes no difference
    assert [(item["details"], item["outcome"]) for item in reversed(own)] == [
        ({"asked_for": acme.name}, "tenant_access_denied"),
        ({"asked_for": acme.name}, "admin_required"),
        ({"asked_for": "nobody"}, "tenant_access_denied"),
        ({"asked_for": "nobody"}, "admin_required"),
    ]
    assert {(item["key_name"], item["tenant_id"]) for item in own} == {("stranger", globex.name)}
    theirs = manager.get(path.format(acme.name)).text
    assert "stranger" not in theirs
    assert globex.name not in theirs
    assert where not in theirs


def test_a_role_that_is_too_low_and_a_suspended_tenant_are_refusals(
    app: Flask, database: Database, admin: Caller, tenant_name: str
) -> None:
    tenant = create_tenant(database, tenant_name)
    reader = Caller(app, make_key(database, tenant, "read"))
    where = address()
    asked_from(reader, "POST", f"/v1/tenants/{tenant_name}/workflows", where)
    with database.platform() as session:
        session.get_one(TenantRow, tenant.id).status = "suspended"
    asked_from(reader, "GET", f"/v1/tenants/{tenant_name}/workflows", where)
    asked_from(admin, "POST", f"/v1/tenants/{tenant_name}/workflows", where)
    these = refused(database, where)
    found = [(event.outcome, event.key_name, event.tenant_name) for event in these]
    assert found == [
        ("tenant_suspended", "test", tenant_name),
        ("tenant_suspended", "test", tenant_name),
        ("insufficient_permissions", "test", tenant_name),
    ]


@pytest.fixture
def own_app(settings: Settings, database: Database) -> Iterator[Flask]:
    """An application behind a proxy, with a metrics token and a route that was forgotten."""
    app = create_app(replace(settings, trusted_proxies=1, metrics_token="secret"))
    app.add_url_rule("/v1/forgotten/<tenant_id>", "forgotten", lambda tenant_id: tenant_id)
    yield app
    close(app)


def test_a_route_without_a_level_and_the_metrics_record_whom_they_refuse(
    own_app: Flask, database: Database, admin_key: str, acme: Tenant
) -> None:
    where = address()
    asked_from(Caller(own_app, admin_key), "GET", f"/v1/forgotten/{acme.name}", where)
    asked_from(Caller(own_app, "wrong"), "GET", "/metrics", where)
    these = refused(database, where)
    found = {(event.outcome, event.subject, event.tenant_name) for event in these}
    assert found == {
        ("authz_unclassified", "GET /v1/forgotten/<tenant_id>", acme.name),
        ("unauthorized", "GET /metrics", None),
    }


def test_the_address_is_what_the_trusted_proxy_says_and_nothing_that_others_say(
    own_app: Flask, app: Flask, database: Database
) -> None:
    proxy, client = address(), address()
    headers = {"X-Forwarded-For": f"192.0.2.66, {client}", "X-Forwarded-Host": "evil.example"}
    asked_from(Caller(own_app), "GET", "/v1/tenants", proxy, headers=headers)
    assert len(refused(database, client)) == 1
    asked_from(Caller(app), "GET", "/v1/tenants", proxy, headers=headers)
    assert len(refused(database, proxy)) == 1
    assert refused(database, "192.0.2.66") == []


def test_a_flood_leaves_few_lines_and_the_number_of_the_others(
    app: Flask, database: Database, acme: Tenant
) -> None:
    where = address()
    caller = Caller(app, UNKNOWN)

    def flood() -> None:
        for _ in range(50):
            asked_from(caller, "GET", f"/v1/tenants/{acme.name}/keys", where)

    threads = [threading.Thread(target=flood) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = refused(database, where)
    assert SOURCE_LINES <= len(found) < 100
    counted = sum((event.details or {}).get("passed_over", 0) for event in found)
    assert len(found) + counted <= 200


def test_a_flood_of_one_outcome_hides_no_other(
    app: Flask, database: Database, acme: Tenant, globex: Tenant
) -> None:
    where = address()
    for _ in range(3 * SOURCE_LINES):
        asked_from(Caller(app), "GET", "/v1/tenants", where)
    stranger = Caller(app, make_key(database, globex, "read"))
    asked_from(stranger, "GET", f"/v1/tenants/{acme.name}/workflows", where)
    assert refused(database, where)[0].outcome == "tenant_access_denied"


def test_a_refusal_stays_one_while_the_database_is_away(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    url = "postgresql://nobody@127.0.0.1:1/nothing"
    app = create_app(replace(settings, database_url=url))
    try:
        for _ in range(3):
            assert refusal(Caller(app).get("/v1/tenants")) == (401, "unauthorized")
    finally:
        close(app)
    written = [record.getMessage() for record in caplog.records if record.name == "web.auditing"]
    assert len(written) == 3
    assert all("access.refused of GET /v1/tenants: unauthorized" in line for line in written)


def test_a_change_that_the_absent_database_refuses_is_told_by_the_servers_log_alone(
    settings: Settings,
) -> None:
    app = create_app(replace(settings, database_url="postgresql://nobody@127.0.0.1:1/nothing"))
    try:
        answer = Caller(app, keys.generate()).post("/v1/auth/keys", json={"name": "x"})
        assert refusal(answer) == (503, "database_unavailable")
    finally:
        close(app)
