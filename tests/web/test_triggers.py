import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cloacina.db import Database
from cloacina.executions.models import ExecutionRow
from cloacina.schedules.models import ScheduleRow
from cloacina.tenants.models import Tenant
from tests.web.conftest import Caller, refusal
from tests.web.packages import archive, build, definition, upload

INFO = {
    "id",
    "schedule_type",
    "workflow_name",
    "enabled",
    "cron_expression",
    "trigger_name",
    "poll_interval_ms",
    "paused",
    "paused_at",
}
SUMMARY = INFO | {"next_run_at", "last_run_at", "created_at", "timezone"}


def add_schedule(database: Database, tenant: Tenant, **columns: Any) -> str:
    """Add a row as a package with a schedule would."""
    row = {
        "id": uuid.uuid4(),
        "schedule_type": "cron",
        "workflow_name": f"flow-{uuid.uuid4().hex[:8]}",
        "enabled": True,
        "paused": False,
        "created_at": datetime.now(UTC),
    } | columns
    with database.tenant(tenant) as session:
        session.add(ScheduleRow(**row))
    return str(row["id"])


def test_schedules_are_listed_from_the_tenants_own_tables(
    reader: Caller, admin: Caller, database: Database, acme: Tenant, globex: Tenant
) -> None:
    then = datetime.now(UTC) - timedelta(days=1)
    first = add_schedule(
        database, acme, cron_expression="0 2 * * *", timezone="Europe/Paris", created_at=then
    )
    second = add_schedule(
        database, acme, schedule_type="trigger", trigger_name="inbox", poll_interval_ms=500
    )
    listed = reader.get(f"/v1/tenants/{acme.name}/triggers").json
    assert [item["id"] for item in listed["items"]] == [first, second]
    assert (listed["tenant_id"], listed["total"]) == (acme.name, 2)
    assert all(set(item) == SUMMARY for item in listed["items"])
    assert listed["items"][0]["timezone"] == "Europe/Paris"
    page = reader.get(f"/v1/tenants/{acme.name}/triggers?limit=1&offset=1").json
    assert [item["id"] for item in page["items"]] == [second]
    assert admin.get(f"/v1/tenants/{globex.name}/triggers").json["items"] == []


def test_a_schedule_is_found_by_its_triggers_or_its_workflows_name(
    reader: Caller, database: Database, acme: Tenant
) -> None:
    path = f"/v1/tenants/{acme.name}/triggers"
    then = datetime.now(UTC) - timedelta(days=1)
    by_cron = add_schedule(database, acme, workflow_name="nightly", created_at=then)
    by_trigger = add_schedule(
        database, acme, schedule_type="trigger", trigger_name="files", workflow_name="nightly"
    )
    named_alike = add_schedule(
        database, acme, schedule_type="trigger", trigger_name="nightly", workflow_name="other"
    )
    shown = reader.get(f"{path}/files").json
    assert shown["schedule"]["id"] == by_trigger
    assert set(shown["schedule"]) == INFO
    assert (shown["tenant_id"], shown["recent_executions"]) == (acme.name, [])
    # a trigger's own name comes before a workflow's
    assert reader.get(f"{path}/nightly").json["schedule"]["id"] == named_alike
    assert reader.get(f"{path}/other").json["schedule"]["id"] == named_alike
    assert by_cron not in {by_trigger, named_alike}


def test_the_last_ten_executions_of_a_schedule_are_shown(
    writer: Caller, database: Database, acme: Tenant, tmp_path: Path
) -> None:
    schedule_id = add_schedule(database, acme, workflow_name="hourly", cron_expression="0 * * * *")
    upload(writer, acme, archive(tmp_path, "hourly"))
    build(database, acme, definition())
    due = datetime(2026, 1, 1, tzinfo=UTC)
    started = []
    for hour in range(11):
        path = f"/v1/tenants/{acme.name}/workflows/hourly/execute"
        started.append(writer.post(path).json["execution_id"])
        with database.tenant(acme) as session:
            row = session.get_one(ExecutionRow, uuid.UUID(started[-1]))
            row.schedule_id = uuid.UUID(schedule_id)
            row.scheduled_time = due + timedelta(hours=hour)
    shown = writer.get(f"/v1/tenants/{acme.name}/triggers/hourly").json["recent_executions"]
    assert [item["id"] for item in shown] == started[:0:-1]
    assert set(shown[0]) == {"id", "scheduled_time", "started_at", "completed_at"}
    assert shown[0]["scheduled_time"] == "2026-01-01T10:00:00.000000+00:00"


def test_an_unknown_trigger_is_not_found(reader: Caller, acme: Tenant) -> None:
    answer = reader.get(f"/v1/tenants/{acme.name}/triggers/nothing")
    assert refusal(answer) == (404, "trigger_not_found")
