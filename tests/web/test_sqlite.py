"""The API on SQLite, where there is the one tenant `public`."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cloacina.db import Database
from cloacina.lifecycle import installation
from cloacina.settings import Settings
from cloacina.tenants import services as tenants
from cloacina.tenants.models import Tenant
from tests.web.conftest import Caller, make_key, refusal
from tests.web.packages import archive, build, definition, upload
from web import create_app
from web.state import close


@pytest.fixture
def lite(tmp_path: Path) -> Iterator[Database]:
    """A migrated SQLite database."""
    database = Database(f"sqlite:///{tmp_path}/lite.db")
    installation.migrate(database)
    yield database
    database.close()


@pytest.fixture
def public(lite: Database) -> Tenant:
    """The one tenant."""
    with lite.platform() as session:
        return tenants.find(session, "public")


@pytest.fixture
def lite_admin(lite: Database, tmp_path: Path, broker_url: str) -> Iterator[Caller]:
    """A caller with an admin key."""
    url = f"sqlite:///{tmp_path}/lite.db"
    app = create_app(Settings(home=tmp_path, database_url=url, broker_url=broker_url))
    yield Caller(app, make_key(lite, None, "admin"))
    close(app)


def test_there_is_one_tenant_and_no_other_can_be_made(lite_admin: Caller) -> None:
    assert lite_admin.get("/ready").json == {"status": "ready"}
    answer = lite_admin.post("/v1/tenants", json={"name": "acme"})
    assert refusal(answer) == (400, "tenant_creation_failed")
    assert "PostgreSQL" in answer.json["error"]
    assert lite_admin.get("/v1/tenants").json["items"] == []


def test_the_one_tenants_workflows_are_executed(
    lite_admin: Caller, lite: Database, public: Tenant, tmp_path: Path
) -> None:
    upload(lite_admin, public, archive(tmp_path, "etl"))
    build(lite, public, definition())
    started = lite_admin.post("/v1/tenants/public/workflows/etl/execute")
    assert started.status_code == 202
    path = f"/v1/tenants/public/executions/{started.json['execution_id']}"
    assert lite_admin.get(path).json["status"] == "Pending"
    assert lite_admin.get(f"{path}/events?since=1h").json["events"]
    assert lite_admin.get(f"{path}/logs?since=1h").json["lines"] == []
    assert len(lite_admin.get(f"{path}/tasks").json["tasks"]) == 3
    made = lite_admin.post("/v1/auth/keys", json={"name": "x", "expires_in_s": 60}).json
    path, log = "/v1/tenants/public/audit", lite_admin.get("/v1/audit?since=1h&limit=2").json
    assert [item["action"] for item in log["items"]] == ["key.create", "package.upload"]
    assert refusal(Caller(lite_admin.app).get(path)) == (401, "unauthorized")
    behind = f"{path}?action=package.&until=0s&before={log['items'][0]['id']}"
    assert [item["outcome"] for item in lite_admin.get(behind).json["items"]] == ["ok"]
    assert lite_admin.get(path).json["items"][0]["outcome"] == "unauthorized"
    assert Caller(lite_admin.app, made["key"]).get("/v1/auth/whoami").json["tenant_id"] == "public"


def test_limits_hold_there_too(
    lite_admin: Caller, lite: Database, public: Tenant, tmp_path: Path
) -> None:
    path = "/v1/tenants/public"
    limits = {"max_packages": 1, "max_queued_executions": 1}
    assert lite_admin.post(f"{path}/limits", json=limits).status_code == 200
    assert upload(lite_admin, public, archive(tmp_path, "etl")).status_code == 201
    answer = upload(lite_admin, public, archive(tmp_path, "other"))
    assert refusal(answer) == (400, "upload_failed")
    build(lite, public, definition())
    assert lite_admin.post(f"{path}/workflows/etl/execute", json={}).status_code == 202
    answer = lite_admin.post(f"{path}/workflows/etl/execute", json={})
    assert refusal(answer) == (429, "queue_full")
    shown = lite_admin.delete(f"{path}/limits").json
    assert shown["max_packages"]["used"] == shown["max_queued_executions"]["used"] == 1
