"""The API as gunicorn serves it, asked by clients as people have them."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import requests

from cloacina.db import Database
from cloacina.keys import services as keys
from cloacina.settings import Settings
from cloacina.tenants.models import Tenant
from tests.ports import choose_several
from tests.web.conftest import make_key

MIB = 1024 * 1024
DEADLINE_S = 30.0


@dataclass
class Server:
    """A running gunicorn."""

    process: subprocess.Popen[bytes]
    url: str
    metrics_url: str
    log: Path


def start(settings: Settings, log: Path) -> Server:
    """Start gunicorn and wait until it answers."""
    api, metrics = (f"127.0.0.1:{port}" for port in choose_several("127.0.0.1", 2))
    settings = replace(settings, bind=api, metrics_bind=metrics)
    command = (sys.executable, "-m", "gunicorn", "-c", "python:web.gunicorn_conf")
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env=os.environ | settings.environment(), stderr=output, stdout=output
        )
    server = Server(process, f"http://{settings.bind}", f"http://{settings.metrics_bind}", log)
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        with suppress(requests.ConnectionError):
            requests.get(f"{server.url}/health", timeout=5)
            return server
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.05)
            break
    raise AssertionError(log.read_text())


def stop(server: Server) -> None:
    """Stop gunicorn as its supervisor does."""
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(DEADLINE_S) == 0


@pytest.fixture(scope="module")
def server(
    settings: Settings, database: Database, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """The API of a migrated database, its metrics on an address of their own."""
    log = tmp_path_factory.mktemp("gunicorn") / "log"
    server = start(replace(settings, metrics_token="secret"), log)
    yield server
    stop(server)


@pytest.fixture(scope="module")
def write_key(database: Database, acme: Tenant) -> str:
    """A write key of acme's."""
    return make_key(database, acme, "write")


@pytest.fixture(scope="module")
def large_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of 150 MiB, which takes no room on the disk."""
    path = tmp_path_factory.mktemp("large") / "large.cloacina"
    with path.open("wb") as file:
        file.truncate(150 * MIB)
    return path


def pieces(size: int) -> Iterator[bytes]:
    """A body whose length is not announced."""
    for _ in range(size // (64 * 1024)):
        yield b"x" * (64 * 1024)


@pytest.mark.parametrize("has_key", [False, True])
def test_a_refused_upload_of_150_mib_still_reads_its_answer(
    server: Server, acme: Tenant, write_key: str, large_file: Path, has_key: bool
) -> None:
    url = f"{server.url}/v1/tenants/{acme.name}/workflows"
    headers = {"Authorization": f"Bearer {write_key}"} if has_key else {}
    expected = (413, "payload_too_large") if has_key else (401, "unauthorized")
    with requests.Session() as session, large_file.open("rb") as file:
        session.headers.update(headers)
        headers = {"Content-Type": "multipart/form-data; boundary=x"}
        answer = session.post(url, data=file, headers=headers, timeout=60)
        assert (answer.status_code, answer.json()["code"]) == expected
        answer = session.post(url, data=pieces(150 * MIB), headers=headers, timeout=60)
        assert (answer.status_code, answer.json()["code"]) == expected
        # and the connection is in order
        assert session.get(f"{server.url}/health", timeout=5).json() == {"status": "ok"}


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize("options", [[], ["-H", "Transfer-Encoding: chunked"]])
def test_curl_reads_the_answer_to_a_refused_upload(
    server: Server, acme: Tenant, write_key: str, large_file: Path, options: list[str]
) -> None:
    url = f"{server.url}/v1/tenants/{acme.name}/workflows"
    key = ["-H", f"Authorization: Bearer {write_key}"]
    command = ["curl", "-sS", "-F", f"file=@{large_file}", *key, *options, url]
    answer = subprocess.run(command, capture_output=True, timeout=60, check=True)
    assert json.loads(answer.stdout)["code"] == "payload_too_large"


def test_other_bodies_end_at_1_mib_announced_or_not(
    server: Server, acme: Tenant, write_key: str
) -> None:
    url = f"{server.url}/v1/tenants/{acme.name}/workflows/nothing/execute"
    headers = {"Authorization": f"Bearer {write_key}", "Content-Type": "application/json"}

    def send(size: int, announced: bool) -> tuple[int, str]:
        body = b'{"context": {}}'.ljust(size)
        content = body if announced else iter([body])
        answer = requests.post(url, data=content, headers=headers, timeout=60)
        return answer.status_code, answer.json()["code"]

    for announced in (True, False):
        assert send(MIB, announced) == (404, "workflow_not_found")
        assert send(MIB + 1, announced) == (413, "payload_too_large")
        assert send(2 * MIB, announced) == (413, "payload_too_large")


def test_a_broken_chunk_is_a_bad_request(server: Server, acme: Tenant, write_key: str) -> None:
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as client:
        client.sendall(
            f"POST /v1/tenants/{acme.name}/workflows/x/execute HTTP/1.1\r\nHost: x\r\n"
            f"Authorization: Bearer {write_key}\r\nContent-Type: application/json\r\n"
            "Transfer-Encoding: chunked\r\n\r\nnot a size\r\n".encode()
        )
        answer = b"".join(iter(lambda: client.recv(4096), b"")).decode()
    assert answer.startswith("HTTP/1.1 400 ")
    assert '"code":"invalid_request"' in answer


def test_a_given_key_of_any_shape_travels_as_utf_8(server: Server, database: Database) -> None:
    with database.platform() as session:
        keys.issue(session, "given", "admin", None, plaintext="Schlüssel 日本=")
    headers = {"Authorization": "Bearer Schlüssel 日本=".encode()}
    answer = requests.get(f"{server.url}/v1/auth/whoami", headers=headers, timeout=5)
    assert answer.json()["name"] == "given"


def test_metrics_are_at_their_own_address_and_nowhere_else(server: Server) -> None:
    token = {"Authorization": "Bearer secret"}
    found = requests.get(f"{server.metrics_url}/metrics", headers=token, timeout=5)
    assert "cloacina_http_request_total" in found.text
    assert requests.get(f"{server.metrics_url}/metrics", timeout=5).status_code == 401
    host = {"Host": server.metrics_url.removeprefix("http://")} | token
    for url in (f"{server.url}/metrics", f"{server.metrics_url}/health"):
        answer = requests.get(url, headers=host, timeout=5)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_a_request_is_one_line_of_the_log_under_its_id(server: Server) -> None:
    headers = {"x-request-id": "find-me"}
    answer = requests.get(f"{server.url}/v1/tenants?token=hidden", headers=headers, timeout=5)
    assert answer.headers["x-request-id"] == "find-me"
    lines = [line for line in server.log.read_text().splitlines() if "find-me" in line]
    assert len(lines) == 1
    assert re.search(r"INFO +web\.access \[find-me\] 127\.0\.0\.1 GET /v1/tenants 401", lines[0])
    assert "hidden" not in server.log.read_text()


def test_the_server_starts_while_its_database_is_down(settings: Settings, tmp_path: Path) -> None:
    away = replace(settings, database_url="postgresql://nobody@127.0.0.1:1/nothing")
    server = start(away, tmp_path / "log")
    answer = requests.get(f"{server.url}/ready", timeout=10)
    assert (answer.status_code, answer.json()["status"]) == (503, "not ready")
    stop(server)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"CLOACINA_BIND": "nowhere"}, "Error: CLOACINA_BIND"),
        ({"CLOACINA_BROKER_URL": ""}, "Error: broker_url"),
    ],
)
def test_a_wrong_setting_ends_the_start_in_one_line(
    settings: Settings, wrong: dict[str, str], said: str
) -> None:
    command = (sys.executable, "-m", "gunicorn", "-c", "python:web.gunicorn_conf")
    environment = os.environ | settings.environment() | wrong
    ended = subprocess.run(command, env=environment, capture_output=True, timeout=30, check=False)
    assert ended.returncode == 1
    assert ended.stderr.decode().startswith(said)
    assert "Traceback" not in ended.stderr.decode()
