"""Tenants that move, over the API and with the command line against a real server."""

import io
import json
import stat
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from cli.main import main
from cloacina.db import Database
from cloacina.lifecycle.tenants import create_tenant
from cloacina.settings import Settings
from cloacina.tenants.models import Tenant
from cloacina.transfer import limits
from tests.web.conftest import Caller, refusal
from tests.web.packages import archive, build, definition, upload
from tests.web.test_server import Server, start, stop
from tests.web.test_sqlite import lite, lite_admin, public  # noqa: F401  # fixtures
from web import body

COUNTS = {
    "packages": 1,
    "schedules": 0,
    "executions": 1,
    "tasks": 3,
    "events": 2,
    "log_lines": 0,
    "paused_executions": 1,
}


@pytest.fixture(scope="module")
def tenant(database: Database) -> Tenant:
    """A tenant that moves."""
    return create_tenant(database, f"move_{uuid.uuid4().hex[:8]}", description="moves")


@pytest.fixture(scope="module")
def execution_id(
    app,
    database: Database,
    admin_key: str,
    tenant: Tenant,
    tmp_path_factory: pytest.TempPathFactory,
) -> str:
    """An execution of its, which was not begun."""
    admin = Caller(app, admin_key)
    upload(admin, tenant, archive(tmp_path_factory.mktemp("etl"), "etl"))
    build(database, tenant, definition())
    answer = admin.post(f"/v1/tenants/{tenant.name}/workflows/etl/execute")
    return str(answer.json["execution_id"])


def fetched(caller: Caller, name: str) -> bytes:
    """Give a tenant's export."""
    with caller.get(f"/v1/tenants/{name}/export") as out:
        assert (out.status_code, out.mimetype) == (200, "application/zstd")
        assert out.content_length == len(out.data)
        return bytes(out.data)


def send(caller: Caller, whole: bytes, **fields: str):
    """Send an export."""
    form = {"file": (io.BytesIO(whole), "x.tar.zst"), **fields}
    return caller.post("/v1/tenants/import", data=form)


def test_a_tenant_goes_out_and_comes_in_under_another_name(
    admin: Caller, tenant: Tenant, execution_id: str, tenant_name: str
) -> None:
    whole = fetched(admin, tenant.name)
    came = send(admin, whole, name=tenant_name)
    assert came.status_code == 201
    expected = {"name": tenant_name, "username": tenant_name, "description": "moves"}
    assert came.json == expected | COUNTS
    path = f"/v1/tenants/{tenant_name}"
    shown = admin.get(f"{path}/executions/{execution_id}").json
    assert (shown["status"], shown["tenant_id"]) == ("Paused", tenant_name)
    assert admin.post(f"{path}/executions/{execution_id}/resume").status_code == 200
    assert admin.get(f"{path}/keys").json["items"] == []
    for fields in ({}, {"name": "public"}, {"name": 'x"; DROP SCHEMA public; --'}):
        assert refusal(send(admin, whole, **fields)) == (400, "tenant_creation_failed")


def test_what_cannot_be_moved_is_refused_in_words(admin: Caller) -> None:
    assert refusal(admin.get("/v1/tenants/nobody/export")) == (404, "tenant_not_found")
    assert refusal(send(admin, b"x")) == (400, "tenant_import_failed")
    assert refusal(send(admin, b"x", name="")) == (400, "invalid_request")
    assert refusal(send(admin, b"")) == (400, "invalid_request")
    assert refusal(admin.post("/v1/tenants/import")) == (400, "invalid_request")
    answer = admin.post("/v1/tenants/import", data=b"x", content_type="application/zstd")
    assert refusal(answer) == (415, "unsupported_media_type")


def test_an_export_that_no_import_would_take_is_refused(
    admin: Caller, tenant: Tenant, execution_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MAX_PACKED_BYTES", 100)
    answer = admin.get(f"/v1/tenants/{tenant.name}/export")
    assert refusal(answer) == (409, "tenant_export_failed")


def test_an_export_may_be_larger_than_an_upload_but_not_of_any_size(
    admin: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    def send_large(size: int) -> tuple[int, str]:
        head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n'
        data = head + bytes(size) + b"\r\n--x--\r\n"
        form = "multipart/form-data; boundary=x"
        return refusal(admin.post("/v1/tenants/import", data=data, content_type=form))

    assert send_large(body.UPLOAD_LIMIT_BYTES + 1) == (400, "tenant_import_failed")
    monkeypatch.setitem(body._LIMITS, "tenants.import_tenant", body.MIB)
    assert send_large(body.MIB) == (413, "payload_too_large")


def test_the_tenant_that_always_exists_goes_out_but_sqlite_takes_none_in(
    lite_admin: Caller,  # noqa: F811  # the fixture
    admin: Caller,
    tenant_name: str,
) -> None:
    whole = fetched(lite_admin, "public")
    answer = send(lite_admin, whole, name=tenant_name)
    assert refusal(answer) == (400, "tenant_creation_failed")
    assert "PostgreSQL" in answer.json["error"]
    assert refusal(send(admin, whole)) == (400, "tenant_creation_failed")
    assert send(admin, whole, name=tenant_name).status_code == 201


@pytest.fixture(scope="module")
def server(
    settings: Settings, database: Database, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """The API as gunicorn serves it."""
    server = start(settings, tmp_path_factory.mktemp("gunicorn") / "log")
    yield server
    stop(server)


def test_the_command_line_moves_a_tenant(
    server: Server,
    admin_key: str,
    tenant: Tenant,
    execution_id: str,
    tenant_name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def run(*words: str) -> tuple[int, str, str]:
        code = main(("--server", server.url, "--api-key", admin_key, *words))
        return code, *capsys.readouterr()

    monkeypatch.setenv("CLOACINA_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    code, out, _ = run("tenant", "export", tenant.name, "-o", "acme.tar.zst")
    file = tmp_path / "acme.tar.zst"
    size = file.stat().st_size
    assert (code, out) == (0, f"exported tenant {tenant.name} to acme.tar.zst ({size:,} bytes)\n")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [file]

    code, out, _ = run("tenant", "import", "acme.tar.zst", "--name", tenant_name, "--json")
    assert code == 0
    assert json.loads(out)["name"] == tenant_name
    assert COUNTS.items() <= json.loads(out).items()
    # a second time it is refused, after the whole of it was sent
    code, _, shown = run("tenant", "import", "acme.tar.zst", "--name", tenant_name)
    assert (code, "is taken" in shown) == (1, True)
    # and a client that goes away in the middle leaves the server as it was
    headers = {"Authorization": f"Bearer {admin_key}"}
    url = f"{server.url}/v1/tenants/{tenant.name}/export"
    with requests.get(url, headers=headers, stream=True, timeout=30) as answer:
        assert answer.raw.read(1)
    assert requests.get(f"{server.url}/health", timeout=30).status_code == 200
