"""Logs of tasks over the API: by page, by task, by time, and each tenant's alone."""

import time
import uuid
from datetime import datetime, timedelta
from urllib.parse import quote

import pytest

from cloacina.db import Database, as_tenant
from cloacina.executions import logs
from cloacina.executions.attempt_log import Line
from cloacina.tenants.models import Tenant
from tests.web.conftest import Caller, make_key, refusal

LINES = 1003


@pytest.fixture
def execution_id(writer: Caller, acme: Tenant, database: Database, name: str) -> str:
    """An execution whose tasks have written something."""
    path = f"/v1/tenants/{acme.name}/workflows/{name}/execute"
    execution_id = str(writer.post(path).json["execution_id"])
    moment = time.monotonic()
    extracted = [
        Line("stdout", "first \x1b[31m", moment - 3600),
        *(Line("stdout", f"line {number}", moment - 60) for number in range(LINES - 3)),
    ]
    loaded = [Line("stderr", "oh", moment), Line("stdout", "", moment)]
    for task, attempt, lines in (("extract", 1, extracted), ("load", 2, loaded)):
        with database.unit(as_tenant(acme)) as unit:
            logs.append(unit, uuid.UUID(execution_id), task, attempt, lines, time.monotonic())
    return execution_id


@pytest.fixture
def path(acme: Tenant, execution_id: str) -> str:
    """Where its log is."""
    return f"/v1/tenants/{acme.name}/executions/{execution_id}/logs"


def test_a_log_is_read_page_by_page(
    reader: Caller, acme: Tenant, name: str, execution_id: str, path: str
) -> None:
    first = reader.get(path).json
    assert (first["tenant_id"], first["execution_id"]) == (acme.name, execution_id)
    assert len(first["lines"]) == 1000
    second = reader.get(f"{path}?after={first['lines'][-1]['sequence']}").json["lines"]
    assert len(second) == LINES - 1000
    assert reader.get(f"{path}?after={second[-1]['sequence']}").json["lines"] == []
    lines = first["lines"] + second
    assert lines == reader.get(f"{path}?limit=10000").json["lines"]
    sequences = [line["sequence"] for line in lines]
    assert sequences == sorted(set(sequences))
    assert datetime.fromisoformat(lines[0].pop("at")).tzinfo is not None
    del lines[0]["sequence"]
    assert lines[0] == {
        "task_name": f"{acme.name}::{name}::{name}-flow::extract",
        "attempt": 1,
        "stream": "stdout",
        "line": "first \x1b[31m",
    }
    assert [(x["attempt"], x["stream"], x["line"]) for x in lines[-2:]] == [
        (2, "stderr", "oh"),
        (2, "stdout", ""),
    ]


def test_a_log_is_read_by_task_and_by_time(
    reader: Caller, acme: Tenant, name: str, path: str
) -> None:
    loaded = reader.get(f"{path}?task=load").json["lines"]
    assert [line["line"] for line in loaded] == ["oh", ""]
    prefix = f"{acme.name}::{name}::{name}-flow::"
    assert reader.get(f"{path}?task={prefix}load").json["lines"] == loaded
    for other in (f"globex::{name}::{name}-flow::load", "transform", "", "%20"):
        assert reader.get(f"{path}?task={other}").json["lines"] == []
    recent = reader.get(f"{path}?since=30m&limit=10000").json["lines"]
    assert len(recent) == LINES - 1
    for since in (recent[0]["at"], quote(recent[0]["at"])):
        assert reader.get(f"{path}?since={since}&limit=10000").json["lines"] == recent
    later = datetime.fromisoformat(recent[-1]["at"]) + timedelta(seconds=1)
    assert reader.get(f"{path}?since={quote(later.isoformat())}").json["lines"] == []
    assert reader.get(f"{path}?since=2h&limit=2&task=extract").json["lines"][1] == recent[0]


def test_an_unknown_execution_has_no_log_and_a_bad_id_is_refused(
    reader: Caller, acme: Tenant
) -> None:
    path = f"/v1/tenants/{acme.name}/executions"
    assert reader.get(f"{path}/{uuid.uuid4()}/logs").json["lines"] == []
    assert refusal(reader.get(f"{path}/seven/logs")) == (400, "invalid_request")


@pytest.mark.parametrize(
    ("query", "code", "said"),
    [
        ("limit=0", "invalid_pagination", "limit: must be between 1 and 10000"),
        ("limit=10001", "invalid_pagination", "limit: must be between 1 and 10000"),
        ("limit=all", "invalid_pagination", "limit: must be a whole number between 1 and 10000"),
        ("after=-1", "invalid_request", "after: must be 0 or more"),
        ("after=x", "invalid_request", "after: must be a whole number"),
        (f"after={2**63}", "invalid_request", "after: must be"),
        ("since=yesterday", "invalid_request", "since: must be a duration"),
        ("task=%00", "invalid_request", "NUL"),
    ],
)
def test_a_page_that_cannot_be_is_refused(
    reader: Caller, path: str, query: str, code: str, said: str
) -> None:
    answer = reader.get(f"{path}?{query}")
    assert refusal(answer) == (400, code)
    assert said in answer.json["error"]


def test_a_log_is_for_its_tenants_keys_alone(
    anyone: Caller, database: Database, acme: Tenant, globex: Tenant, path: str
) -> None:
    assert refusal(anyone.get(path)) == (401, "unauthorized")
    stranger = Caller(anyone.app, make_key(database, globex, "admin"))
    assert refusal(stranger.get(path)) == (403, "tenant_access_denied")
    elsewhere = path.replace(acme.name, globex.name)
    assert stranger.get(elsewhere).json["lines"] == []


def test_the_description_tells_of_pages(anyone: Caller) -> None:
    paths = anyone.get("/openapi.json").json["paths"]
    described = paths["/v1/tenants/{tenant_id}/executions/{exec_id}/logs"]["get"]
    parameters = {each["name"]: each for each in described["parameters"]}
    limit = parameters["limit"]["schema"]
    assert (limit["default"], limit["minimum"], limit["maximum"]) == (1000, 1, 10_000)
    assert "next page" in parameters["after"]["description"]
