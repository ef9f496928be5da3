"""Time as the database tells it, so that no two machines' clocks are ever compared."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import DateTime, Dialect, String
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import ColumnElement, literal
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator, TypeEngine

# SQLite has no time type: text of one fixed width compares as the times themselves do
SQLITE_WRITTEN = "%Y-%m-%d %H:%M:%S.%f+00:00"
SQLITE_NOW = "%Y-%m-%d %H:%M:%f"


class UtcDateTime(TypeDecorator[datetime]):
    """A moment: `timestamptz` on PostgreSQL, text of fixed width on SQLite, aware in Python."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the column's type."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(String(32))
        return dialect.type_descriptor(DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """Write a moment; a naive one is refused, since nobody knows when it is."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment needs a time zone")
        utc = value.astimezone(UTC)
        return utc.strftime(SQLITE_WRITTEN) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Read a moment, always in UTC."""
        if value is None:
            return None
        if dialect.name == "sqlite":
            return datetime.fromisoformat(value)
        return value.astimezone(UTC)  # type: ignore[no-any-return]  # the driver gave a datetime


class after(FunctionElement[datetime]):
    """The database's present time plus some seconds.

    Parameters:
        seconds: may be negative.
    """

    type = UtcDateTime()
    # without it no statement that holds one would be compiled only once
    inherit_cache = True

    def __init__(self, seconds: float) -> None:
        super().__init__(literal(float(seconds)))


def now() -> ColumnElement[datetime]:
    """Give the database's present time: the transaction's start on PostgreSQL."""
    return after(0)


class instant(FunctionElement[datetime]):
    """The database's time at this very statement, which may be long after its transaction began.

    What waited for a lock and then numbers events needs it: later numbers, later times.
    """

    type = UtcDateTime()
    inherit_cache = True


@compiles(instant, "postgresql")
def _instant_postgresql(_element: instant, _compiler: SQLCompiler, **_: Any) -> str:
    return "clock_timestamp()"


@compiles(instant, "sqlite")
def _instant_sqlite(_element: instant, _compiler: SQLCompiler, **_: Any) -> str:
    return f"(strftime('{SQLITE_NOW}', 'now') || '000+00:00')"


@compiles(after, "postgresql")
def _after_postgresql(element: after, compiler: SQLCompiler, **kwargs: Any) -> str:
    return f"(now() + make_interval(secs => {compiler.process(element.clauses, **kwargs)}))"


@compiles(after, "sqlite")
def _after_sqlite(element: after, compiler: SQLCompiler, **kwargs: Any) -> str:
    seconds = compiler.process(element.clauses, **kwargs)
    return f"(strftime('{SQLITE_NOW}', 'now', ({seconds}) || ' seconds') || '000+00:00')"
