"""Executions that are cancelled, paused, resumed and run again, and those who wait for them."""

import json

import pytest

EXECUTION = "/v1/tenants/acme/executions/e1"
AGAIN = "/v1/tenants/acme/executions/e2"


def state(status, execution_id="e1", **more):
    return 200, {"execution_id": execution_id, "status": status, "error": None} | more


@pytest.mark.parametrize(
    ("verb", "status", "line"),
    [
        ("cancel", "Cancelled", "cancelled execution e1\n"),
        ("pause", "Paused", "paused execution e1\n"),
        ("resume", "Running", "resumed execution e1\n"),
    ],
)
def test_a_verb_says_what_it_did(client, api, verb, status, line):
    api.on(f"POST {EXECUTION}/{verb}", state(status))
    assert client("execution", verb, "e1").out == line
    assert client("execution", verb, "e1", "-o", "id").out == "e1\n"
    assert json.loads(client("execution", verb, "e1", "--json").out)["status"] == status


@pytest.mark.parametrize("verb", ["cancel", "pause", "resume", "rerun"])
def test_what_the_state_does_not_allow_ends_with_5(client, api, verb):
    refused = {"error": "execution 'e1' is Completed", "code": "execution_not_allowed"}
    api.on(f"POST {EXECUTION}/{verb}", (409, refused))
    result = client("execution", verb, "e1")
    assert (result.code, result.out) == (5, "")
    assert result.err == "Error: server (HTTP 409) — execution 'e1' is Completed\n"


@pytest.fixture
def rerun(client, api):
    api.on(f"POST {EXECUTION}/rerun", (202, {"execution_id": "e2", "rerun_of": "e1"}))
    return lambda *words: client("execution", "rerun", "e1", *words)


def test_a_rerun_prints_only_the_new_id(rerun, api):
    assert rerun().out == "e2\n"
    assert api.requests[-1].json == {"from": "start"}
    assert rerun("--from", "failed").out == "e2\n"
    assert api.requests[-1].json == {"from": "failed"}
    assert rerun("--from", "here").code == 2


def test_a_rerun_that_is_waited_for_ends_as_the_new_execution_does(rerun, api):
    api.on(f"GET {AGAIN}", state("Running", "e2"), state("Completed", "e2"))
    assert (rerun("--wait").code, rerun("--wait").out) == (0, "e2\n")
    api.on(f"GET {AGAIN}", state("Failed", "e2", error="task load: boom"))
    result = rerun("--wait")
    assert (result.code, result.out) == (1, "e2\n")
    assert result.err == "Error: execution e2 ended as Failed: task load: boom\n"


@pytest.mark.parametrize(("end", "code"), [("Completed", 0), ("Cancelled", 1)])
def test_a_wait_goes_on_while_an_execution_is_paused(client, api, end, code):
    api.on("POST /v1/tenants/acme/workflows/etl/execute", (202, {"execution_id": "e1"}))
    api.on(f"GET {EXECUTION}", state("Running"), state("Paused"), state("Paused"), state(end))
    assert client("workflow", "run", "etl", "--wait").code == code
    assert len(api.asked(f"GET {EXECUTION}")) == 4


@pytest.mark.parametrize(("source", "rows"), [("events", "events"), ("logs", "lines")])
def test_following_ends_when_an_execution_is_cancelled_not_when_it_is_paused(
    client, api, source, rows
):
    api.on(f"GET {EXECUTION}", state("Paused"), state("Running"), state("Cancelled"))
    api.on(f"GET {EXECUTION}/{source}", (200, {rows: []}))
    assert client("execution", source, "e1", "--follow").code == 0
    assert len(api.asked(f"GET {EXECUTION}")) == 3
