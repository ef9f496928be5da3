"""`fleet`: what each verb asks of the API, and what it prints."""

import json

import pytest

PATH = "/v1/tenants/acme/fleet"
ANSWER = {
    "tenant_id": "acme",
    "desired_count": 2,
    "raised_count": 1,
    "actual_count": 3,
    "effective_limit": 4,
    "default_max_agents": 4,
}


def test_show_prints_what_there_is_and_is_to_be(client, api):
    api.on(f"GET {PATH}", (200, ANSWER))
    lines = client("fleet", "show").out.splitlines()
    assert dict(line.split() for line in lines) == {
        name: str(value) for name, value in ANSWER.items()
    }
    assert json.loads(client("fleet", "show", "--json").out) == ANSWER
    assert client("fleet", "show", "-o", "id").out == "acme\n"


@pytest.mark.parametrize("verb", ["provision", "deprovision"])
def test_one_more_or_fewer_is_asked_for_unless_a_number_is_given(client, api, verb):
    api.on(f"POST {PATH}/{verb}", (200, ANSWER))
    assert client("fleet", verb).code == 0
    assert "actual_count" in client("fleet", verb, "--count", "3").out
    asked = [request.json for request in api.asked(f"POST {PATH}/{verb}")]
    assert asked == [{"count": 1}, {"count": 3}]


def test_an_operator_names_the_tenant(client, api):
    api.on("POST /v1/tenants/globex/fleet/provision", (200, ANSWER))
    assert client("fleet", "provision", "--tenant", "globex").code == 0


def test_a_refusal_says_why(client, api):
    refusal = {"error": "2 more are too many", "code": "at_capacity"}
    api.on(f"POST {PATH}/provision", (409, refusal))
    result = client("fleet", "provision", "--count", "2")
    assert result.code != 0
    assert "2 more are too many" in result.err


@pytest.mark.parametrize("count", ["0", "-1", "many", "257"])
def test_nonsense_is_refused_without_asking(client, api, count):
    assert client("fleet", "provision", "--count", count).code == 2
    assert not [request for request in api.requests if "fleet" in request.path]
