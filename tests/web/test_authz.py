import re

import pytest
from flask import Flask

from cloacina.db import Database
from cloacina.keys import services as keys
from cloacina.keys.models import ROLES
from cloacina.settings import Settings
from cloacina.tenants.models import Tenant
from tests.web.conftest import Caller, make_key, refusal
from web import create_app
from web.authz import LEVELS
from web.state import close

MISSING_ID = "00000000-0000-4000-8000-000000000000"


def routes(app: Flask) -> list[tuple[str, str, str]]:
    """Every method, path pattern and endpoint of the application."""
    return [
        (method, rule.rule, rule.endpoint)
        for rule in app.url_map.iter_rules()
        for method in sorted(rule.methods or ())
        if method not in {"HEAD", "OPTIONS"}
    ]


def concrete(pattern: str, tenant: str) -> str:
    """Fill a pattern in so that nothing but the tenant exists."""
    return re.sub(r"<\w+>", MISSING_ID, pattern.replace("<tenant_id>", tenant))


def test_every_route_has_a_level_and_every_level_a_route(app: Flask) -> None:
    assert {endpoint for _, _, endpoint in routes(app)} == set(LEVELS)


def test_a_path_with_a_tenant_is_never_open_to_other_tenants(app: Flask) -> None:
    for _, pattern, endpoint in routes(app):
        if "<tenant_id>" in pattern:
            assert LEVELS[endpoint].scope in {"tenant", "platform"}


def test_a_route_without_a_level_is_refused_for_everyone(
    settings: Settings, database: Database, admin_key: str
) -> None:
    app = create_app(settings)
    app.add_url_rule("/v1/forgotten", "forgotten", lambda: "open")
    for caller in (Caller(app), Caller(app, admin_key)):
        assert refusal(caller.get("/v1/forgotten")) == (403, "authz_unclassified")
    close(app)


def test_each_route_takes_exactly_the_keys_of_its_level(
    app: Flask, database: Database, acme: Tenant, globex: Tenant, admin_key: str
) -> None:
    callers = {role: Caller(app, make_key(database, acme, role)) for role in ROLES}
    stranger = Caller(app, make_key(database, globex, "admin"))
    for method, pattern, endpoint in routes(app):
        level, path = LEVELS[endpoint], concrete(pattern, acme.name)
        if level.scope == "public":
            continue
        assert refusal(Caller(app)(method, path)) == (401, "unauthorized")
        assert Caller(app, admin_key)(method, path).status_code not in {401, 403}
        for role, caller in callers.items():
            answer = caller(method, path)
            if level.scope == "platform":
                assert refusal(answer) == (403, "admin_required"), path
            elif ROLES.index(role) < ROLES.index(level.role):
                assert refusal(answer) == (403, "insufficient_permissions"), path
            else:
                assert answer.status_code not in {401, 403}, path
        if level.scope == "tenant":
            assert refusal(stranger(method, path)) == (403, "tenant_access_denied")


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Basic dXNlcjpwYXNz",
        "Bearer clk_unknown",
        "clk_unknown",
        "Bearer \xff",
    ],
)
def test_a_missing_or_malformed_key_is_unauthorized(anyone: Caller, header: str) -> None:
    answer = anyone.get("/v1/auth/whoami", headers={"Authorization": header} if header else {})
    assert refusal(answer) == (401, "unauthorized")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_the_scheme_of_the_header_may_have_any_case(anyone: Caller, admin_key: str) -> None:
    headers = {"Authorization": f"bearer {admin_key}"}
    assert anyone.get("/v1/auth/whoami", headers=headers).status_code == 200


@pytest.mark.parametrize("given", ["a=b==", "two words", "schlüssel-日本", "clk_x, y"])
def test_a_given_key_of_any_shape_opens_the_door(
    app: Flask, database: Database, given: str
) -> None:
    with database.platform() as session:
        keys.issue(session, "given", "admin", None, plaintext=given)
    on_the_wire = given.encode().decode("latin-1")
    assert Caller(app, on_the_wire).get("/v1/auth/whoami").status_code == 200


def test_a_revoked_key_is_dead_at_once(app: Flask, database: Database, acme: Tenant) -> None:
    with database.platform() as session:
        issued = keys.issue(session, "short-lived", "read", acme)
    caller = Caller(app, issued.plaintext)
    assert caller.get("/v1/auth/whoami").status_code == 200
    with database.platform() as session:
        keys.revoke(session, issued.info.id, acme)
    assert refusal(caller.get("/v1/auth/whoami")) == (401, "unauthorized")


def test_a_missing_tenant_looks_to_a_tenants_key_like_another_tenant(
    reader: Caller, globex: Tenant
) -> None:
    missing = reader.get("/v1/tenants/nobody/workflows")
    other = reader.get(f"/v1/tenants/{globex.name}/workflows")
    assert refusal(missing) == refusal(other) == (403, "tenant_access_denied")
    assert missing.json == other.json


def test_an_admin_key_learns_that_a_tenant_is_missing(admin: Caller) -> None:
    assert refusal(admin.get("/v1/tenants/nobody/workflows")) == (404, "tenant_not_found")


def test_authorization_comes_before_the_body_is_looked_at(reader: Caller, acme: Tenant) -> None:
    broken = {"data": b"{", "content_type": "application/json"}
    assert refusal(reader.post("/v1/tenants", **broken)) == (403, "admin_required")
    path = f"/v1/tenants/{acme.name}/workflows/x/execute"
    assert refusal(reader.post(path, **broken)) == (403, "insufficient_permissions")
    announced = {"data": b"x" * (2 * 1024 * 1024), "content_type": "application/json"}
    assert refusal(reader.post(path, **announced)) == (403, "insufficient_permissions")


def test_a_url_that_no_database_can_store_is_refused(reader: Caller, acme: Tenant) -> None:
    for path in ("workflows/a%00b", "executions?workflow=a%00b"):
        answer = reader.get(f"/v1/tenants/{acme.name}/{path}")
        assert refusal(answer) == (400, "invalid_request")
