"""T/fleet: workers of a tenant's own, as its keys see and ask for them."""

import json
import uuid
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import delete, select

from cloacina.audit.models import AuditRow
from cloacina.db import Database
from cloacina.fleet import demand
from cloacina.fleet import services as fleet
from cloacina.fleet.models import FleetRow, WorkerRow
from cloacina.fleet.services import Worker
from cloacina.settings import Settings
from cloacina.tenants.models import Tenant
from tests.web.conftest import Caller, refusal


@pytest.fixture
def path(database: Database, acme: Tenant) -> str:
    """Where acme's workers are, which has asked for none."""
    with database.platform() as session:
        session.execute(delete(FleetRow))
        session.execute(delete(WorkerRow))
    return f"/v1/tenants/{acme.name}/fleet"


def events(database: Database, acme: Tenant) -> list[tuple[str, str, Any, Any]]:
    """Give what was noted of acme's workers."""
    with database.platform() as session:
        rows = session.scalars(
            select(AuditRow)
            .where(AuditRow.tenant_id == acme.id, AuditRow.action.like("fleet.%"))
            .order_by(AuditRow.serial)
        ).all()
    return [(row.action, row.outcome, json.loads(row.details or ""), row.key_name) for row in rows]


def test_a_tenant_without_workers_of_its_own_has_none(
    reader: Caller, path: str, acme: Tenant, settings: Settings
) -> None:
    assert reader.get(path).json == {
        "tenant_id": acme.name,
        "desired_count": 0,
        "raised_count": 0,
        "actual_count": 0,
        "effective_limit": settings.default_max_agents,
        "default_max_agents": settings.default_max_agents,
    }


def test_workers_are_asked_for_and_given_back_on_record(
    manager: Caller, reader: Caller, path: str, database: Database, acme: Tenant
) -> None:
    before = len(events(database, acme))
    assert manager.post(f"{path}/provision").json["desired_count"] == 1
    assert manager.post(f"{path}/provision", json={}).json["desired_count"] == 2
    answer = manager.post(f"{path}/provision", json={"count": 2})
    assert (answer.status_code, answer.json["desired_count"]) == (200, 4)
    assert reader.get(path).json == answer.json
    assert manager.post(f"{path}/deprovision").json["desired_count"] == 3
    assert manager.post(f"{path}/deprovision", json={"count": 9}).json["desired_count"] == 0
    assert events(database, acme)[before:] == [
        ("fleet.provision", "ok", {"count": 1, "before": 0, "after": 1}, "test"),
        ("fleet.provision", "ok", {"count": 1, "before": 1, "after": 2}, "test"),
        ("fleet.provision", "ok", {"count": 2, "before": 2, "after": 4}, "test"),
        ("fleet.deprovision", "ok", {"count": 1, "before": 4, "after": 3}, "test"),
        ("fleet.deprovision", "ok", {"count": 9, "before": 3, "after": 0}, "test"),
    ]


def test_more_than_the_limit_is_refused(
    admin: Caller, manager: Caller, path: str, acme: Tenant
) -> None:
    limits = f"/v1/tenants/{acme.name}/limits"
    assert refusal(manager.post(f"{path}/provision", json={"count": 5})) == (409, "at_capacity")
    assert admin.post(limits, json={"max_agents": 6}).status_code == 200
    answer = manager.post(f"{path}/provision", json={"count": 5}).json
    assert (answer["desired_count"], answer["effective_limit"]) == (5, 6)
    assert refusal(manager.post(f"{path}/provision", json={"count": 2})) == (409, "at_capacity")
    admin.delete(limits)
    assert refusal(manager.post(f"{path}/provision")) == (409, "at_capacity")
    assert manager.get(path).json["desired_count"] == 5


def test_what_is_there_and_what_was_raised_is_shown(
    reader: Caller, path: str, database: Database, acme: Tenant, globex: Tenant
) -> None:
    served = [(), (acme.name,), (acme.name, globex.name), (globex.name,)]
    with database.platform() as session:
        for names in served:
            fleet.beat(session, Worker(uuid.uuid4(), "worker", names, 4, 0, 0))
        demand.answer_wait(session, acme, waits=True, patience_s=1, most=4)
    answer = reader.get(path).json
    assert (answer["actual_count"], answer["raised_count"], answer["desired_count"]) == (2, 1, 0)


@pytest.mark.parametrize("count", [0, -1, 257, "1", True, 1.5, None, [], 10**30])
def test_nonsense_is_refused(manager: Caller, path: str, count: object) -> None:
    for verb in ("provision", "deprovision"):
        assert manager.post(f"{path}/{verb}", json={"count": count}).status_code in (400, 422)
    assert manager.get(path).json["desired_count"] == 0


def test_only_admins_ask_and_nobody_for_another_tenant(
    app: Flask,
    reader: Caller,
    writer: Caller,
    manager: Caller,
    admin: Caller,
    path: str,
    globex: Tenant,
) -> None:
    for verb in ("provision", "deprovision"):
        for caller in (reader, writer):
            answer = caller.post(f"{path}/{verb}")
            assert refusal(answer) == (403, "insufficient_permissions")
        theirs = f"/v1/tenants/{globex.name}/fleet"
        assert refusal(manager.post(f"{theirs}/{verb}")) == (403, "tenant_access_denied")
        assert refusal(Caller(app).post(f"{path}/{verb}")) == (401, "unauthorized")
    assert admin.post(f"{path}/provision").json["desired_count"] == 1
