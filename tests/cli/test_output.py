import json

import pytest
import yaml

from cli.text import masked, printable

ITEMS = [
    {"id": "1", "name": "ci", "permissions": "read", "tenant_id": "acme", "revoked": False},
    {"id": "22", "name": "ops", "permissions": "admin", "tenant_id": None, "revoked": True},
]
OBJECT = {"execution_id": "e1", "status": "Completed", "context": {"n": 1}, "error": None}


@pytest.fixture
def keys(client, api):
    def run_it(*words):
        api.on("GET /v1/tenants/acme/keys", (200, {"items": ITEMS, "total": 2}))
        return client("key", "list", *words).out

    return run_it


@pytest.fixture
def execution(client, api):
    api.on("GET /v1/tenants/acme/executions/e1", (200, OBJECT))
    return lambda *words: client("execution", "status", "e1", *words).out


def test_a_list_as_table_is_aligned_columns(keys):
    lines = keys().splitlines()
    assert [line[:18] for line in lines] == [
        "ID  NAME  ROLE   T",
        "1   ci    read   a",
        "22  ops   admin  -",
    ]
    assert lines[2].split() == ["22", "ops", "admin", "-", "-", "yes", "-", "-"]
    assert all(line == line.rstrip() for line in lines)


def test_a_list_as_json_is_the_array_of_its_items(keys):
    assert json.loads(keys("--json")) == ITEMS


def test_a_list_as_yaml_is_the_array_of_its_items(keys):
    assert yaml.safe_load(keys("-o", "yaml")) == ITEMS


def test_a_list_as_id_is_one_id_a_line(keys):
    assert keys("-o", "id") == "1\n22\n"


def test_items_without_an_id_show_their_names(client, api):
    api.on("GET /v1/tenants", (200, {"items": [{"name": "acme"}, {"name": "globex"}], "total": 2}))
    assert client("tenant", "list", "-o", "id").out == "acme\nglobex\n"


@pytest.mark.parametrize(
    ("form", "shown"), [("table", "No items.\n"), ("json", "[]\n"), ("id", "")]
)
def test_an_empty_list(client, api, form, shown):
    api.on("GET /v1/tenants/acme/keys", (200, {"items": [], "total": 0}))
    assert client("key", "list", "-o", form).out == shown


def test_an_object_as_table_is_key_value_lines(execution):
    assert execution().splitlines() == [
        "execution_id  e1",
        "status        Completed",
        'context       {"n": 1}',
        "error         -",
    ]


def test_an_object_as_json_and_yaml_is_whole(execution):
    assert json.loads(execution("-o", "json")) == OBJECT
    assert yaml.safe_load(execution("-o", "yaml")) == OBJECT


def test_an_object_as_id_is_its_id(execution):
    assert execution("-o", "id") == "e1\n"


def test_a_value_of_several_lines_is_indented(client, api):
    api.on("GET /v1/tenants/acme/executions/e1", (200, {"id": "e1", "error": "first\nsecond"}))
    assert client("execution", "status", "e1").out == "id     e1\nerror  first\n       second\n"


def test_a_cell_keeps_to_its_line(client, api):
    item = {"id": "1", "workflow_name": "a\nb", "status": "x", "started_at": "\x1b[31m"}
    api.on("GET /v1/tenants/acme/executions", (200, {"items": [item], "total": 1}))
    assert client("execution", "list").out.splitlines()[1].split() == (
        ["1", "a\\nb", "x", "\\x1b[31m", "-", "-"]
    )


def test_text_keeps_its_letters_and_loses_its_control_characters():
    assert printable("Zürich\n\t\x1b[0m\u202e") == "Zürich\n\t\\x1b[0m\\u202e"


@pytest.mark.parametrize(
    ("secret", "shown"),
    [
        ("clk_abcdefghZk9q", "clk_…Zk9q"),
        ("short", "…"),
        ("", "…"),
        ("env:ACME_KEY", "env:ACME_KEY"),
    ],
)
def test_a_key_is_shown_by_its_ends_and_a_reference_whole(secret, shown):
    assert masked(secret) == shown
