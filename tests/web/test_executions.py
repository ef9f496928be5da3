import json
import uuid
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest

from cloacina.tenants.models import Tenant
from tests.web.conftest import Caller, refusal
from tests.web.packages import TASKS


@pytest.fixture
def path(acme: Tenant) -> str:
    """Where acme's executions are."""
    return f"/v1/tenants/{acme.name}/executions"


def start(caller: Caller, tenant: Tenant, name: str, **context: object) -> str:
    """Start an execution and give its id."""
    path = f"/v1/tenants/{tenant.name}/workflows/{name}/execute"
    return str(caller.post(path, json={"context": context}).json["execution_id"])


def test_an_execution_is_shown_with_what_it_began_with(
    writer: Caller, reader: Caller, acme: Tenant, name: str, path: str
) -> None:
    execution_id = start(writer, acme, name, day="monday", odd="\ud800\0")
    shown = reader.get(f"{path}/{execution_id}").json
    assert datetime.fromisoformat(shown.pop("started_at")) <= datetime.now(UTC)
    assert shown == {
        "tenant_id": acme.name,
        "execution_id": execution_id,
        "status": "Pending",
        "workflow_name": f"{name}-flow",
        "workflow_version": "0123456789abcdef",
        "context": {"day": "monday", "odd": "\ud800\0"},
        "error": None,
        "completed_at": None,
        "rerun_of": None,
    }


def test_executions_are_listed_newest_first_and_filtered(
    writer: Caller, reader: Caller, acme: Tenant, name: str, path: str
) -> None:
    started = [start(writer, acme, name) for _ in range(3)]
    mine = f"{path}?workflow={name}-flow"
    listed = reader.get(mine).json
    assert [item["id"] for item in listed["items"]] == started[::-1]
    assert (listed["tenant_id"], listed["total"]) == (acme.name, 3)
    assert listed["items"][0]["trigger_origin"] == "manual"
    assert set(listed["items"][0]) == {
        "id",
        "workflow_name",
        "status",
        "started_at",
        "completed_at",
        "trigger_origin",
    }
    page = reader.get(f"{mine}&limit=1&offset=1").json
    assert ([item["id"] for item in page["items"]], page["total"]) == ([started[1]], 1)
    assert reader.get(f"{mine}&status=Pending").json["total"] == 3
    assert reader.get(f"{mine}&status=Failed").json["total"] == 0


@pytest.mark.parametrize(
    ("query", "bound"),
    [
        ("limit=0", "limit: must be between 1 and 1000"),
        ("limit=1001", "limit: must be between 1 and 1000"),
        ("limit=ten", "limit: must be a whole number between 1 and 1000"),
        ("limit=", "limit: must be"),
        ("offset=-1", "offset: must be 0 or more"),
        (f"offset={2**63}", "offset: must be"),
    ],
)
def test_a_page_that_cannot_be_is_refused_with_its_bound(
    reader: Caller, acme: Tenant, query: str, bound: str
) -> None:
    for resource in ("executions", "triggers"):
        answer = reader.get(f"/v1/tenants/{acme.name}/{resource}?{query}")
        assert refusal(answer) == (400, "invalid_pagination")
        assert bound in answer.json["error"]


def test_an_unknown_status_is_refused_with_those_that_there_are(reader: Caller, path: str) -> None:
    answer = reader.get(f"{path}?status=Dead")
    assert refusal(answer) == (400, "invalid_request")
    for status in ("Pending", "Running", "Completed", "Failed", "Cancelled", "Paused"):
        assert status in answer.json["error"]


@pytest.mark.parametrize("tail", ["", "/events", "/tasks", "/logs"])
def test_an_id_that_is_none_is_refused(reader: Caller, path: str, tail: str) -> None:
    assert refusal(reader.get(f"{path}/seven{tail}")) == (400, "invalid_request")


def test_an_unknown_execution_is_not_found_and_has_no_events(reader: Caller, path: str) -> None:
    unknown = uuid.uuid4()
    assert refusal(reader.get(f"{path}/{unknown}")) == (404, "execution_not_found")
    assert refusal(reader.get(f"{path}/{unknown}/tasks")) == (404, "execution_not_found")
    assert reader.get(f"{path}/{unknown}/events").json["events"] == []


def test_the_tasks_are_shown_under_their_full_names(
    writer: Caller, reader: Caller, acme: Tenant, name: str, path: str
) -> None:
    execution_id = start(writer, acme, name)
    shown = reader.get(f"{path}/{execution_id}/tasks").json
    assert (shown["tenant_id"], shown["execution_id"]) == (acme.name, execution_id)
    prefix = f"{acme.name}::{name}::{name}-flow::"
    assert [task["task_name"] for task in shown["tasks"]] == [prefix + task for task in TASKS]
    first = shown["tasks"][0]
    assert (first["status"], first["attempt"], first["max_attempts"]) == ("Ready", 0, 3)
    assert (first["last_error"], first["sub_status"], first["started_at"]) == (None, None, None)


def test_events_are_shown_from_a_number_or_a_time_on(
    writer: Caller, reader: Caller, acme: Tenant, name: str, path: str
) -> None:
    events_of = f"{path}/{start(writer, acme, name)}/events"
    events = reader.get(events_of).json["events"]
    assert [event["sequence_num"] for event in events] == list(range(1, len(events) + 1))
    assert (events[0]["event_type"], events[0]["task_name"]) == ("workflow_started", None)
    assert events[1]["task_name"] == f"{acme.name}::{name}::{name}-flow::extract"
    assert all(
        event["event_data"] is None or isinstance(json.loads(event["event_data"]), dict)
        for event in events
    )
    assert reader.get(f"{events_of}?after=1").json["events"] == events[1:]

    moment = datetime.fromisoformat(events[-1]["created_at"])
    later = (moment + timedelta(seconds=1)).isoformat()
    for since, expected in {
        "5m": events,
        "100d": events,
        quote(events[0]["created_at"]): events,
        events[0]["created_at"]: events,
        later: [],
        (moment + timedelta(hours=3)).strftime("%Y-%m-%dT%H:%M:%SZ"): [],
    }.items():
        assert reader.get(f"{events_of}?since={since}").json["events"] == expected, since


@pytest.mark.parametrize(
    "query",
    [
        "since=yesterday",
        "since=5",
        "since=",
        "since=-5m",
        "since=5%20m",
        "since=2026-01-02T03:04:05",
        "since=999999999999d",
        "after=x",
        "after=-1",
        f"after={2**63}",
    ],
)
def test_a_time_span_that_is_none_is_refused(reader: Caller, path: str, query: str) -> None:
    answer = reader.get(f"{path}/{uuid.uuid4()}/events?{query}")
    assert refusal(answer) == (400, "invalid_request")
    assert query.partition("=")[0] in answer.json["error"]
