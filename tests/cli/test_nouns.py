"""What each verb asks of the API, and what it prints."""

import json

import pytest

TENANT = "/v1/tenants/acme"
CREATED = {"id": "k1", "name": "ci", "key": "clk_new", "permissions": "write", "tenant_id": "acme"}


def test_tenant_create_sends_only_what_was_given(client, api):
    api.on("POST /v1/tenants", (201, {"name": "acme", "username": "acme", "description": None}))
    result = client("tenant", "create", "acme", "--description", "Acme Inc.")
    assert api.requests[0].json == {"name": "acme", "description": "Acme Inc."}
    assert result.out == "name         acme\nusername     acme\ndescription  -\n"


def test_tenant_list_prints_names(client, api):
    api.on("GET /v1/tenants", (200, {"items": [{"name": "acme"}, {"name": "globex"}], "total": 2}))
    assert client("tenant", "list").out == "acme\nglobex\n"


def test_tenant_delete_says_what_it_did(client, api):
    api.on("DELETE /v1/tenants/acme", (200, {"status": "removed", "schema_name": "acme"}))
    assert client("tenant", "delete", "acme", "--force").out == "deleted tenant acme\n"
    assert client("tenant", "delete", "acme", "--force", "-o", "id").out == "acme\n"


@pytest.mark.parametrize(("verb", "done"), [("suspend", "suspended"), ("resume", "resumed")])
def test_tenant_suspend_and_resume(client, api, verb, done):
    api.on(f"POST {TENANT}/{verb}", (200, {"name": "acme", "status": done}))
    assert client("tenant", verb, "acme").out == f"{done} tenant acme\n"
    assert client("tenant", verb, "acme", "-o", "id").out == "acme\n"


def test_tenant_inspect_shows_how_it_stands(client, api):
    executions = {"Running": 1, "Completed": 20}
    shown = {"name": "acme", "status": "active", "workers": [], "executions": executions}
    api.on(f"GET {TENANT}", (200, shown))
    lines = client("tenant", "inspect", "acme").out.splitlines()
    assert lines[:3] == ["name        acme", "status      active", "workers     -"]
    assert json.loads(client("tenant", "inspect", "acme", "--json").out) == shown


def test_key_create_shows_the_key_once(client, api):
    api.on(f"POST {TENANT}/keys", (201, CREATED))
    result = client("key", "create", "ci", "--role", "write", "--expires", "2h")
    assert api.requests[-1].json == {"name": "ci", "role": "write", "expires_in_s": 7200}
    assert result.out == (
        "created key: clk_new\nID:          k1\nrole:        write\n"
        "Keep the key now: it is shown this once.\n"
    )


def test_key_create_in_other_forms(client, api):
    api.on(f"POST {TENANT}/keys", (201, CREATED))
    assert client("key", "create", "ci", "-o", "id").out == "k1\n"
    assert json.loads(client("key", "create", "ci", "--json").out) == CREATED
    assert api.requests[-1].json["role"] == "read"


def test_key_create_without_a_tenant_is_the_platforms(client, api):
    answer = {"tenant_id": None, "role": "admin", "is_admin": True, "name": "bootstrap-admin"}
    api.on("POST /v1/auth/keys", (201, CREATED))
    api.on("GET /v1/auth/whoami", (200, answer))
    assert client("key", "create", "ci").code == 0
    assert api.asked("POST /v1/auth/keys")


def test_key_create_admin_asks_for_a_key_of_the_platform(client, api):
    api.on("POST /v1/auth/keys", (201, CREATED))
    client("key", "create", "ops", "--admin")
    assert [one.json for one in api.requests] == [
        {"name": "ops", "role": "admin", "is_admin": True}
    ]


def test_key_revoke_says_what_it_did(client, api):
    api.on(f"DELETE {TENANT}/keys/k1", (200, {"status": "revoked", "id": "k1"}))
    assert client("key", "revoke", "k1", "--force").out == "revoked key k1\n"


WORKFLOWS = [
    {"id": "p1", "package_name": "acme-etl", "workflow_name": "nightly", "version": "1.2.0",
     "tasks": ["a", "b"], "paused": False, "description": None, "created_at": "t"},
    {"id": "p2", "package_name": "billing", "workflow_name": "bill", "version": "0.1.0",
     "tasks": [], "paused": True, "description": "x", "created_at": "t"},
]  # fmt: skip


@pytest.fixture
def workflows(client, api):
    api.on(f"GET {TENANT}/workflows", (200, {"tenant_id": "acme", "items": WORKFLOWS, "total": 2}))
    return client


def test_workflow_list_shows_tasks_and_pauses(workflows):
    lines = workflows("workflow", "list").out.splitlines()
    assert lines[1].split() == ["nightly", "acme-etl", "1.2.0", "a,", "b", "no", "-"]
    assert lines[2].split() == ["bill", "billing", "0.1.0", "-", "yes", "x"]


def test_lists_are_narrowed_by_package(workflows):
    assert workflows("workflow", "list", "--package", "billing", "-o", "id").out == "p2\n"
    assert workflows("package", "list", "--filter", "etl", "-o", "id").out == "p1\n"


def test_package_delete_finds_name_and_version(client, api):
    api.on(f"GET {TENANT}/workflows/p1", (200, WORKFLOWS[0]))
    api.on(f"DELETE {TENANT}/workflows/acme-etl/1.2.0", (200, {"status": "deleted"}))
    result = client("package", "delete", "p1", "--force")
    assert result.out == "deleted package acme-etl 1.2.0\n"


@pytest.mark.parametrize(("verb", "done"), [("pause", "paused"), ("resume", "resumed")])
def test_workflow_pause_and_resume(client, api, verb, done):
    api.on(f"POST {TENANT}/workflows/etl/{verb}", (200, {"id": "p1", "name": "etl"}))
    assert client("workflow", verb, "etl").out == f"{done} workflow etl\n"


EXECUTE = f"POST {TENANT}/workflows/etl/execute"
ACCEPTED = (202, {"execution_id": "e1", "workflow_name": "etl", "status": "scheduled"})


def test_workflow_run_prints_only_the_id(client, api):
    api.on(EXECUTE, ACCEPTED)
    assert client("workflow", "run", "etl").out == "e1\n"
    assert api.requests[-1].json == {}


def test_workflow_run_merges_params_over_the_context(client, api, tmp_path):
    api.on(EXECUTE, ACCEPTED)
    (tmp_path / "context.json").write_text('{"day": "mon", "rows": 1}')
    words = ["--context", str(tmp_path / "context.json")]
    for param in ("rows=2", "name=x=y", "list=[1]", "limit=NaN", "empty="):
        words += ["--param", param]
    client("workflow", "run", "etl", *words, "--idempotency-key", "once")
    assert api.requests[-1].json == {
        "context": {
            "day": "mon", "rows": 2, "name": "x=y", "list": [1], "limit": "NaN", "empty": "",
        }
    }  # fmt: skip
    assert api.requests[-1].headers["idempotency-key"] == "once"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[1]", "must be a JSON object"),
        ("{", "is not valid JSON"),
        ('{"a": NaN}', "is not valid JSON: NaN is not JSON"),
        ('{"a": 1e999}', "cannot be written as JSON"),
        (b"\xff", "is not valid JSON"),
    ],
)
def test_a_context_that_cannot_be_used_is_refused_here(client, api, tmp_path, text, problem):
    file = tmp_path / "context.json"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    result = client("workflow", "run", "etl", "--context", str(file))
    assert result.code == 1
    assert problem in result.err
    assert not api.asked(EXECUTE)


def test_execution_list_passes_its_filters_on(client, api):
    client("execution", "list", "--workflow", "etl", "--status", "failed", "--offset", "5")
    assert api.requests[-1].path == (
        f"{TENANT}/executions?workflow=etl&status=Failed&limit=50&offset=5"
    )


def test_execution_events_and_tasks_show_plain_task_names(client, api):
    name = "acme::p::etl::extract"
    event = {"id": "v1", "event_type": "task_started", "event_data": None, "task_name": name,
             "created_at": "t", "sequence_num": 1}  # fmt: skip
    task = {"id": "t1", "task_name": name, "status": "Failed", "attempt": 2, "max_attempts": 3,
            "last_error": "boom", "error_details": None, "started_at": None,
            "completed_at": None}  # fmt: skip
    api.on(f"GET {TENANT}/executions/e1/events", (200, {"events": [event]}))
    api.on(f"GET {TENANT}/executions/e1/tasks", (200, {"tasks": [task]}))
    events = client("execution", "events", "e1", "--since", "5m").out
    assert events.splitlines()[1].split() == ["1", "t", "task_started", "extract", "-"]
    assert api.requests[-1].path.endswith("/events?since=5m")
    tasks = client("execution", "tasks", "e1").out
    assert tasks.splitlines()[1].split() == ["extract", "Failed", "2/3", "-", "-", "boom"]


def test_trigger_list_reads_every_page(client, api):
    item = {"id": "s", "schedule_type": "cron", "workflow_name": "etl", "enabled": True,
            "cron_expression": "0 3 * * *", "trigger_name": None, "poll_interval_ms": None,
            "next_run_at": None, "last_run_at": None, "paused": False,
            "timezone": "UTC"}  # fmt: skip
    pages = [(200, {"items": [item] * 1000}), (200, {"items": [item]})]
    api.on(f"GET {TENANT}/triggers", *pages)
    assert len(client("trigger", "list").out.splitlines()) == 1002
    assert api.requests[-1].path == f"{TENANT}/triggers?limit=1000&offset=1000"


def test_trigger_inspect_shows_the_schedule_and_its_runs(client, api):
    answer = {"tenant_id": "acme", "schedule": {"id": "s1", "workflow_name": "etl"},
              "recent_executions": [{"id": "e1"}, {"id": "e2"}]}  # fmt: skip
    api.on(f"GET {TENANT}/triggers/etl", (200, answer))
    assert client("trigger", "inspect", "etl").out.splitlines() == [
        "id                 s1",
        "workflow_name      etl",
        'recent_executions  {"id": "e1"}',
        '                   {"id": "e2"}',
    ]
    assert json.loads(client("trigger", "inspect", "etl", "--json").out) == answer
    assert client("trigger", "inspect", "etl", "-o", "id").out == "s1\n"


def test_server_health_and_status_of_a_server_that_is_up(run, api):
    api.on("GET /health", (200, {"status": "ok"}))
    assert run("server", "health", "--server", api.url).out == "up\n"
    shown = run("server", "status", "--server", api.url)
    assert (shown.code, shown.out) == (0, f"server: {api.url}\n  reachable: yes (HTTP 200)\n")
    assert "authorization" not in api.requests[0].headers


def test_server_health_and_status_of_a_server_that_is_down(run):
    health = run("server", "health", "--server", "http://127.0.0.1:1")
    assert (health.code, health.out, health.err) == (2, "", "down\n")
    status = run("server", "status", "--server", "http://127.0.0.1:1")
    assert status.code == 2
    assert "  reachable: no (cannot reach" in status.out


def test_status_has_its_sections(client, api):
    api.on("GET /health", (200, {"status": "ok"}))
    api.on("GET /ready", (200, {"status": "ready", "degraded": ["broker"]}))
    worker = {"max_concurrency": 4, "in_flight": 1}
    api.on("GET /v1/agents", (200, {"items": [worker, worker], "total": 2}))
    assert client("status").out.splitlines() == [
        "server",
        f"  url        {api.url}",
        "  reachable  yes",
        "  key        acme-ci",
        "  role       write",
        "  tenant     acme",
        "workers",
        "  count  2",
        "  slots  8",
        "  busy   2",
        "broker",
        "  state  away",
        "database",
        "  state  ready",
    ]


def test_status_shows_what_it_can_to_whom_it_can(run, api):
    api.on("GET /health", (200, {"status": "ok"}))
    api.on("GET /ready", (503, {"status": "not ready", "reason": "the database is away"}))
    shown = json.loads(run("status", "--server", api.url, "--json").out)
    assert shown["workers"] == {"state": "unknown without an API key"}
    assert shown["database"] == {"state": "not ready: the database is away"}


def test_status_of_a_server_that_is_down_ends_with_2(run):
    result = run("status", "--server", "http://127.0.0.1:1")
    assert result.code == 2
    assert "reachable  no" in result.out
