"""Every change leaves a line in the audit log, whether it succeeds or fails."""

import io
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from cloacina.audit.models import Event
from cloacina.db import Database
from cloacina.lifecycle.tenants import create_tenant
from cloacina.tenants.models import Tenant
from tests.cloacina.audit.lines import lines
from tests.removal import delete_tenant
from tests.web.auditing import address, changing_routes
from tests.web.conftest import Caller, make_key, refusal
from tests.web.packages import archive, build, definition
from tests.web.test_authz import concrete
from web.auditing import CHANGES, UNRECORDED


@dataclass
class Scene:
    """A caller whose requests bear an id, and what it may change.

    Parameters:
        caller: an admin of the platform.
        database: the database.
        tenant: whose things it changes.
        folder: for archives.
    """

    caller: Caller
    database: Database
    tenant: Tenant
    folder: Path

    def ask(self, method: str, path: str, **request: Any) -> TestResponse:
        """Ask for something of the tenant's, under an id of its own."""
        self.request_id = str(uuid.uuid4())
        headers = {"x-request-id": self.request_id}
        where = {"REMOTE_ADDR": address()}
        path = path.replace("T/", f"/v1/tenants/{self.tenant.name}/")
        return self.caller(method, path, headers=headers, environ_base=where, **request)

    def events(self) -> list[Event]:
        """Give the lines of the last request."""
        return lines(self.database, request_id=self.request_id)

    def upload(self, name: str) -> TestResponse:
        """Upload a package of one version."""
        content = archive(self.folder, name)
        return self.ask("POST", "T/workflows", data={"file": (io.BytesIO(content), "p.cloacina")})

    def built(self, name: str) -> str:
        """Have a package, and give its name."""
        assert self.upload(name).status_code == 201
        build(self.database, self.tenant, definition())
        return name


def create_key(scene: Scene) -> object:
    return scene.ask("POST", "/v1/auth/keys", json={"name": "x", "is_admin": True}).json["id"]


def create_tenant_key(scene: Scene) -> object:
    return scene.ask("POST", "T/keys", json={"name": "x"}).json["id"]


def revoke_key(scene: Scene) -> object:
    key_id = create_tenant_key(scene)
    scene.ask("DELETE", f"/v1/auth/keys/{key_id}")
    return key_id


def revoke_tenant_key(scene: Scene) -> object:
    key_id = create_tenant_key(scene)
    scene.ask("DELETE", f"T/keys/{key_id}")
    return key_id


def upload_workflow(scene: Scene) -> object:
    assert scene.upload("etl").status_code == 201
    return "etl"


def delete_workflow(scene: Scene) -> object:
    name = scene.built("gone")
    scene.ask("DELETE", f"T/workflows/{name}/1.0.0")
    return name


def pause_workflow(scene: Scene) -> object:
    name = scene.built("tired")
    scene.ask("POST", f"T/workflows/{name}/pause")
    return name


def resume_workflow(scene: Scene) -> object:
    name = scene.built("awake")
    scene.ask("POST", f"T/workflows/{name}/pause")
    scene.ask("POST", f"T/workflows/{name}/resume")
    return name


def set_limits(scene: Scene) -> object:
    scene.ask("POST", "T/limits", json={"max_packages": 99})
    return None


def clear_limits(scene: Scene) -> object:
    scene.ask("DELETE", "T/limits")
    return None


def provision_workers(scene: Scene) -> object:
    scene.ask("POST", "T/fleet/provision", json={})
    return None


def deprovision_workers(scene: Scene) -> object:
    scene.ask("POST", "T/fleet/deprovision", json={})
    return None


# each makes its last request the change, and gives the line's subject
DONE: dict[str, Callable[[Scene], object]] = {
    "fleet.deprovision_workers": deprovision_workers,
    "fleet.provision_workers": provision_workers,
    "keys.create_key": create_key,
    "keys.create_tenant_key": create_tenant_key,
    "keys.revoke_key": revoke_key,
    "keys.revoke_tenant_key": revoke_tenant_key,
    "limits.clear_limits": clear_limits,
    "limits.set_limits": set_limits,
    "workflows.delete_workflow": delete_workflow,
    "workflows.pause_workflow": pause_workflow,
    "workflows.resume_workflow": resume_workflow,
    "workflows.upload_workflow": upload_workflow,
}
# the one change of a tenant that takes more than a request: tests/cloacina/lifecycle/test_migration
TRIED_ELSEWHERE = {"tenants.migrate_tenant"}
LIFE = {
    "tenants.create_tenant",
    "tenants.suspend_tenant",
    "tenants.resume_tenant",
    "tenants.remove_tenant",
    "tenants.import_tenant",
}
PLATFORMS = {"keys.create_key"}


@pytest.fixture
def scene(admin: Caller, database: Database, globex: Tenant, tmp_path: Path) -> Scene:
    return Scene(admin, database, globex, tmp_path)


def test_every_route_that_changes_something_is_recorded_or_says_why_not(app: Flask) -> None:
    assert CHANGES.keys() | UNRECORDED.keys() == changing_routes(app).keys()
    assert not CHANGES.keys() & UNRECORDED.keys()
    assert all(UNRECORDED.values())


def test_every_recorded_change_is_tried_here() -> None:
    assert DONE.keys() | LIFE | TRIED_ELSEWHERE == CHANGES.keys()


@pytest.mark.parametrize("endpoint", DONE)
def test_a_change_leaves_one_line(scene: Scene, endpoint: str) -> None:
    subject = DONE[endpoint](scene)
    (event,) = scene.events()
    assert (event.action, event.outcome) == (CHANGES[endpoint].action, "ok")
    assert event.subject == (str(subject) if subject else None)
    assert event.tenant_name == (None if endpoint in PLATFORMS else scene.tenant.name)
    assert (event.key_name, str(event.address)[:7]) == ("test", "198.51.")


def test_each_step_of_a_tenants_life_leaves_a_line(scene: Scene, tenant_name: str) -> None:
    done, whole = set(), f"/v1/tenants/{tenant_name}"

    def ask(method: str, path: str, endpoint: str = "", **request: Any) -> bytes:
        answer = scene.ask(method, path, **request)
        assert answer.status_code < 300, answer.json
        action = CHANGES[endpoint].action if endpoint else "tenant.export"
        found = [event for event in scene.events() if event.action == action]
        assert {event.outcome for event in found} == {"ok"}
        assert {event.tenant_name for event in found} == {tenant_name}
        assert {event.key_name for event in found} == {"test"}
        done.add(endpoint)
        content = answer.data
        answer.close()
        return content

    ask("POST", "/v1/tenants", "tenants.create_tenant", json={"name": tenant_name})
    ask("POST", f"{whole}/suspend", "tenants.suspend_tenant")
    ask("POST", f"{whole}/resume", "tenants.resume_tenant")
    export = ask("GET", f"{whole}/export")
    ask("DELETE", whole, "tenants.remove_tenant")
    file = {"file": (io.BytesIO(export), "tenant.tar.zst")}
    ask("POST", "/v1/tenants/import", "tenants.import_tenant", data=file)
    assert done - {""} == LIFE


@pytest.mark.parametrize("endpoint", CHANGES)
def test_a_change_that_fails_leaves_the_errors_code(
    scene: Scene, app: Flask, endpoint: str
) -> None:
    method, pattern = changing_routes(app)[endpoint]
    path = concrete(pattern, scene.tenant.name).replace("<schema_name>", "public")
    answer = scene.ask(method, path, data=b"{", content_type="application/json")
    if answer.status_code < 400:
        return  # what is not there is deleted, and that changes nothing
    (event,) = scene.events()
    assert answer.json is not None
    assert (event.action, event.outcome) == (CHANGES[endpoint].action, answer.json["code"])


def test_what_changes_nothing_leaves_no_line(scene: Scene) -> None:
    name = scene.built("idle")
    for method, path in (
        ("POST", f"T/workflows/{name}/resume"),
        ("DELETE", "T/workflows/nothing/1.0.0"),
        ("GET", "T/keys"),
    ):
        assert scene.ask(method, path).status_code == 200
        assert scene.events() == []
    content = (scene.folder / "idle-1.0.0.cloacina").read_bytes()
    again = {"file": (io.BytesIO(content), "p.cloacina")}
    assert scene.ask("POST", "T/workflows", data=again).status_code == 201
    assert scene.events() == []


def test_a_package_is_named_by_version_and_content(scene: Scene) -> None:
    name = scene.built("exact")
    details = {"version": "1.0.0", "package_id": None, "content_hash": None}
    (uploaded,) = scene.events()
    assert uploaded.details is not None
    assert uploaded.details.keys() == details.keys()
    assert len(uploaded.details["content_hash"]) == 64
    scene.ask("DELETE", f"T/workflows/{name}/1.0.0")
    (deleted,) = scene.events()
    assert deleted.details == uploaded.details


@pytest.mark.parametrize(
    ("method", "path", "body", "subject"),
    [
        ("POST", "/v1/auth/keys", {"name": "nobody", "role": "god"}, "nobody"),
        ("POST", "/v1/auth/keys", {"name": 7}, None),
        ("POST", "/v1/auth/keys", {"name": "x" * 999}, "x" * 200),
        ("POST", "/v1/auth/keys", {"name": "clk_in-a-wrong-place", "role": "god"}, None),
        ("POST", "/v1/auth/keys", {"name": "a\ud800", "role": "god"}, None),
        ("POST", "/v1/auth/keys", ["name"], None),
        ("DELETE", "/v1/auth/keys/some-given-key", None, None),
        ("POST", "T/workflows/nothing/pause", None, "nothing"),
        ("POST", "T/workflows/clk_in-a-wrong-place/pause", None, None),
    ],
)
def test_a_failed_change_says_what_it_was_to_be_made_to_and_never_a_key(
    scene: Scene, method: str, path: str, body: Any, subject: str | None
) -> None:
    assert scene.ask(method, path, json=body).status_code >= 400
    (event,) = scene.events()
    assert event.subject == subject


def test_a_change_at_a_tenant_that_is_not_there_names_it(scene: Scene) -> None:
    answer = scene.ask("POST", "/v1/tenants/nobody/keys", json={"name": "x"})
    assert refusal(answer) == (404, "tenant_not_found")
    (event,) = scene.events()
    assert (event.action, event.outcome) == ("key.create", "tenant_not_found")
    assert (event.tenant_name, event.details) == (None, {"asked_for": "nobody"})


def test_a_tenants_keys_are_each_revoked_with_it(
    admin: Caller, database: Database, tenant_name: str
) -> None:
    tenant = create_tenant(database, tenant_name)
    make_key(database, tenant, "read", "one")
    make_key(database, tenant, "read", "two")
    delete_tenant(database, tenant_name)
    revoked = lines(database, action="key.revoke", tenant_name=tenant_name)
    assert {(event.details or {})["name"] for event in revoked} == {"one", "two"}
