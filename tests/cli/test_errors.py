import socket

import click
import pytest

from cli.errors import BuildFailed, ExecutionFailed, Refused, TransportError, exit_code
from cloacina.errors import ConfigurationError


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigurationError("x"), 1),
        (Refused("x"), 1),
        (ExecutionFailed("x"), 1),
        (FileNotFoundError(2, "No such file", "x"), 1),
        (RuntimeError("x"), 1),
        (TransportError("x"), 2),
        (click.UsageError("x"), 2),
        (BuildFailed("x"), 5),
        (click.Abort(), 130),
        (KeyboardInterrupt(), 130),
    ],
)
def test_every_kind_of_error_has_its_exit_code(error, code):
    assert exit_code(error) == code


@pytest.mark.parametrize(
    ("status", "code", "text"),
    [
        (400, 1, "Error: it says no"),
        (422, 1, "Error: it says no"),
        (401, 4, "Error: authentication — it says no"),
        (403, 4, "Error: authentication — it says no"),
        (404, 3, "Error: not found — it says no"),
        (409, 5, "Error: server (HTTP 409) — it says no"),
        (500, 5, "Error: server (HTTP 500) — it says no"),
    ],
)
def test_an_answers_status_decides_exit_code_and_text(client, api, status, code, text):
    api.on("GET /v1/tenants", (status, {"error": "it says no", "code": "no"}))
    result = client("tenant", "list")
    assert (result.code, result.out, result.err) == (code, "", text + "\n")


def test_verbose_adds_code_and_request_id(client, api):
    api.on("GET /v1/tenants", (403, {"error": "no", "code": "admin_required"}))
    result = client("tenant", "list", "-v")
    assert "code: admin_required" in result.err
    assert "request id: request-1" in result.err


def test_nobody_listening_is_one_line_and_exit_code_2(run):
    # bound, so that nobody else takes the port, but not listening
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        result = run("tenant", "list", "--server", url, "--api-key", "x")
    assert (result.code, result.err) == (2, f"Error: cannot reach {url}: Connection refused\n")


def test_an_answer_that_is_no_json_is_no_cloacina_server(client, api):
    api.on("GET /v1/tenants", (200, b"<html>hello</html>"))
    result = client("tenant", "list")
    assert result.code == 2
    assert "is this the URL of a Cloacina server?" in result.err


def test_an_error_that_is_no_json_shows_the_reason(client, api):
    api.on("GET /v1/tenants", (502, b"<html>bad gateway</html>"))
    assert client("tenant", "list").err == "Error: server (HTTP 502) — Bad Gateway\n"


def test_a_defect_is_one_line_and_verbose_shows_its_place(client, api):
    api.on("POST /v1/auth/keys", (201, {}))
    quiet = client("key", "create", "ops", "--admin")
    assert quiet.code == 1
    assert quiet.err == "Error: unexpected KeyError: 'key'; -v shows where\n"
    assert "  at " in client("-v", "key", "create", "ops", "--admin").err


def test_a_missing_file_is_named(client):
    result = client("package", "upload", "nowhere.cloacina")
    assert (result.code, result.err) == (1, "Error: nowhere.cloacina: No such file or directory\n")


def test_a_packages_problems_come_a_line_each(run, tmp_path):
    result = run("package", "validate", str(tmp_path))
    assert result.code == 1
    assert all(line.startswith("Error: ") for line in result.err.splitlines())


def test_a_servers_text_cannot_drive_the_terminal(client, api):
    api.on("GET /v1/tenants", (400, {"error": "\x1b[2Jgone", "code": "no"}))
    assert client("tenant", "list").err == "Error: \\x1b[2Jgone\n"
