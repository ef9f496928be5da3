"""What `tenant export` and `tenant import` do with files."""

import os
import socket
import threading

import pytest

from tests.cli.test_follow import on_a_terminal

EXPORT = "GET /v1/tenants/acme/export"
IMPORT = "POST /v1/tenants/import"
IMPORTED = {"name": "acme", "username": "acme", "description": None, "executions": 3}


def test_an_export_is_written_and_what_was_there_is_left_alone(client, api, tmp_path):
    api.on(EXPORT, (200, b"the export"))
    path = tmp_path / "acme.tar.zst"
    result = client("tenant", "export", "acme", "-o", str(path))
    assert result.out == f"exported tenant acme to {path} (10 bytes)\n"
    assert path.read_bytes() == b"the export"

    api.on(EXPORT, (200, b"another"))
    result = client("tenant", "export", "acme", "-o", str(path))
    assert result.code == 1
    assert "pass --force to overwrite it" in result.err
    assert path.read_bytes() == b"the export"
    assert client("tenant", "export", "acme", "-o", str(path), "--force", "--json").code == 0
    assert path.read_bytes() == b"another"


@pytest.mark.parametrize(("status", "code"), [(404, 3), (403, 4), (409, 5), (503, 5)], ids=str)
def test_an_export_that_is_refused_leaves_no_file(client, api, tmp_path, status, code):
    api.on(EXPORT, (status, {"error": "no", "code": "no"}))
    folder = tmp_path / "exports"
    folder.mkdir()
    assert client("tenant", "export", "acme", "-o", str(folder / "acme.tar.zst")).code == code
    assert not list(folder.iterdir())


def test_an_export_into_no_folder_is_an_error_of_its_own(client, tmp_path):
    result = client("tenant", "export", "acme", "-o", str(tmp_path / "none" / "acme.tar.zst"))
    assert result.code == 1
    assert "No such file" in result.err


def test_an_import_sends_the_file_and_the_name(client, api, tmp_path):
    api.on(IMPORT, (201, IMPORTED))
    path = tmp_path / "acme.tar.zst"
    path.write_bytes(os.urandom(200_000))
    result = client("tenant", "import", str(path), "--name", "other")
    assert result.out.splitlines()[0].split() == ["name", "acme"]
    sent = api.requests[-1]
    assert b'name="name"\r\n\r\nother\r\n--' in sent.body
    assert path.read_bytes() in sent.body
    assert int(sent.headers["content-length"]) == len(sent.body)
    client("tenant", "import", str(path))
    assert b'name="name"' not in api.requests[-1].body


def test_a_file_that_no_server_takes_is_not_sent(client, api, tmp_path):
    path = tmp_path / "acme.tar.zst"
    path.touch()
    os.truncate(path, 2 * 1024**3 + 1)
    result = client("tenant", "import", str(path))
    assert (result.code, "is larger than 2 GiB" in result.err) == (1, True)
    assert api.requests == []


def test_an_export_that_breaks_off_leaves_no_file(run, tmp_path):
    def answer(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nthe beginning")

    folder = tmp_path / "exports"
    folder.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer, args=(listener,))
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        words = ("tenant", "export", "acme", "-o", str(folder / "acme.tar.zst"))
        result = run("--server", url, "--api-key", "clk_secret", *words)
        thread.join()
    assert (result.code, "broke off" in result.err) == (2, True)
    assert not list(folder.iterdir())


@pytest.mark.usefixtures("home")
def test_on_a_terminal_an_export_shows_its_progress(api, tmp_path):
    api.on(EXPORT, (200, bytes(1_000_000)))
    path = tmp_path / "acme.tar.zst"
    words = ["-o", str(path), "--server", api.url, "--api-key", "x"]
    code, out, shown = on_a_terminal("tenant", "export", "acme", *words)
    assert (code, out) == (0, f"exported tenant acme to {path} (1,000,000 bytes)\n")
    assert "exporting acme" in shown
