"""`limits`: what each verb asks of the API, and what it prints."""

import json

import pytest
import yaml

PATH = "/v1/tenants/acme/limits"
LIMIT = {"effective_limit": 1000, "default_limit": 1000, "tenant_override": None, "used": 7}
ANSWER = {
    "tenant_id": "acme",
    "default_max_agents": 4,
    "tenant_override": 2,
    "effective_limit": 2,
    "max_concurrent_tasks": LIMIT,
    "max_queued_executions": LIMIT,
    "max_packages": LIMIT,
    "max_storage_bytes": LIMIT,
    "max_requests_per_s": LIMIT | {"used": None},
}


def test_show_prints_each_limit_on_a_line(client, api):
    api.on(f"GET {PATH}", (200, ANSWER))
    lines = client("limits", "show").out.splitlines()
    assert [line.split() for line in lines] == [
        ["LIMIT", "EFFECTIVE", "DEFAULT", "OVERRIDE", "USED"],
        ["max_agents", "2", "4", "2", "-"],
        ["max_concurrent_tasks", "1000", "1000", "-", "7"],
        ["max_queued_executions", "1000", "1000", "-", "7"],
        ["max_packages", "1000", "1000", "-", "7"],
        ["max_storage_bytes", "1000", "1000", "-", "7"],
        ["max_requests_per_s", "1000", "1000", "-", "-"],
    ]


def test_show_in_other_forms_gives_the_whole_answer(client, api):
    api.on(f"GET {PATH}", (200, ANSWER))
    assert json.loads(client("limits", "show", "--json").out) == ANSWER
    assert yaml.safe_load(client("limits", "show", "-o", "yaml").out) == ANSWER
    assert client("limits", "show", "-o", "id").out == "acme\n"


def test_set_sends_what_was_given_and_null_for_a_default(client, api):
    api.on(f"POST {PATH}", (200, ANSWER))
    flags = ("--max-packages", "5", "--max-storage-bytes", "10GiB", "--max-agents", "default")
    assert client("limits", "set", *flags).code == 0
    assert api.asked(f"POST {PATH}")[0].json == {
        "max_packages": 5,
        "max_storage_bytes": 10 * 1024**3,
        "max_agents": None,
    }


def test_set_is_an_operators_who_names_the_tenant(client, api):
    api.on("POST /v1/tenants/globex/limits", (200, ANSWER))
    assert client("limits", "set", "--tenant", "globex", "--max-requests-per-s", "50").code == 0
    assert api.asked("POST /v1/tenants/globex/limits")[0].json == {"max_requests_per_s": 50}


@pytest.mark.parametrize(
    "flags",
    [
        (),
        ("--max-packages", "5GiB"),
        ("--max-packages", "-1"),
        ("--max-storage-bytes", "5 gigabytes"),
        ("--max-requests-per-s", "many"),
    ],
)
def test_what_is_no_limit_is_refused_before_anything_is_asked(client, api, flags):
    assert client("limits", "set", *flags).code == 2
    assert not api.requests


def test_clear_shows_what_holds_then(client, api):
    api.on(f"DELETE {PATH}", (200, ANSWER))
    assert client("limits", "clear").out.startswith("LIMIT")


def test_a_long_wait_outlives_a_tenant_that_asks_too_often(client, api):
    limited = (429, {"error": "this tenant may send …", "code": "rate_limited"})
    path = "/v1/tenants/acme"
    api.on(f"POST {path}/workflows/etl/execute", (202, {"execution_id": "e1"}))
    done = {"execution_id": "e1", "status": "Completed", "context": {}, "error": None}
    api.on(f"GET {path}/executions/e1", limited, (200, done))
    assert client("workflow", "run", "etl", "--wait").code == 0
