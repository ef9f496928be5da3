"""Statements in files: each is used, each is known to both databases."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

import cloacina
from cloacina.db import AS_PLATFORM, Call, Database, SqlFile, Statement, as_tenant
from cloacina.tenants.models import Tenant

ROOT = Path(cloacina.__file__).parent
FILES = {path.parent.name: SqlFile(path) for path in sorted(ROOT.rglob("*.sql"))}
STATEMENTS = [(feature, each) for feature, found in FILES.items() for each in found]
OF_THE_PLATFORM = frozenset({"tenants", "keys", "fleet"})

# a value of the right kind for whatever parameter a statement may have
LISTS: dict[str, list[Any]] = {
    **{name: ["a"] for name in ("task_ids", "kinds", "datas", "statuses", "streams", "lines")},
    **{name: [1] for name in ("open_dependencies", "max_attempts")},
    "execution_ids": [uuid4()],
    "task_uuids": [uuid4()],
    "tokens": [uuid4()],
    "ages": [0.5],
}
NUMBERS = {"attempt", "first", "last_event", "limit", "lost", "most", "most_bytes", "remaining"}
IDS = {"execution_id", "key_id", "package_id", "rerun_of", "task_uuid", "tenant_id", "token", "id"}


def sample(name: str) -> object:
    if name in LISTS:
        return LISTS[name]
    if name in IDS:
        return uuid4()
    if name.endswith("_at") or name in ("moment", "seen"):
        return datetime.now(UTC)
    if name.endswith("_s"):
        return 1.5
    if name in NUMBERS or name.endswith(("_tasks", "_bytes")):
        return 1
    return "a"


@pytest.mark.parametrize(
    ("feature", "statement"), STATEMENTS, ids=[f"{x}-{each.name}" for x, each in STATEMENTS]
)
def test_each_statement_is_one_that_the_database_takes(
    either_database: Database, either_tenant: Tenant, feature: str, statement: Statement
) -> None:
    explain = replace(
        statement,
        postgresql=b"EXPLAIN " + statement.postgresql,
        sqlite=f"EXPLAIN {statement.sqlite}",
    )
    is_platforms = feature in OF_THE_PLATFORM
    opening = AS_PLATFORM if is_platforms else as_tenant(either_tenant)
    parameters = {name: sample(name) for name in statement.parameters}
    with either_database.unit(opening) as unit:
        if statement.postgresql.startswith(b"LOCK "):
            # there is no plan to tell, and nothing that it changes
            unit.ask(Call(statement, parameters))
        else:
            assert unit.ask(Call(explain, parameters))[0]


def test_both_forms_of_a_statement_take_the_same_parameters() -> None:
    for feature, statement in STATEMENTS:
        postgresql = set(statement.parameters)
        sqlite = set(re.findall(r"(?<!:):([a-z_]+)", statement.sqlite))
        # SQLite has one tenant, one role and no outages
        left_out = {"timeout", "idle_timeout", "lock_timeout", "grace_s", "role", "path"}
        assert sqlite - postgresql == set(), (feature, statement.name)
        assert postgresql - sqlite <= left_out, (feature, statement.name)


def code() -> Iterator[str]:
    for part in ("cloacina", "web", "workers"):
        for path in (ROOT.parent / part).rglob("*.py"):
            yield path.read_text("utf-8")


def test_each_statement_is_used_and_each_that_is_used_is_there() -> None:
    used = {name for text in code() for name in re.findall(r"\bSQL\.([a-z_]+)\b", text)}
    assert used == {statement.name for _, statement in STATEMENTS}


def test_no_name_is_there_twice() -> None:
    for found in FILES.values():
        names = [statement.name for statement in found]
        assert len(names) == len(set(names))


def write(tmp_path: Path, text: str) -> SqlFile:
    path = tmp_path / "statements.sql"
    path.write_text(text)
    return SqlFile(path)


def test_a_statement_has_a_form_for_each_database(tmp_path: Path) -> None:
    found = write(
        tmp_path,
        "-- What this file is about: not a statement.\n\n"
        "-- name: one\n-- What it does.\nSELECT x::text FROM t\nWHERE a = :first {lock}\n\n"
        "-- name: two\nSELECT 1 FROM t {lock:t}\n-- sqlite:\n-- why\nSELECT 2\n",
    )
    assert [each.name for each in found] == ["one", "two"]
    assert found.one.postgresql == b"SELECT x::text FROM t WHERE a = $1 FOR UPDATE"
    assert found.one.parameters == ("first",)
    assert found.one.sqlite == "SELECT x::text FROM t WHERE a = :first "
    assert found.two.postgresql == b"SELECT 1 FROM t FOR UPDATE OF t SKIP LOCKED"
    assert found.two.sqlite == "SELECT 2"
    with pytest.raises(AttributeError):
        _ = found.three


def test_a_file_of_another_form_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no line begins with"):
        write(tmp_path, "SELECT 1\n")
    with pytest.raises(ValueError, match=r"unknown word in a statement: \{later\}"):
        write(tmp_path, "-- name: one\nSELECT {later}\n")
