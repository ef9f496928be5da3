"""How many executions a tenant may have that have not ended, tried over HTTP."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from werkzeug.test import TestResponse

from cloacina.db import Database
from cloacina.tenants.models import Tenant
from tests.web.conftest import Caller, make_key, refusal
from tests.web.packages import archive, build, definition, upload

MOST = 2


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A package."""
    return archive(tmp_path_factory.mktemp("packages"), "etl")


@pytest.fixture
def limited(admin: Caller, writer: Caller, database: Database, acme: Tenant, content: bytes) -> str:
    """Acme's path; it may have two executions, and has none."""
    return _tenant_with_nothing(admin, database, acme, content)


def _tenant_with_nothing(admin: Caller, database: Database, tenant: Tenant, content: bytes) -> str:
    path = f"/v1/tenants/{tenant.name}"
    assert upload(admin, tenant, content).status_code == 201
    build(database, tenant, definition())
    for execution in admin.get(f"{path}/executions?status=Pending").json["items"]:
        assert admin.post(f"{path}/executions/{execution['id']}/cancel").status_code == 200
    assert admin.post(f"{path}/limits", json={"max_queued_executions": MOST}).status_code == 200
    return path


def start(caller: Caller, path: str, key: str | None = None) -> TestResponse:
    """Start an execution."""
    headers = {} if key is None else {"Idempotency-Key": key}
    return caller.post(f"{path}/workflows/etl/execute", json={"context": {}}, headers=headers)


def test_one_more_than_it_may_have_is_refused_until_one_has_ended(
    writer: Caller, admin: Caller, limited: str
) -> None:
    first, _ = (start(writer, limited).json["execution_id"] for _ in range(MOST))
    answer = start(writer, limited)
    assert refusal(answer) == (429, "queue_full")
    assert int(answer.headers["Retry-After"]) >= 1
    assert "2 executions" in answer.json["error"]
    assert "max_queued_executions" in answer.json["error"]
    # it is the tenant's limit, whoever asks
    assert refusal(start(admin, limited)) == (429, "queue_full")
    assert admin.get(f"{limited}/limits").json["max_queued_executions"]["used"] == MOST
    # what is paused has not ended
    assert writer.post(f"{limited}/executions/{first}/pause").status_code == 200
    assert refusal(start(writer, limited)) == (429, "queue_full")
    assert writer.post(f"{limited}/executions/{first}/cancel").status_code == 200
    assert start(writer, limited).status_code == 202


def test_another_tenant_goes_on(
    writer: Caller, admin: Caller, database: Database, limited: str, globex: Tenant, content: bytes
) -> None:
    other = _tenant_with_nothing(admin, database, globex, content)
    for _ in range(MOST):
        assert start(writer, limited).status_code == 202
    assert refusal(start(writer, limited)) == (429, "queue_full")
    assert start(Caller(writer.app, make_key(database, globex, "write")), other).status_code == 202


def test_a_rerun_counts_as_any_other(writer: Caller, limited: str) -> None:
    first = start(writer, limited).json["execution_id"]
    assert writer.post(f"{limited}/executions/{first}/cancel").status_code == 200
    again = f"{limited}/executions/{first}/rerun"
    for _ in range(MOST):
        assert writer.post(again, json={"from": "start"}).status_code == 202
    answer = writer.post(again, json={"from": "start"})
    assert refusal(answer) == (429, "queue_full")
    assert int(answer.headers["Retry-After"]) >= 1


def test_what_was_accepted_is_answered_again_though_the_queue_is_full(
    writer: Caller, limited: str
) -> None:
    accepted = [start(writer, limited, f"full-{number}") for number in range(MOST)]
    again = [start(writer, limited, f"full-{number}") for number in range(MOST)]
    assert [answer.json for answer in again] == [answer.json for answer in accepted]
    assert refusal(start(writer, limited, "full-new")) == (429, "queue_full")


def test_the_same_request_sent_many_times_at_once_is_never_refused(
    writer: Caller, admin: Caller, limited: str
) -> None:
    admin.post(f"{limited}/limits", json={"max_queued_executions": 1})
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: start(writer, limited, "at-once"), range(16)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json["execution_id"] for answer in answers}) == 1


def test_requests_in_flight_are_all_that_it_is_exceeded_by(writer: Caller, limited: str) -> None:
    threads = 4
    with ThreadPoolExecutor(threads) as pool:
        answers = list(pool.map(lambda _: start(writer, limited), range(24)))
    accepted = [answer for answer in answers if answer.status_code == 202]
    assert MOST <= len(accepted) <= MOST - 1 + threads
    assert {refusal(answer) for answer in answers if answer not in accepted} == {
        (429, "queue_full")
    }
