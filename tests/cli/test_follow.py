"""Waiting: for builds, for executions, for further events, and on a terminal."""

import json
import os
import pty
import subprocess
import sys
import threading

import pytest

from cli import follow

TENANT = "/v1/tenants/acme"
EXECUTION = f"{TENANT}/executions/e1"
BUILD = f"{TENANT}/workflows/p1"
STARTED = (202, {"execution_id": "e1"})


def state(status, **more):
    return 200, {"execution_id": "e1", "status": status} | more


def build(status, error=None):
    return 200, {"id": "p1", "build_status": status, "build_error": error}


@pytest.fixture
def run_etl(client, api):
    api.on(f"POST {TENANT}/workflows/etl/execute", STARTED)
    return lambda *words: client("workflow", "run", "etl", "--wait", *words)


def test_a_completed_execution_ends_with_0(run_etl, api):
    api.on(f"GET {EXECUTION}", state("Pending"), state("Running"), state("Completed"))
    result = run_etl()
    assert (result.code, result.out, result.err) == (0, "e1\n", "")


def test_a_failed_execution_ends_with_1_and_its_error(run_etl, api):
    api.on(f"GET {EXECUTION}", state("Failed", error="task load: boom"))
    result = run_etl()
    assert (result.code, result.out) == (1, "e1\n")
    assert result.err == "Error: execution e1 ended as Failed: task load: boom\n"


def test_a_cancelled_execution_ends_with_1(run_etl, api):
    api.on(f"GET {EXECUTION}", state("Cancelled", error=None))
    assert run_etl().err == "Error: execution e1 ended as Cancelled\n"


def test_a_wait_outlives_an_outage(run_etl, api):
    away = (503, {"error": "the database is away", "code": "database_unavailable"})
    api.on(f"GET {EXECUTION}", state("Running"), away, away, state("Completed"))
    assert run_etl().code == 0


def test_a_wait_does_not_outlive_a_refusal(run_etl, api):
    api.on(f"GET {EXECUTION}", state("Running"), (401, {"error": "revoked", "code": "x"}))
    assert run_etl().code == 4


def test_an_outage_that_lasts_ends_the_wait(run_etl, api, monkeypatch):
    monkeypatch.setattr(follow, "OUTAGE_S", 0.0)
    api.on(f"GET {EXECUTION}", (503, {"error": "away", "code": "database_unavailable"}))
    assert run_etl().code == 5


@pytest.fixture
def archive(tmp_path):
    path = tmp_path / "etl.cloacina"
    path.write_bytes(os.urandom(200_000))
    return path


def test_an_upload_sends_the_file_in_one_part_and_prints_the_id(client, api, archive):
    api.on(f"POST {TENANT}/workflows", (201, {"package_id": "p1", "tenant_id": "acme"}))
    assert client("package", "upload", str(archive)).out == "p1\n"
    sent = api.requests[-1]
    boundary = sent.headers["content-type"].removeprefix("multipart/form-data; boundary=")
    head, _, rest = sent.body.partition(b"\r\n\r\n")
    assert head.startswith(f"--{boundary}\r\n".encode())
    assert b'name="file"' in head
    assert rest == archive.read_bytes() + f"\r\n--{boundary}--\r\n".encode()
    assert int(sent.headers["content-length"]) == len(sent.body)


def test_an_upload_waits_for_its_build(client, api, archive):
    api.on(f"POST {TENANT}/workflows", (201, {"package_id": "p1", "tenant_id": "acme"}))
    api.on(f"GET {BUILD}", build("pending"), build("building"), build("success"))
    result = client("package", "upload", str(archive), "--wait")
    assert (result.code, result.out, result.err) == (0, "p1\n", "")


def test_a_build_that_fails_ends_with_5_and_its_error(client, api, archive):
    api.on(f"POST {TENANT}/workflows", (201, {"package_id": "p1", "tenant_id": "acme"}))
    api.on(f"GET {BUILD}", build("failed", "Empty package: registered no tasks"))
    result = client("package", "upload", str(archive), "--wait")
    assert (result.code, result.out) == (5, "p1\n")
    assert result.err == "Error: the build failed: Empty package: registered no tasks\n"


def test_a_file_beyond_every_limit_is_not_sent(client, api, archive):
    os.truncate(archive, 101 * 1024 * 1024)
    result = client("package", "upload", str(archive))
    assert result.code == 1
    assert "has 101.0 MiB; a package may have 100" in result.err
    assert api.requests == []


def event(number):
    return {"id": f"v{number}", "event_type": "task_started", "event_data": '{"a": 1}',
            "task_name": "acme::p::etl::load", "created_at": "t",
            "sequence_num": number}  # fmt: skip


@pytest.fixture
def events(client, api):
    api.on(f"GET {EXECUTION}", state("Running"), state("Completed"))
    pages = [[event(1), event(2)], [event(3)]]
    api.on(f"GET {EXECUTION}/events", *[(200, {"events": page}) for page in pages])
    return lambda *words: client("execution", "events", "e1", "--follow", *words)


def test_events_are_followed_to_the_end_without_repeats(events, api):
    lines = events("--since", "5m").out.splitlines()
    assert lines == ['t  task_started  load  {"a": 1}'] * 3
    asked = [one.path.partition("?")[2] for one in api.requests if "/events" in one.path]
    assert asked == ["since=5m", "after=2"]


def test_followed_events_as_json_are_one_a_line(events):
    numbers = [json.loads(line)["sequence_num"] for line in events("--json").out.splitlines()]
    assert numbers == [1, 2, 3]


def test_followed_events_of_an_unknown_execution_end_with_3(client, api):
    api.on(f"GET {EXECUTION}", (404, {"error": "no such execution", "code": "execution_not_found"}))
    assert client("execution", "events", "e1", "--follow").code == 3


def on_a_terminal(*words):
    """Run a command whose stderr is a terminal; give its exit code, stdout and stderr."""
    ours, theirs = pty.openpty()
    program = "import sys; from cli.main import main; sys.exit(main())"
    shown = bytearray()

    def read():
        try:
            while piece := os.read(ours, 65536):
                shown.extend(piece)
        except OSError:
            pass  # how Linux says that the other end is closed

    with subprocess.Popen(
        [sys.executable, "-c", program, *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=theirs,
        env=os.environ | {"TERM": "xterm", "COLUMNS": "80"},
    ) as process:
        os.close(theirs)
        reader = threading.Thread(target=read)
        reader.start()
        out = process.stdout.read()
    reader.join(timeout=20)
    os.close(ours)
    return process.returncode, out.decode(), shown.decode()


@pytest.mark.usefixtures("home")
def test_on_a_terminal_a_run_shows_its_tasks_beside_the_bare_id(api):
    api.on(f"POST {TENANT}/workflows/etl/execute", STARTED)
    api.on(f"GET {EXECUTION}", state("Running"), state("Completed"))
    task = {"task_name": "acme::p::etl::load", "status": "Running", "attempt": 1, "max_attempts": 3}
    tasks = [(200, {"tasks": [task | {"status": word}]}) for word in ("Running", "Completed")]
    api.on(f"GET {EXECUTION}/tasks", *tasks)
    words = ["--tenant", "acme", "--server", api.url, "--api-key", "x"]
    code, out, shown = on_a_terminal("workflow", "run", "etl", "--wait", *words)
    assert (code, out) == (0, "e1\n")
    assert "load" in shown
    assert "attempt 1 of 3" in shown
    assert "acme::p" not in shown


@pytest.mark.usefixtures("home")
def test_on_a_terminal_an_upload_shows_its_progress_beside_the_bare_id(api, archive):
    api.on(f"POST {TENANT}/workflows", (201, {"package_id": "p1", "tenant_id": "acme"}))
    words = ["--tenant", "acme", "--server", api.url, "--api-key", "x"]
    code, out, shown = on_a_terminal("package", "upload", str(archive), *words)
    assert (code, out) == (0, "p1\n")
    assert "uploading etl.cloacina" in shown
