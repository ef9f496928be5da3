"""T/limits: shown to the tenant, set by the platform, each change on record."""

import json
from typing import Any

import pytest
from sqlalchemy import select

from cloacina.audit.models import AuditRow
from cloacina.db import Database
from cloacina.settings import HIGHEST_LIMITS, Settings
from cloacina.tenants.models import Tenant
from cloacina.tenants.services import LIMITS
from tests.web.conftest import Caller, refusal

ADDED = [name for name in LIMITS if name != "max_agents"]


@pytest.fixture
def path(admin: Caller, acme: Tenant) -> str:
    """Where acme's limits are, which are the defaults."""
    path = f"/v1/tenants/{acme.name}/limits"
    assert admin.delete(path).status_code == 200
    return path


def own(answer: Any) -> dict[str, Any]:
    """Give what was set for the tenant."""
    found = {name: answer[name]["tenant_override"] for name in ADDED}
    return {"max_agents": answer["tenant_override"]} | found


def test_without_limits_of_its_own_a_tenant_has_those_of_the_settings(
    reader: Caller, path: str, acme: Tenant, settings: Settings
) -> None:
    answer = reader.get(path).json
    assert answer["tenant_id"] == acme.name
    assert answer["default_max_agents"] == answer["effective_limit"] == settings.default_max_agents
    assert own(answer) == dict.fromkeys(LIMITS)
    most = settings.tenant_packages
    assert answer["max_packages"] == {
        "effective_limit": most,
        "default_limit": most,
        "tenant_override": None,
        "used": 0,
    }
    assert answer["max_queued_executions"]["effective_limit"] == settings.tenant_queued_executions
    assert answer["max_storage_bytes"]["effective_limit"] == settings.tenant_storage_bytes
    assert answer["max_requests_per_s"]["effective_limit"] == settings.tenant_requests_per_s
    assert answer["max_requests_per_s"]["used"] is None
    # nobody serves it: one slot is what it gets of the first worker
    assert answer["max_concurrent_tasks"]["effective_limit"] == 1


def test_what_is_set_holds_and_what_is_left_out_stays(
    admin: Caller, reader: Caller, path: str
) -> None:
    assert admin.post(path, json={"max_packages": 5, "max_agents": 2}).status_code == 200
    answer = admin.post(path, json={"max_requests_per_s": 7_000, "max_agents": None}).json
    assert own(answer) == dict.fromkeys(LIMITS) | {"max_packages": 5, "max_requests_per_s": 7_000}
    assert answer == reader.get(path).json
    assert answer["max_packages"]["effective_limit"] == 5
    assert answer["max_packages"]["default_limit"] == 1000
    assert own(admin.delete(path).json) == dict.fromkeys(LIMITS)


def test_the_highest_limits_can_be_set(admin: Caller, path: str) -> None:
    answer = admin.post(path, json=dict(HIGHEST_LIMITS)).json
    assert own(answer) == HIGHEST_LIMITS


def test_another_tenants_limits_stay(admin: Caller, path: str, globex: Tenant) -> None:
    admin.post(path, json={"max_packages": 5})
    answer = admin.get(f"/v1/tenants/{globex.name}/limits").json
    assert own(answer) == dict.fromkeys(LIMITS)


@pytest.mark.parametrize("name", LIMITS)
def test_nonsense_is_refused_by_the_name_of_its_field(admin: Caller, path: str, name: str) -> None:
    for value in (0, -1, True, "5", 1.5, HIGHEST_LIMITS[name] + 1, 10**30, [], {}):
        answer = admin.post(path, json={name: value})
        assert refusal(answer) == (422, "validation_error"), value
        assert name in answer.json["error"]
    assert own(admin.get(path).json) == dict.fromkeys(LIMITS)


def test_a_body_that_sets_nothing_is_refused(admin: Caller, path: str) -> None:
    for body in ({}, {"max_workers": 5}):
        assert refusal(admin.post(path, json=body)) == (422, "validation_error")


def test_limits_of_a_tenant_that_does_not_exist_are_not_found(admin: Caller) -> None:
    path = "/v1/tenants/nobody/limits"
    for answer in (admin.get(path), admin.post(path, json={"max_agents": 1}), admin.delete(path)):
        assert refusal(answer) == (404, "tenant_not_found")


def test_each_change_is_on_record_with_what_was_before_and_after(
    admin: Caller, path: str, database: Database, acme: Tenant
) -> None:
    admin.post(path, json={"max_packages": 5})
    answer = admin.post(path, json={"max_packages": 6, "max_agents": 2})
    admin.delete(path)
    with database.platform() as session:
        of_acme = select(AuditRow).where(AuditRow.tenant_id == acme.id).order_by(AuditRow.serial)
        *_, second, cleared = session.scalars(of_acme).all()
    assert (second.action, cleared.action) == ("limits.set", "limits.clear")
    assert second.request_id == answer.headers["x-request-id"]
    assert second.key_name == "test"
    assert json.loads(second.details or "") == {
        "before": {"max_packages": 5, "max_agents": None},
        "after": {"max_packages": 6, "max_agents": 2},
    }
    assert json.loads(cleared.details or "") == {
        "before": {"max_packages": 6, "max_agents": 2},
        "after": {},
    }
