"""The lines of an export, of which each is looked at by itself."""

import json
from typing import Any

import pytest

from cloacina.transfer import layout
from cloacina.transfer.errors import TenantImportFailed
from cloacina.transfer.layout import Table
from cloacina.transfer.manifest import Member
from cloacina.transfer.reader import Rows

ID = "00000000-0000-4000-8000-00000000000"
WHEN = "2026-01-01T00:00:00.000000+00:00"
DEFINITION = {"tasks": [{"id": "a"}], "params": [], "triggers": [], "description": None}
GOOD: dict[str, dict[str, Any]] = {
    "packages.jsonl": {
        "upload_order": 1, "id": ID + "1", "package_name": "etl", "version": "1.0.0",
        "workflow_name": "etl-flow", "entry_module": "etl.tasks", "description": None,
        "content_hash": "0" * 64, "source_hash": "0" * 64, "size_bytes": 1,
        "build_status": "success", "build_error": None, "active": True, "paused": False,
        "definition": json.dumps(DEFINITION), "workflow_version": "0" * 16, "created_at": WHEN,
        "deleted_at": None,
    },
    "executions.jsonl": {
        "id": ID + "2", "package_id": ID + "1", "workflow_name": "etl-flow",
        "workflow_version": "0" * 16, "status": "Completed", "trigger_origin": "manual",
        "schedule_id": None, "scheduled_time": None, "request_id": None, "idempotency_key": None,
        "request_hash": None, "input_context": "{}", "final_context": "{}", "error": None,
        "open_tasks": 0, "last_event": 0, "started_at": WHEN, "completed_at": WHEN,
        "rerun_of": None, "failed_tasks": 0, "skipped_tasks": 0, "deadline_at": None,
        "paused_at": None,
    },
    "tasks.jsonl": {
        "id": ID + "3", "execution_id": ID + "2", "task_id": "a", "position": 0,
        "status": "Completed", "open_dependencies": 0, "attempt": 1, "max_attempts": 1,
        "resets": 0, "ready_at": None, "output_context": "{}", "last_error": None,
        "error_details": None, "started_at": WHEN, "completed_at": WHEN, "created_at": WHEN,
        "updated_at": WHEN,
    },
    "events.jsonl": {
        "serial": 1, "id": ID + "4", "execution_id": ID + "2", "sequence_num": 1,
        "event_type": "task_started", "event_data": "{}", "task_id": "a", "created_at": WHEN,
    },
    "logs.jsonl": {
        "serial": 1, "execution_id": ID + "2", "task_id": "a", "attempt": 1, "stream": "stdout",
        "at": WHEN, "line": "hello",
    },
}  # fmt: skip
TABLES = {table.member: table for table in layout.TABLES}


def read(table: Table, data: bytes, rows: int | None = None) -> list[dict[str, Any]]:
    """Read a member of a table."""
    count = data.count(b"\n") if rows is None else rows
    return list(Rows(table, Member(table.member, len(data), "", count), iter([data])))


def line(member: str, **changes: Any) -> bytes:
    """Give a line of a table."""
    return json.dumps(GOOD[member] | changes).encode() + b"\n"


@pytest.mark.parametrize("member", GOOD)
def test_a_good_line_is_read(member: str) -> None:
    (row,) = read(TABLES[member], line(member))
    assert row.keys() == GOOD[member].keys()


def test_lines_are_read_across_pieces() -> None:
    data = line("logs.jsonl", line="one") + line("logs.jsonl", serial=2, line="two\u2028\n")
    pieces = (data[place : place + 7] for place in range(0, len(data), 7))
    rows = Rows(layout.LOGS, Member("logs.jsonl", len(data), "", 2), pieces)
    assert [row["line"] for row in rows] == ["one", "two\u2028\n"]
    assert rows.last_serial == 2


@pytest.mark.parametrize(
    ("member", "column", "value"),
    [
        ("packages", "id", "7"),
        ("packages", "id", None),
        ("packages", "id", 7),
        ("packages", "package_name", "a\nb"),
        ("packages", "package_name", ""),
        ("packages", "version", "1" * 256),
        ("packages", "content_hash", "../../../../etc/passwd"),
        ("packages", "content_hash", "A" * 64),
        ("packages", "size_bytes", -1),
        ("packages", "build_status", "superb"),
        ("packages", "build_status", "pending"),
        ("packages", "active", 1),
        ("packages", "active", "true"),
        ("packages", "upload_order", 2**63),
        ("packages", "upload_order", 0),
        ("packages", "definition", None),
        ("packages", "definition", DEFINITION),
        ("packages", "definition", "[]"),
        ("packages", "definition", json.dumps(DEFINITION | {"tasks": []})),
        ("packages", "definition", json.dumps(DEFINITION | {"params": [{"name": 7}]})),
        ("packages", "definition", json.dumps(DEFINITION | {"description": 7})),
        ("packages", "definition", json.dumps({"tasks": [{"id": "a", "dependencies": ["a"]}]})),
        ("packages", "deleted_at", WHEN),
        ("packages", "description", "a\0b"),
        ("packages", "description", "\ud800"),
        ("packages", "description", ["a"]),
        ("executions", "status", "Superb"),
        ("executions", "status", "Running"),
        ("executions", "completed_at", None),
        ("executions", "open_tasks", 1),
        ("executions", "open_tasks", 2**31),
        ("executions", "open_tasks", True),
        ("executions", "open_tasks", 1.0),
        ("executions", "input_context", "[]"),
        ("executions", "input_context", '{"a": NaN}'),
        ("executions", "input_context", "[" * 100_000),
        ("executions", "input_context", '{"a": ' + "[" * 300 + "]" * 300 + "}"),
        ("executions", "started_at", "2026-01-01T00:00:00"),
        ("executions", "started_at", "9999-12-31T23:59:59-12:00"),
        ("executions", "started_at", "0001-01-01T00:00:00+12:00"),
        ("executions", "started_at", 0),
        ("executions", "idempotency_key", "x" * 256),
        ("tasks", "output_context", None),
        ("tasks", "status", "running"),
        ("tasks", "max_attempts", 0),
        ("tasks", "task_id", "a\0"),
        ("events", "event_data", "not JSON"),
        ("events", "event_type", "x" * 256),
        ("events", "sequence_num", 0),
        ("logs", "stream", "stdin"),
        ("logs", "serial", "1; DROP TABLE packages"),
        ("logs", 'serial") VALUES (1); --', 1),
        ("logs", "claim_token", ID + "9"),
    ],
)
def test_a_value_that_could_not_be_stored_or_used_is_refused(
    member: str, column: str, value: Any
) -> None:
    name = f"{member}.jsonl"
    with pytest.raises(TenantImportFailed, match=rf"^{member}.jsonl, line 1: "):
        read(TABLES[name], line(name, **{column: value}))


@pytest.mark.parametrize("data", [b"\n", b"[]\n", b"{\n", b"\xff\n", b"7\n", b"{}\n", b"null\n"])
def test_a_line_that_is_no_row_is_refused(data: bytes) -> None:
    with pytest.raises(TenantImportFailed, match=r"logs.jsonl, line 1: "):
        read(layout.LOGS, data)


@pytest.mark.parametrize("rows", [0, 3])
def test_other_lines_than_the_manifest_says_are_refused(rows: int) -> None:
    data = line("logs.jsonl") + line("logs.jsonl", serial=2)
    with pytest.raises(TenantImportFailed, match="has 2 lines, not the"):
        read(layout.LOGS, data, rows)


@pytest.mark.parametrize("serial", [1, 4, 5])
def test_numbers_that_do_not_grow_are_refused(serial: int) -> None:
    data = line("logs.jsonl", serial=5) + line("logs.jsonl", serial=serial)
    with pytest.raises(TenantImportFailed, match="line 2: serial does not grow"):
        read(layout.LOGS, data)


def test_a_build_that_was_under_way_begins_anew() -> None:
    unbuilt = {"active": False, "definition": None, "workflow_version": None}
    (row,) = read(layout.PACKAGES, line("packages.jsonl", build_status="building", **unbuilt))
    assert row["build_status"] == "pending"


def test_columns_that_an_older_server_did_not_have_are_filled_in() -> None:
    newer = ("rerun_of", "failed_tasks", "skipped_tasks", "deadline_at", "paused_at")
    older = {key: value for key, value in GOOD["executions.jsonl"].items() if key not in newer}
    (row,) = read(layout.EXECUTIONS, json.dumps(older).encode() + b"\n")
    assert [row[name] for name in newer] == [None, 0, 0, None, None]


def test_a_row_without_a_column_that_it_must_have_is_refused() -> None:
    less = {key: value for key, value in GOOD["logs.jsonl"].items() if key != "line"}
    with pytest.raises(TenantImportFailed, match="line is missing"):
        read(layout.LOGS, json.dumps(less).encode() + b"\n")
