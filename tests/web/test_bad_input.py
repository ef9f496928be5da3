"""Contexts that cannot be, and steps that an execution's state does not allow, are refused."""

import json
from collections.abc import Iterator
from dataclasses import replace
from uuid import UUID

import pytest
from flask import Flask

from cloacina.db import Database
from cloacina.settings import Settings
from cloacina.tenants.models import Tenant
from tests.cloacina.executions.runs import Runs
from tests.web.conftest import Caller, make_key, refusal
from web import create_app
from web.state import close

MIB = 1024 * 1024


@pytest.fixture
def execute(acme: Tenant, name: str) -> str:
    """Where it is executed."""
    return f"/v1/tenants/{acme.name}/workflows/{name}/execute"


@pytest.fixture
def executions(acme: Tenant) -> str:
    """Where acme's executions are."""
    return f"/v1/tenants/{acme.name}/executions"


def nested(levels: int) -> bytes:
    """Write a context of so many levels."""
    inner = levels - 1
    return b'{"context": {"deep": ' + b"[" * inner + b"]" * inner + b"}}"


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b'{"context": {"x": NaN}}', "the request's body is not JSON: NaN is not a JSON number"),
        (
            b'{"context": {"x": [-Infinity]}}',
            "the request's body is not JSON: -Infinity is not a JSON number",
        ),
        (
            b'{"context": {"x": 1e999}}',
            "the request's body is not JSON: the number 1e999 is out of range",
        ),
        (b'{"context": {"x": "\xff"}}', "the request's body is not UTF-8"),
        (b"\x80\x04\x95", "the request's body is not UTF-8"),
        (nested(10_000), "the request's body nests deeper than 200 levels"),
        (nested(201), "the request's body nests deeper than 200 levels"),
    ],
)
def test_a_context_that_is_not_json_is_refused_in_words(
    writer: Caller, execute: str, body: bytes, error: str
) -> None:
    answer = writer.post(execute, data=body, content_type="application/json")
    assert refusal(answer) == (400, "invalid_json")
    assert answer.json["error"] == error


def test_bytes_without_a_type_are_refused(writer: Caller, execute: str) -> None:
    answer = writer.post(execute, data=b"\x00\x01", content_type="application/octet-stream")
    assert refusal(answer) == (415, "unsupported_media_type")
    assert "application/json" in answer.json["error"]


def test_a_context_of_10_mib_is_refused(writer: Caller, execute: str) -> None:
    answer = writer.post(execute, json={"context": {"text": "x" * 10 * MIB}})
    assert refusal(answer) == (413, "payload_too_large")
    assert answer.json["error"] == "the request's body is too large: at most 1 MiB"


@pytest.fixture
def small(settings: Settings, database: Database, acme: Tenant) -> Iterator[Caller]:
    """A caller of an API that takes small contexts only."""
    app: Flask = create_app(replace(settings, max_context_bytes=1024))
    yield Caller(app, make_key(database, acme, "write"))
    close(app)


def test_a_context_over_the_limit_is_refused_with_its_size_and_the_limit(
    small: Caller, execute: str
) -> None:
    context = {"text": "ü" * 600}
    answer = small.post(execute, json={"context": context})
    assert refusal(answer) == (422, "context_too_large")
    size = len(json.dumps(context, ensure_ascii=False, separators=(",", ":")).encode())
    assert answer.json["error"].startswith(
        f"context_too_large: the context is {size} bytes, over the limit of 1024 bytes."
    )


def test_nothing_of_a_refused_context_has_begun(
    writer: Caller, execute: str, executions: str, name: str
) -> None:
    for body in (b'{"context": {"x": NaN}}', nested(10_000)):
        writer.post(execute, data=body, content_type="application/json")
    assert writer.get(f"{executions}?workflow={name}-flow").json["total"] == 0
    assert writer.post(execute, json={"context": {"x": None}}).status_code == 202


def test_an_execution_that_has_ended_cannot_be_cancelled(
    writer: Caller, runs: Runs, execute: str, executions: str
) -> None:
    execution_id = writer.post(execute).json["execution_id"]
    runs.run(UUID(execution_id))
    for _ in range(2):
        answer = writer.post(f"{executions}/{execution_id}/cancel")
        assert refusal(answer) == (409, "execution_not_cancellable")
        assert answer.json["error"] == (
            f"execution '{execution_id}' is Completed and cannot be cancelled"
        )
    assert writer.get(f"{executions}/{execution_id}").json["status"] == "Completed"


@pytest.mark.parametrize("start_from", ["start", "failed"])
def test_an_execution_that_runs_cannot_be_run_again(
    writer: Caller, runs: Runs, execute: str, executions: str, start_from: str
) -> None:
    execution_id = writer.post(execute).json["execution_id"]
    claim = runs.must_claim(UUID(execution_id))
    answer = writer.post(f"{executions}/{execution_id}/rerun", json={"from": start_from})
    assert refusal(answer) == (409, "execution_not_rerunnable")
    assert answer.json["error"].startswith(f"execution '{execution_id}' is Running")
    runs.complete(claim)
    assert writer.get(f"{executions}/{execution_id}").json["status"] == "Running"
