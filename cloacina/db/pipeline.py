"""Sends statements to PostgreSQL in one piece and reads all their rows.

psycopg's own pipeline sends each statement as it is given, with a system call and a look at the
socket for each; here libpq gathers them all, and they leave together.
"""

from collections import namedtuple
from collections.abc import Generator, Mapping, Sequence
from typing import Any, NamedTuple

import psycopg
from psycopg import generators, pq
from psycopg.adapt import PyFormat, Transformer
from psycopg.errors import error_from_result
from psycopg.waiting import Ready, Wait

from cloacina.db.sql_file import Statement

Row = Any
"""A named tuple with the statement's columns."""

_row_types: dict[bytes, Any] = {}


class Call(NamedTuple):
    """A statement with its parameters; parameters that it does not name are not looked at."""

    statement: Statement
    parameters: Mapping[str, Any] = {}  # noqa: RUF012  # nobody writes to it


def exchange(connection: psycopg.Connection[Any], calls: Sequence[Call]) -> list[list[Row]]:
    """Run statements one after the other.

    Parameters:
        connection: in autocommit mode.
        calls: the statements; those after one that fails do not run.

    Returns:
        Each statement's rows.

    Raises:
        psycopg.Error: what the first that failed was refused with, or the connection is lost.
    """
    pgconn = connection.pgconn
    pgconn.enter_pipeline_mode()
    try:
        for call in calls:
            _send(connection, call)
        pgconn.pipeline_sync()
        results = connection.wait(_answers(pgconn, len(calls)))
    finally:
        if pgconn.status == pq.ConnStatus.OK and pgconn.transaction_status != _ACTIVE:
            pgconn.exit_pipeline_mode()
    for result in results:
        if result.status == pq.ExecStatus.FATAL_ERROR:
            raise error_from_result(result, encoding="utf-8")
    transformer = Transformer(connection)
    return [
        _rows(transformer, call.statement, result)
        for call, result in zip(calls, results, strict=True)
    ]


_ACTIVE = pq.TransactionStatus.ACTIVE
_TEXTS: dict[int, list[PyFormat]] = {}


def _send(connection: psycopg.Connection[Any], call: Call) -> None:
    statement = call.statement
    names = statement.parameters
    if not names:
        connection.pgconn.send_query_params(statement.postgresql, None)
        return
    values = [call.parameters[name] for name in names]
    transformer = Transformer(connection)
    formats = _TEXTS.setdefault(len(values), [PyFormat.AUTO] * len(values))
    dumped = transformer.dump_sequence(values, formats)
    connection.pgconn.send_query_params(
        statement.postgresql, dumped, transformer.types, transformer.formats
    )


def _answers(pgconn: Any, count: int) -> Generator[Wait, Ready, list[Any]]:
    """Write what is to be written, and read one result for each statement."""
    while pgconn.flush():
        ready = yield Wait.RW
        if ready & Ready.R:
            # the server may wait for us to read before it reads on
            pgconn.consume_input()
    results = []
    for _ in range(count):
        results.append((yield from generators.fetch(pgconn)))
        # a statement's results end with None
        yield from generators.fetch(pgconn)
    # the end of the pipeline
    yield from generators.fetch(pgconn)
    return results


def _rows(transformer: Transformer, statement: Statement, result: Any) -> list[Row]:
    if result.status != pq.ExecStatus.TUPLES_OK:
        return []
    transformer.set_pgresult(result)
    row_type = _row_types.get(statement.postgresql)
    if row_type is None:
        names = [result.fname(column).decode() for column in range(result.nfields)]
        row_type = _row_types[statement.postgresql] = namedtuple("Row", names)._make  # noqa: PYI024
    return transformer.load_rows(0, result.ntuples, row_type)
