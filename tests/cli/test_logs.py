"""`execution logs`: every page, a line for each line, and nothing that drives the terminal."""

import json
from urllib.parse import parse_qs

import pytest

from cli import follow

EXECUTION = "/v1/tenants/acme/executions/e1"


def line(number, text, *, task="extract", attempt=1, stream="stdout"):
    at = f"2026-01-02T03:04:{number:02}.123456+00:00"
    return {"sequence": number, "task_name": f"acme::p::etl::{task}", "attempt": attempt,
            "stream": stream, "at": at, "line": text}  # fmt: skip


def pages(*contents):
    return [(200, {"tenant_id": "acme", "execution_id": "e1", "lines": x}) for x in contents]


def state(status):
    return 200, {"execution_id": "e1", "status": status}


@pytest.fixture
def logs(client):
    return lambda *words: client("execution", "logs", "e1", *words)


@pytest.fixture
def asked(api):
    """Gives the queries that the log was asked for with."""

    def give():
        paths = [one.path.partition("?") for one in api.requests]
        return [
            {key: value for key, (value,) in parse_qs(query).items() if key != "limit"}
            for path, _, query in paths
            if path == f"{EXECUTION}/logs"
        ]

    return give


def test_a_log_is_shown_to_its_end_page_by_page(logs, api, asked):
    api.on(
        f"GET {EXECUTION}/logs",
        *pages([line(3, "one"), line(5, "")], [line(8, "two", task="load", attempt=2)], []),
    )
    assert logs("--task", "load", "--since", "5m").out == (
        "2026-01-02T03:04:03.123Z extract | one\n"
        "2026-01-02T03:04:05.123Z extract |\n"
        "2026-01-02T03:04:08.123Z load (2) | two\n"
    )
    # the number says where to go on; the time would be another one by then
    assert asked() == [
        {"task": "load", "since": "5m"},
        {"task": "load", "after": "5"},
        {"task": "load", "after": "8"},
    ]


def test_stderr_is_marked_and_names_are_aligned(logs, api):
    lines = [line(1, "a"), line(2, "b", task="t", stream="stderr")]
    api.on(f"GET {EXECUTION}/logs", *pages(lines, []))
    assert [text[25:] for text in logs().out.splitlines()] == ["extract | a", "t       ! b"]


def test_a_line_cannot_drive_the_terminal_nor_look_like_two(logs, api):
    text = "\x1b[2J\x07\r\x9b1m\u202e\n2026 forged | line\tend"
    api.on(f"GET {EXECUTION}/logs", *pages([line(1, text)], []))
    assert logs().out[25:] == (
        "extract | \\x1b[2J\\x07\\r\\x9b1m\\u202e\\n2026 forged | line\tend\n"
    )


def test_a_log_in_other_forms(logs, api):
    lines = [line(1, "one \x1b[31m"), line(2, "two")]
    for form, read in (("json", json.loads), ("id", str.split)):
        api.on(f"GET {EXECUTION}/logs", *pages(lines[:1], lines[1:], []))
        shown = read(logs("-o", form).out)
        assert shown == (lines if form == "json" else ["1", "2"])
    api.on(f"GET {EXECUTION}/logs", *pages(lines, []))
    assert logs("-o", "yaml").out.startswith("- sequence: 1\n")


def test_a_log_without_lines_is_empty(logs, api):
    api.on(f"GET {EXECUTION}/logs", *pages([]))
    assert (logs().out, logs("--json").out, logs("-o", "id").out) == ("", "[]\n", "")


def test_a_log_is_followed_until_the_execution_has_ended_and_all_is_shown(logs, api, asked):
    api.on(f"GET {EXECUTION}", state("Running"), state("Running"), state("Completed"))
    api.on(
        f"GET {EXECUTION}/logs",
        *pages([], [line(1, "one")], [], [line(2, "two")], [line(3, "three")], []),
    )
    shown = logs("--follow", "--since", "5m").out.splitlines()
    assert [text.rpartition(" ")[2] for text in shown] == ["one", "two", "three"]
    assert asked() == [
        {"since": "5m"},
        {"since": "5m"},
        *({"after": number} for number in "1123"),
    ]


def test_a_followed_log_as_json_is_one_object_a_line(logs, api):
    api.on(f"GET {EXECUTION}", state("Failed"))
    lines = [line(1, "one"), line(2, "two", stream="stderr")]
    api.on(f"GET {EXECUTION}/logs", *pages(lines, []))
    shown = logs("--follow", "--json").out.splitlines()
    assert [json.loads(text) for text in shown] == lines


def test_a_followed_log_outlives_an_outage_and_a_single_look_does_not(logs, api, monkeypatch):
    away = (503, {"error": "the database is away", "code": "database_unavailable"})
    api.on(f"GET {EXECUTION}", state("Completed"))
    api.on(f"GET {EXECUTION}/logs", away, *pages([line(1, "one")], []))
    assert logs("--follow").code == 0
    api.on(f"GET {EXECUTION}/logs", away, *pages([]))
    assert logs().code == 5
    monkeypatch.setattr(follow, "OUTAGE_S", 0.0)
    api.on(f"GET {EXECUTION}/logs", away)
    assert logs("--follow").code == 5


def test_the_log_of_an_unknown_execution_is_followed_by_nobody(logs, api):
    api.on(f"GET {EXECUTION}", (404, {"error": "no such execution", "code": "execution_not_found"}))
    assert logs("--follow").code == 3
