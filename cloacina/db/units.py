"""Units of work for the few statements that run all the time: whole round trips, no ORM.

A unit is one transaction. `ask` sends any number of statements and waits once for all their rows;
`commit` does the same and ends the transaction in the same round trip. What is not committed is
rolled back. On PostgreSQL the statements travel in pipeline mode.
"""

import json
import sqlite3
from collections import namedtuple
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from functools import cache
from typing import Any, Protocol
from uuid import UUID

import psycopg
from psycopg.pq import ConnStatus, PipelineStatus
from sqlalchemy import Pool, exc

from cloacina.db.clock import SQLITE_WRITTEN
from cloacina.db.pipeline import Call, Prepared, Row, exchange
from cloacina.db.sql_file import Statement
from cloacina.errors import DatabaseUnavailable

ACT_AS = "act_as"
"""The name of the statement that says as whom a unit goes on."""

DRIVER_ERRORS = (psycopg.Error, sqlite3.Error)

# connection exceptions, too many connections, and shutdowns by an operator or a crash
AWAY_STATES = ("08", "53300", "57P01", "57P02", "57P03")

SCOPES = "scopes"
"""Where a pooled connection's `info` holds the schemas that it has worked in."""


def note_scopes(info: dict[Any, Any], scopes: Iterable[str | None]) -> None:
    """Note schemas that a pooled connection works in."""
    info.setdefault(SCOPES, set()).update(filter(None, scopes))


class Unit(Protocol):
    """One transaction."""

    opened: Sequence[Row]
    """What the statement gave that the transaction began with, once something was asked."""

    scope: str | None
    """The search_path in force; None where the opening found it and nobody has said it yet."""

    expected: str | None
    """The search_path that an opening will probably find; a wrong guess costs time alone."""

    def ask(self, *calls: Call) -> list[list[Row]]:
        """Run statements and give each one's rows."""

    def commit(self, *calls: Call) -> list[list[Row]]:
        """Run statements, commit, and give each statement's rows."""


BEGIN = Statement("begin", b"BEGIN", (), "BEGIN IMMEDIATE", is_command=True)
COMMIT = Statement("commit", b"COMMIT", (), "COMMIT", is_command=True)


class PostgresUnit:
    """A transaction on PostgreSQL.

    Parameters:
        pool: gives psycopg connections in autocommit mode.
        opening: says as whom the transaction acts; it runs before all else.
    """

    def __init__(self, pool: Pool, opening: Call) -> None:
        self.opened: Sequence[Row] = ()
        self.scope: str | None = ""
        self.expected: str | None = None
        self._pool = pool
        self._opening = opening
        self._connection: Any = None

    def ask(self, *calls: Call) -> list[list[Row]]:
        """Run statements and give each one's rows."""
        if self._connection is None:
            return self._begin(calls)
        return self._exchange(calls)

    def commit(self, *calls: Call) -> list[list[Row]]:
        """Run statements, commit, and give each statement's rows."""
        rows = self.ask(*calls, Call(COMMIT))
        self._pool_again()
        return rows[:-1]

    def close(self) -> None:
        """Roll back what is not committed."""
        if self._connection is None:
            return
        with suppress(psycopg.Error):
            self._connection.dbapi_connection.execute("ROLLBACK")
        self._pool_again()

    def _begin(self, calls: Sequence[Call]) -> list[list[Row]]:
        """Send the first statements; nothing is lost when the connection turns out to be stale."""
        calls = (Call(BEGIN), self._opening, *calls)
        while True:
            self.scope = ""
            self._connection = self._connect()
            is_new = self._connection.info.setdefault("is_new", True)
            self._connection.info["is_new"] = False
            try:
                _, self.opened, *rows = self._exchange(calls)
            except DatabaseUnavailable:
                if is_new:
                    raise
            else:
                return rows

    def _connect(self) -> Any:
        try:
            return self._pool.connect()
        except (psycopg.OperationalError, exc.TimeoutError) as error:
            raise DatabaseUnavailable from error

    def _exchange(self, calls: Sequence[Call]) -> list[list[Row]]:
        connection = self._connection.dbapi_connection
        prepared = self._connection.info.setdefault("prepared", Prepared())
        scopes = []
        for call in calls:
            scopes.append(self.scope)
            if call.statement.name == ACT_AS:
                self.scope = call.parameters["path"]
            elif call is self._opening:
                self.scope = self.expected
        note_scopes(self._connection.info, scopes)
        try:
            return exchange(connection, prepared, scopes, calls)
        except psycopg.Error as error:
            if not _is_away(error, connection):
                raise
            self._connection.invalidate()
            self._connection = None
            raise DatabaseUnavailable from error

    def _pool_again(self) -> None:
        pgconn = self._connection.dbapi_connection.pgconn
        if pgconn.status != ConnStatus.OK or pgconn.pipeline_status != PipelineStatus.OFF:
            # lost, or left in the middle of an exchange
            self._connection.invalidate()
        else:
            self._connection.close()
        self._connection = None


def _is_away(error: psycopg.Error, connection: Any) -> bool:
    state = error.sqlstate or ""
    return bool(connection.closed) or (
        isinstance(error, psycopg.OperationalError) and state.startswith(AWAY_STATES)
    )


class SqliteUnit:
    """A transaction on SQLite, which has the one write lock.

    Parameters:
        connection: a pooled connection.
        opening: as for PostgreSQL.
    """

    def __init__(self, connection: Any, opening: Call) -> None:
        self.opened: Sequence[Row] = ()
        self.scope: str | None = ""
        self.expected: str | None = None
        self._connection = connection
        self._opening = opening
        self._open = False

    def ask(self, *calls: Call) -> list[list[Row]]:
        """Run statements and give each one's rows."""
        if not self._open:
            self._run(Call(BEGIN))
            self._open = True
            self.opened = self._run(self._opening)
        return [self._run(call) for call in calls]

    def commit(self, *calls: Call) -> list[list[Row]]:
        """Run statements, commit, and give each statement's rows."""
        rows = self.ask(*calls)
        self._run(Call(COMMIT))
        self._open = False
        return rows

    def close(self) -> None:
        """Roll back what is not committed."""
        if self._open:
            with suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
        self._connection.close()

    def _run(self, call: Call) -> list[Row]:
        values = {name: _to_sqlite(value) for name, value in call.parameters.items()}
        try:
            cursor = self._connection.cursor()
            cursor.execute(call.statement.sqlite, values)
        except sqlite3.OperationalError as error:
            if "unable to open" in str(error) or "locked" in str(error):
                raise DatabaseUnavailable from error
            raise
        if cursor.description is None:
            return []
        names = tuple(column[0] for column in cursor.description)
        make, readers = _row_type(names)
        return [
            make(*(read(value) for read, value in zip(readers, row, strict=True)))
            for row in cursor.fetchall()
        ]


def _to_sqlite(value: object) -> object:
    match value:
        case UUID():
            return value.hex
        case datetime():
            return value.strftime(SQLITE_WRITTEN)
        case list() | tuple():
            return json.dumps([_to_sqlite(item) for item in value])
        case _:
            return value


def _uuid(value: str | None) -> UUID | None:
    return None if value is None else UUID(value)


def _moment(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value)


def _as_it_is(value: Any) -> Any:
    return value


@cache
def _row_type(names: tuple[str, ...]) -> tuple[Any, tuple[Any, ...]]:
    """Make a row's type, and a reader for each column: SQLite has neither ids nor moments."""
    return namedtuple("Row", names), tuple(map(_reader, names))


_IDS = frozenset(
    {"id", "claim_token", "execution_id", "key_id", "package_id", "rerun_of", "task_uuid"}
)


def _reader(name: str) -> Any:
    if name in _IDS:
        return _uuid
    if name in ("active", "paused"):
        return bool
    if name == "moment" or name.endswith(("_at", "_until")):
        return _moment
    return _as_it_is
