"""Executions that are cancelled, paused, resumed and run again over the API."""

import uuid
from collections.abc import Iterator
from uuid import UUID

import pytest
import redis

from cloacina.db import Database
from cloacina.dispatch import queue_name
from cloacina.packages import services as packages
from cloacina.settings import Settings
from cloacina.tenants.models import Tenant
from tests.cloacina.executions.runs import Runs, failed
from tests.web.conftest import Caller, make_key, refusal

VERBS = ("cancel", "pause", "resume", "rerun")


@pytest.fixture
def path(acme: Tenant) -> str:
    """Where acme's executions are."""
    return f"/v1/tenants/{acme.name}/executions"


@pytest.fixture
def execution(writer: Caller, acme: Tenant, name: str) -> str:
    """An execution that nobody has begun to run."""
    path = f"/v1/tenants/{acme.name}/workflows/{name}/execute"
    return str(writer.post(path, json={"context": {"day": "monday"}}).json["execution_id"])


@pytest.fixture
def hints(settings: Settings, acme: Tenant) -> Iterator[redis.Redis]:
    """The broker, with no hint for acme."""
    with redis.Redis.from_url(settings.broker_url) as broker:
        broker.delete(queue_name(acme.name))
        yield broker


def fail_at(runs: Runs, execution: str, task_id: str) -> None:
    """Run an execution in which one task fails for good."""
    for _ in range(3):
        claim = runs.must_claim(UUID(execution))
        if claim.task.id == task_id:
            runs.finish(claim, failed())
        else:
            runs.complete(claim, **{claim.task.id: True})


def test_a_cancelled_execution_stays_so(
    writer: Caller, reader: Caller, acme: Tenant, path: str, execution: str
) -> None:
    assert writer.post(f"{path}/{execution}/cancel").json == {
        "tenant_id": acme.name,
        "execution_id": execution,
        "status": "Cancelled",
    }
    assert reader.get(f"{path}/{execution}").json["status"] == "Cancelled"
    for verb in ("cancel", "pause", "resume"):
        answer = writer.post(f"{path}/{execution}/{verb}")
        code = {"cancel": "cancellable", "pause": "pausable", "resume": "resumable"}[verb]
        assert refusal(answer) == (409, f"execution_not_{code}")
        assert "is Cancelled" in answer.json["error"]


def test_an_execution_that_was_resumed_is_as_before_and_has_a_hint(
    writer: Caller, acme: Tenant, runs: Runs, path: str, execution: str, hints: redis.Redis
) -> None:
    for before in ("Pending", "Running"):
        assert writer.post(f"{path}/{execution}/pause").json["status"] == "Paused"
        assert refusal(writer.post(f"{path}/{execution}/pause")) == (409, "execution_not_pausable")
        assert runs.claim(UUID(execution)) is None
        hints.delete(queue_name(acme.name))
        assert writer.post(f"{path}/{execution}/resume").json["status"] == before
        assert hints.llen(queue_name(acme.name)) == 1
        assert refusal(writer.post(f"{path}/{execution}/resume")) == (
            409,
            "execution_not_resumable",
        )
        runs.complete(runs.must_claim(UUID(execution)))


def test_a_rerun_is_a_new_execution_that_names_its_origin(
    writer: Caller,
    reader: Caller,
    acme: Tenant,
    runs: Runs,
    name: str,
    path: str,
    execution: str,
    hints: redis.Redis,
) -> None:
    refused = writer.post(f"{path}/{execution}/rerun")
    assert refusal(refused) == (409, "execution_not_rerunnable")
    assert reader.get(f"{path}/{execution}").json["rerun_of"] is None
    runs.run(UUID(execution))
    hints.delete(queue_name(acme.name))

    answer = writer.post(f"{path}/{execution}/rerun")

    assert answer.status_code == 202
    again = answer.json["execution_id"]
    assert answer.json == {
        "execution_id": again,
        "workflow_name": f"{name}-flow",
        "tenant_id": acme.name,
        "status": "scheduled",
        "rerun_of": execution,
    }
    assert hints.llen(queue_name(acme.name)) == 1
    shown = reader.get(f"{path}/{again}").json
    assert (shown["status"], shown["rerun_of"]) == ("Pending", execution)
    assert shown["context"] == {"day": "monday"}
    assert len(runs.run(UUID(again))) == 3


def test_a_rerun_from_what_failed_takes_over_what_completed(
    writer: Caller, reader: Caller, runs: Runs, path: str, execution: str
) -> None:
    fail_at(runs, execution, "transform")
    answer = writer.post(f"{path}/{execution}/rerun", json={"from": "failed"})
    again = UUID(answer.json["execution_id"])
    assert runs.states(again)["extract"] == "Completed"
    assert [claim.task.id for claim in runs.run(again)] == ["transform", "load"]
    assert reader.get(f"{path}/{again}").json["context"]["extract"] is True
    nothing = writer.post(f"{path}/{again}/rerun", json={"from": "failed"})
    assert refusal(nothing) == (409, "execution_not_rerunnable")
    assert "nothing failed" in nothing.json["error"]


@pytest.mark.parametrize("body", [{"from": "here"}, {"from": None}, {"from": 1}, ["start"]])
def test_a_rerun_from_nowhere_is_refused(
    writer: Caller, path: str, execution: str, body: object
) -> None:
    answer = writer.post(f"{path}/{execution}/rerun", json=body)
    assert refusal(answer) == (422, "validation_error")


def test_a_rerun_of_a_paused_or_deleted_workflow_is_refused(
    writer: Caller,
    database: Database,
    acme: Tenant,
    runs: Runs,
    name: str,
    path: str,
    execution: str,
) -> None:
    runs.run(UUID(execution))
    workflow = f"/v1/tenants/{acme.name}/workflows/{name}"
    writer.post(f"{workflow}/pause")
    assert refusal(writer.post(f"{path}/{execution}/rerun")) == (409, "workflow_paused")
    writer.post(f"{workflow}/resume")
    with database.tenant(acme) as session:
        packages.delete_version(session, name, "1.0.0")
    gone = writer.post(f"{path}/{execution}/rerun")
    assert refusal(gone) == (409, "execution_not_rerunnable")
    assert "was deleted" in gone.json["error"]


@pytest.mark.parametrize("verb", VERBS)
def test_an_unknown_execution_is_not_found_and_an_id_must_be_one(
    writer: Caller, path: str, verb: str
) -> None:
    assert refusal(writer.post(f"{path}/{uuid.uuid4()}/{verb}")) == (404, "execution_not_found")
    assert refusal(writer.post(f"{path}/seven/{verb}")) == (400, "invalid_request")


@pytest.mark.parametrize("verb", VERBS)
def test_nobody_steers_another_tenants_executions_and_no_reader_his_own(
    caller_of_globex: Caller, reader: Caller, globex: Tenant, path: str, execution: str, verb: str
) -> None:
    own = f"/v1/tenants/{globex.name}/executions"
    theirs = caller_of_globex.post(f"{path}/{execution}/{verb}")
    assert refusal(theirs) == (403, "tenant_access_denied")
    in_own = caller_of_globex.post(f"{own}/{execution}/{verb}")
    assert refusal(in_own) == (404, "execution_not_found")
    mine = reader.post(f"{path}/{execution}/{verb}")
    assert refusal(mine) == (403, "insufficient_permissions")
    assert reader.get(f"{path}/{execution}").json["status"] == "Pending"


@pytest.fixture
def caller_of_globex(reader: Caller, database: Database, globex: Tenant) -> Caller:
    """A caller with the highest key of another tenant."""
    return Caller(reader.app, make_key(database, globex, "admin"))
