import io
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from werkzeug.test import TestResponse

from cloacina.db import Database
from cloacina.tenants.models import Tenant
from tests.web.conftest import Caller, refusal
from tests.web.packages import TASKS, archive, build, definition, upload

SUMMARY = {
    "id",
    "package_name",
    "workflow_name",
    "version",
    "description",
    "tasks",
    "created_at",
    "paused",
}
DETAIL = SUMMARY | {"tenant_id", "task_graph", "build_status", "build_error", "declared_params"}

DAY = {"name": "day", "schema": {"type": "string"}, "required": True, "encrypted": False}
LIMIT = {
    "name": "limit",
    "schema": {"type": ["integer", "null"]},
    "required": False,
    "encrypted": False,
    "default": None,
}


@pytest.fixture
def name() -> str:
    """A package's name that no other test has."""
    return f"etl-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def uploaded(writer: Caller, acme: Tenant, tmp_path: Path, name: str) -> str:
    """The id of a package that is not built yet."""
    return str(upload(writer, acme, archive(tmp_path, name)).json["package_id"])


@pytest.fixture
def built(database: Database, acme: Tenant, name: str, uploaded: str) -> str:
    """The name of a package that can be executed."""
    build(database, acme, definition())
    return name


@pytest.fixture
def path(acme: Tenant) -> str:
    """Where acme's workflows are."""
    return f"/v1/tenants/{acme.name}/workflows"


def test_an_upload_is_answered_before_its_build_and_shown_by_its_id(
    writer: Caller, acme: Tenant, database: Database, tmp_path: Path, name: str
) -> None:
    content = archive(tmp_path, name)
    answer = upload(writer, acme, content)
    assert answer.status_code == 201
    assert set(answer.json) == {"package_id", "tenant_id"}
    package_id, path = answer.json["package_id"], f"/v1/tenants/{acme.name}/workflows"
    assert upload(writer, acme, content).json["package_id"] == package_id

    shown = writer.get(f"{path}/{package_id}").json
    assert set(shown) == DETAIL
    assert (shown["build_status"], shown["tasks"], shown["task_graph"]) == ("pending", [], [])
    assert refusal(writer.get(f"{path}/{name}")) == (404, "workflow_not_found")
    assert name not in {item["package_name"] for item in writer.get(path).json["items"]}
    early = writer.post(f"{path}/{name}-flow/execute")
    assert refusal(early) == (404, "workflow_not_found")
    assert early.json["error"] == f"workflow '{name}-flow' not found in registry"

    build(database, acme, definition(DAY, LIMIT))
    shown = writer.get(f"{path}/{name}").json
    assert (shown["id"], shown["build_status"], shown["build_error"]) == (
        package_id,
        "success",
        None,
    )
    assert shown["tasks"] == list(TASKS)
    assert shown["task_graph"][1] == {
        "id": "transform",
        "dependencies": ["extract"],
        "description": "transforms rows",
        "doc_what": None,
        "doc_why": None,
    }
    assert shown["declared_params"] == [DAY, LIMIT]
    assert shown["description"] == "moves rows"
    [listed] = [each for each in writer.get(path).json["items"] if each["id"] == package_id]
    assert set(listed) == SUMMARY
    assert listed == {key: shown[key] for key in SUMMARY}


def test_a_failed_build_says_why(
    reader: Caller, acme: Tenant, database: Database, uploaded: str, path: str
) -> None:
    build(database, acme)
    shown = reader.get(f"{path}/{uploaded}").json
    assert shown["build_status"] == "failed"
    assert "pandas" in shown["build_error"]


def test_changed_bytes_need_a_new_version(
    writer: Caller, acme: Tenant, tmp_path: Path, name: str
) -> None:
    assert upload(writer, acme, archive(tmp_path, name)).status_code == 201
    other = upload(writer, acme, archive(tmp_path / "other", name, comment="changed"))
    assert refusal(other) == (400, "upload_failed")


def test_an_upload_without_its_part_is_refused(writer: Caller, path: str) -> None:
    whole = (io.BytesIO(b"x"), "package.cloacina")
    for request in (
        {},
        {"data": {"archive": whole}},
        {"data": {"file": "text"}, "content_type": "multipart/form-data"},
        {"data": {"file": (io.BytesIO(b""), "empty.cloacina")}},
        {"data": b"garbage", "content_type": "multipart/form-data; boundary=x"},
        {"data": b"garbage", "content_type": "multipart/form-data"},
    ):
        assert refusal(writer.post(path, **request)) == (400, "invalid_request")


def test_an_upload_in_another_form_is_refused(writer: Caller, path: str) -> None:
    answer = writer.post(path, data=b"BZh9", content_type="application/octet-stream")
    assert refusal(answer) == (415, "unsupported_media_type")


def test_an_upload_that_is_no_package_is_refused_in_words(
    writer: Caller, acme: Tenant, path: str
) -> None:
    before = writer.get(path).json
    answer = upload(writer, acme, b"this is not bzip2")
    assert refusal(answer) == (400, "upload_failed")
    assert "bzip2" in answer.json["error"]
    assert writer.get(path).json == before


def test_the_source_is_shown_by_path(reader: Caller, name: str, uploaded: str, path: str) -> None:
    answer = reader.get(f"{path}/{uploaded}/source")
    assert set(answer.json) == {
        "tenant_id",
        "id",
        "package_name",
        "workflow_name",
        "version",
        "files",
    }
    files = {file["path"]: file for file in answer.json["files"]}
    assert list(files) == sorted(files)
    assert files["package.toml"]["language"] == "toml"
    module = files[f"workflow/{name.replace('-', '_')}/tasks.py"]
    assert module["language"] == "python"
    assert module["contents"].startswith("import cloaca")
    answer.close()


def test_a_paused_workflow_accepts_no_execution(
    writer: Caller, acme: Tenant, built: str, uploaded: str, path: str
) -> None:
    assert writer.post(f"{path}/{built}/pause").json == {
        "tenant_id": acme.name,
        "id": uploaded,
        "name": f"{built}-flow",
        "status": "paused",
        "paused": True,
    }
    assert writer.get(f"{path}/{built}").json["paused"] is True
    assert refusal(writer.post(f"{path}/{built}/execute")) == (409, "workflow_paused")
    resumed = writer.post(f"{path}/{built}/resume").json
    assert (resumed["status"], resumed["paused"]) == ("resumed", False)
    assert writer.post(f"{path}/{built}/execute").status_code == 202


def test_a_version_is_deleted_and_deleting_it_again_is_no_error(
    writer: Caller, acme: Tenant, built: str, path: str
) -> None:
    for _ in range(2):
        answer = writer.delete(f"{path}/{built}/1.0.0")
        assert answer.json == {"status": "deleted", "package_name": built, "version": "1.0.0"}
    assert refusal(writer.get(f"{path}/{built}")) == (404, "workflow_not_found")
    # a version may be called as a route is
    assert writer.delete(f"{path}/{built}/source").status_code == 200


def test_an_execution_is_accepted_by_the_workflows_or_the_packages_name(
    writer: Caller, acme: Tenant, built: str, path: str
) -> None:
    for called in (built, f"{built}-flow"):
        answer = writer.post(f"{path}/{called}/execute", json={"context": {"day": "monday"}})
        assert answer.status_code == 202
        assert answer.json == {
            "execution_id": str(uuid.UUID(answer.json["execution_id"])),
            "workflow_name": f"{built}-flow",
            "tenant_id": acme.name,
            "status": "scheduled",
        }
    for body in ({}, {"context": None}):
        assert writer.post(f"{path}/{built}/execute", json=body).status_code == 202


def test_reserved_keys_of_a_context_are_dropped(
    writer: Caller, acme: Tenant, built: str, path: str
) -> None:
    given = {"scheduled_time": 1, "trigger_name": "x", "triggered_at": 2, "day": "monday"}
    started = writer.post(f"{path}/{built}/execute", json={"context": given}).json
    shown = writer.get(f"/v1/tenants/{acme.name}/executions/{started['execution_id']}").json
    assert shown["context"] == {"day": "monday"}


@pytest.mark.parametrize("context", [[], 3, "text", True])
def test_a_context_must_be_an_object(writer: Caller, path: str, context: object) -> None:
    answer = writer.post(f"{path}/any/execute", json={"context": context})
    assert refusal(answer) == (422, "validation_error")
    assert "context" in answer.json["error"]


@pytest.mark.usefixtures("uploaded")
def test_a_missing_param_is_named(
    writer: Caller, acme: Tenant, database: Database, name: str, path: str
) -> None:
    build(database, acme, definition(DAY))
    answer = writer.post(f"{path}/{name}/execute", json={"context": {}})
    assert refusal(answer) == (400, "workflow_input_invalid")
    assert "day" in answer.json["error"]


def test_what_one_tenant_uploads_another_does_not_have(
    admin: Caller, globex: Tenant, uploaded: str
) -> None:
    answer = admin.get(f"/v1/tenants/{globex.name}/workflows/{uploaded}")
    assert refusal(answer) == (404, "workflow_not_found")


def test_the_same_idempotency_key_starts_one_execution(
    writer: Caller, built: str, path: str
) -> None:
    def ask(key: str, workflow: str, day: str) -> TestResponse:
        return writer.post(
            f"{path}/{workflow}/execute",
            json={"context": {"day": day}},
            headers={"Idempotency-Key": key},
        )

    first = ask("order-1", built, "monday")
    assert first.status_code == 202
    assert ask("order-1", built, "monday").json == first.json
    assert ask("order-2", built, "monday").json != first.json
    for workflow, day in ((built, "tuesday"), (f"{built}-flow", "monday")):
        answer = ask("order-1", workflow, day)
        assert refusal(answer) == (409, "idempotency_key_reused")


def test_a_refused_request_does_not_use_up_its_idempotency_key(
    writer: Caller, built: str, path: str
) -> None:
    headers = {"Idempotency-Key": "order-3"}
    url = f"{path}/{built}/execute"
    assert writer.post(f"{path}/{built}/pause").status_code == 200
    assert refusal(writer.post(url, json={}, headers=headers)) == (409, "workflow_paused")
    assert writer.post(f"{path}/{built}/resume").status_code == 200
    assert writer.post(url, json={}, headers=headers).status_code == 202


@pytest.mark.parametrize("key", ["", "é", "x" * 256])
def test_an_idempotency_key_that_cannot_be_kept_is_refused(
    writer: Caller, path: str, key: str
) -> None:
    answer = writer.post(f"{path}/any/execute", json={}, headers={"Idempotency-Key": key})
    assert refusal(answer) == (400, "invalid_request")


def test_requests_that_race_with_one_idempotency_key_start_one_execution(
    writer: Caller, built: str, path: str
) -> None:
    def ask(_: int) -> TestResponse:
        return writer.post(f"{path}/{built}/execute", json={}, headers={"Idempotency-Key": "race"})

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, range(8)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json["execution_id"] for answer in answers}) == 1
