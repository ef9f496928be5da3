"""deploy/Caddyfile, with a real Caddy before the real services."""

import json
import socket
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from cloacina.processes import wait_until
from tests.deploy.compose import ROOT
from tests.deploy.stack import DEADLINE_S, Stack
from tests.deploy.tools import run, tool

CADDYFILE = ROOT / "deploy" / "Caddyfile"
PRIVATE = {
    "10.0.0.0/8",
    "127.0.0.1/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "::1",
    "fd00::/8",
}
CLOSED = ["/metrics", "/flower", "/flower/", "/flower/api/workers", "/flower/metrics"]
# other ways to write them, that a server behind might understand
DISGUISED = [
    "/METRICS",
    "//metrics",
    "/metrics/",
    "/%6Detrics",
    "/./metrics",
    "/docs/../metrics",
    "/docs/%2e%2e/metrics",
    "/metrics;a",
    "/metrics?a=b",
    "/%2fmetrics",
    "//flower//metrics",
    "/docs/../flower/metrics",
    "/%66lower/healthcheck",
    "/FLOWER/healthcheck",
]


def test_the_file_is_valid_and_in_its_own_form() -> None:
    checked = run("caddy", "validate", "--config", CADDYFILE)
    assert checked.returncode == 0, checked.stdout
    assert "Valid configuration" in checked.stdout
    assert run("caddy", "fmt", CADDYFILE).stdout == CADDYFILE.read_text(encoding="utf-8")


def test_those_inside_are_by_default_those_with_private_addresses() -> None:
    adapted = run("caddy", "adapt", "--config", CADDYFILE)
    config = json.loads(adapted.stdout.splitlines()[-1])
    (ranges,) = found(config, "remote_ip")
    assert set(ranges["ranges"]) == PRIVATE
    # what a header says of an address, anyone can write
    assert not list(found(config, "client_ip"))


def found(config: Any, name: str) -> Iterator[Any]:
    if isinstance(config, dict):
        yield from (value for key, value in config.items() if key == name)
    children = config.values() if isinstance(config, dict) else config
    for child in children if isinstance(config, dict | list) else ():
        yield from found(child, name)


def start_proxy(stack: Stack, **changes: str) -> None:
    tool("caddy")
    stack.start("caddy", **changes)
    assert wait_until(lambda: listens(stack.ports["proxy_health"]), DEADLINE_S), stack.log("caddy")


def listens(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}", timeout=5).text == "up"
    except requests.ConnectionError:
        return False


# Caddy shares its port with another Caddy, so there must be one at a time
@pytest.fixture(scope="class")
def inside(stack: Stack) -> Iterator[str]:
    """The proxy's URL, for a client whose address counts as private: we are one."""
    start_proxy(stack)
    yield stack.url
    assert stack.stop("caddy") == 0


@pytest.fixture(scope="class")
def outside(stack: Stack) -> Iterator[str]:
    """The proxy's URL, for a client whose address does not count as one inside."""
    start_proxy(stack, CLOACINA_INSIDE="192.0.2.0/24 2001:db8::/32")
    yield stack.url
    assert stack.stop("caddy") == 0


def raw_get(url: str, target: str, *headers: str) -> tuple[int, str]:
    """Ask for a path as it is written here: clients tidy paths up."""
    host, _, port = url.removeprefix("http://").partition(":")
    lines = [f"GET {target} HTTP/1.1", f"Host: {host}:{port}", "Connection: close", *headers]
    with socket.create_connection((host, int(port)), timeout=10) as link:
        link.sendall("\r\n".join([*lines, "", ""]).encode())
        answer = b"".join(iter(lambda: link.recv(65536), b"")).decode()
    return int(answer.split(" ")[1]), answer


class TestInside:
    def test_metrics_are_open(self, inside: str) -> None:
        answer = requests.get(f"{inside}/metrics", timeout=10)
        assert answer.status_code == 200
        assert "# HELP cloacina_" in answer.text

    def test_flower_is_open_to_those_who_know_its_password(self, inside: str, stack: Stack) -> None:
        user, _, password = stack.variables["FLOWER_BASIC_AUTH"].partition(":")
        assert requests.get(f"{inside}/flower", timeout=10).status_code == 401
        page = requests.get(f"{inside}/flower", auth=(user, password), timeout=10)
        assert page.status_code == 200
        assert 'href="/flower/tasks"' in page.text

    def test_the_api_answers_with_its_own_headers(self, inside: str) -> None:
        answer = requests.get(f"{inside}/health", headers={"X-Request-Id": "mine"}, timeout=10)
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
        assert answer.headers["X-Request-Id"] == "mine"
        assert "Server" not in answer.headers

    def test_the_apis_own_address_has_no_metrics(self, inside: str, stack: Stack) -> None:
        api = f"http://127.0.0.1:{stack.ports['api']}"
        assert requests.get(f"{api}/metrics", timeout=10).status_code == 404

    @pytest.mark.skipif(sys.platform != "linux", reason="this machine has one address of its own")
    def test_the_audit_log_has_the_clients_address_and_nothing_that_it_says(
        self, inside: str, stack: Stack, admin_key: str
    ) -> None:
        host, _, port = inside.removeprefix("http://").partition(":")
        client = ("127.0.0.9", 0)
        with socket.create_connection((host, int(port)), 10, source_address=client) as link:
            link.sendall(
                f"GET /v1/tenants HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n"
                "X-Forwarded-For: 192.0.2.1\r\nX-Request-Id: from-outside\r\n\r\n".encode()
            )
            assert b" 401 " in link.recv(65536)
        answer = requests.get(
            f"http://127.0.0.1:{stack.ports['api']}/v1/audit?request_id=from-outside",
            headers={"Authorization": f"Bearer {admin_key}"},
            timeout=10,
        )
        assert [item["address"] for item in answer.json()["items"]] == ["127.0.0.9"]

    def test_keys_do_not_get_into_the_log(self, inside: str, stack: Stack) -> None:
        headers = {"Authorization": "Bearer clk_of-somebody"}
        assert (
            requests.get(f"{inside}/v1/auth/whoami", headers=headers, timeout=10).status_code == 401
        )
        assert wait_until(lambda: "/v1/auth/whoami" in stack.log("caddy"), DEADLINE_S)
        assert "clk_of-somebody" not in stack.log("caddy")

    def test_a_service_that_is_away_is_told_in_the_apis_words(
        self, stack: Stack, inside: str
    ) -> None:
        stack.stop("flower")
        answer = requests.get(f"{inside}/flower/", timeout=10)
        stack.start("flower")
        stack.wait_healthy("flower")
        assert answer.status_code == 502
        assert answer.json()["code"] == "unavailable"
        assert answer.headers["X-Request-Id"]


class TestOutside:
    @pytest.mark.parametrize("path", CLOSED)
    def test_closed_paths_are_not_there(self, outside: str, path: str) -> None:
        answer = requests.get(outside + path, timeout=10, allow_redirects=False)
        assert answer.status_code == 404
        assert answer.json() == {"error": "not found", "code": "not_found"}
        assert answer.headers["X-Request-Id"]

    @pytest.mark.parametrize("target", DISGUISED)
    def test_nor_under_another_spelling(self, outside: str, target: str) -> None:
        status, answer = raw_get(outside, target)
        assert status in {400, 401, 404, 308}, answer
        assert "# HELP" not in answer
        assert "flower_" not in answer

    @pytest.mark.parametrize(
        "header", ["X-Forwarded-For: 192.0.2.1", "X-Real-IP: 192.0.2.1", "Forwarded: for=192.0.2.1"]
    )
    def test_nobody_is_inside_by_saying_so(self, outside: str, header: str) -> None:
        status, _ = raw_get(outside, "/metrics", header)
        assert status == 404

    def test_the_api_is_open(self, outside: str) -> None:
        assert requests.get(f"{outside}/health", timeout=10).json() == {"status": "ok"}
        answer = requests.get(f"{outside}/v1/tenants", timeout=10)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
