"""A connection that has worked for many tenants is replaced by a new one."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from sqlalchemy import text

from cloacina.db import Call, Database, as_tenant
from cloacina.db.sql_file import make_statement

PID = make_statement("pid", "SELECT pg_backend_pid() AS pid", "SELECT 1 AS pid")


@dataclass(frozen=True)
class Scope:
    """A tenant of which nothing is asked but its name."""

    schema: str
    role: str = "none"


def by_unit(database: Database, schema: str) -> int:
    with database.unit(as_tenant(Scope(schema))) as unit:
        unit.ask(Call(PID))
        return int(unit.commit(Call(PID))[0][0].pid)


def by_session(database: Database, schema: str) -> int:
    with database.tenant(Scope(schema)) as session:
        return int(session.scalar(text("SELECT pg_backend_pid()")) or 0)


@pytest.mark.parametrize("work", [by_unit, by_session])
def test_a_connection_is_replaced_after_many_schemas(
    database: Database, work: Callable[[Database, str], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloacina.db.database.MOST_SCOPES", 3)
    one = Database(database.engine.url.render_as_string(hide_password=False), pool_size=1)
    try:
        same = [work(one, schema) for schema in ("a", "b", "c", "a", "b", "d")]
        other = work(one, "a")
    finally:
        one.close()
    assert len(set(same)) == 1
    assert other not in same
