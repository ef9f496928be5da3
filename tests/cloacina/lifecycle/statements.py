"""Counts what a piece of work asks of the database."""

from collections.abc import Callable

from sqlalchemy import event

from cloacina.db import Database


def count_statements(database: Database, work: Callable[[], object]) -> int:
    """Do something and give the number of statements that it took."""
    seen: list[str] = []

    def note(_c, _cursor, statement, _parameters, _context, _many) -> None:
        seen.append(statement)

    event.listen(database.engine, "before_cursor_execute", note)
    try:
        work()
    finally:
        event.remove(database.engine, "before_cursor_execute", note)
    return len(seen)
