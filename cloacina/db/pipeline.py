"""Sends statements to PostgreSQL in one piece and reads all their rows.

psycopg's own pipeline sends each statement as it is given, with a system call and a look at the
socket for each; here libpq gathers them all, and they leave together.

Planning a statement costs PostgreSQL several times what running it does. So it is prepared once for
each connection and scope, a scope being the schema in force: a plan is kept only as long as the
search_path is the one that it was made under, and PostgreSQL looks at that by itself, each time.
"""

from collections import OrderedDict, namedtuple
from collections.abc import Generator, Mapping, Sequence
from typing import Any, NamedTuple

import psycopg
from psycopg import generators, pq
from psycopg.abc import Transformer as AnyTransformer
from psycopg.adapt import PyFormat, Transformer
from psycopg.errors import error_from_result
from psycopg.waiting import Ready, Wait

from cloacina.db.sql_file import Statement

Row = Any
"""A named tuple with the statement's columns."""

MOST_PREPARED = 1000
"""Statements that a connection keeps prepared, at about 15 kB each in the server."""

_ACTIVE = pq.TransactionStatus.ACTIVE
_CLOSES = 170_000
"""The libpq that can close a statement by the protocol, which poolers understand."""

_ONE = (True,)
_row_types: dict[bytes, Any] = {}
_formats: dict[int, list[PyFormat]] = {}


class Call(NamedTuple):
    """A statement with its parameters; parameters that it does not name are not looked at."""

    statement: Statement
    parameters: Mapping[str, Any] = {}


class Prepared:
    """The statements that one connection has prepared; the least recently used go first."""

    def __init__(self) -> None:
        self._names: OrderedDict[object, bytes | None] = OrderedDict()
        self._new: list[object] = []
        self._made = 0

    def find(self, key: object) -> tuple[bytes | None, bool, bytes | None]:
        """Find the name of a statement.

        Returns:
            Its name, None for one that is used for the first time; whether it is to be prepared
            now, which the second use is soon enough for; and the name of one to let go of.
        """
        if key not in self._names:
            self._names[key] = None
            gone = self._names.popitem(last=False)[1] if len(self._names) > MOST_PREPARED else None
            return None, False, gone
        self._names.move_to_end(key)
        name = self._names[key]
        if name is not None:
            return name, False, None
        self._made += 1
        name = self._names[key] = b"u%d" % self._made
        self._new.append(key)
        return name, True, None

    def settle(self, *, failed: bool) -> None:
        """End an exchange: after a failure nobody knows which of its statements were prepared."""
        if failed:
            for key in self._new:
                self._names.pop(key, None)
        self._new.clear()


def exchange(
    connection: psycopg.Connection[Any],
    prepared: Prepared,
    scopes: Sequence[str | None],
    calls: Sequence[Call],
) -> list[list[Row]]:
    """Run statements one after the other.

    Parameters:
        connection: in autocommit mode.
        prepared: of that connection.
        scopes: the search_path that is in force at each call; None: it is not known, and nothing is
            prepared.
        calls: the statements; those after one that fails do not run.

    Returns:
        Each statement's rows.

    Raises:
        psycopg.Error: what the first that failed was refused with, or the connection is lost.
    """
    pgconn = connection.pgconn
    pgconn.enter_pipeline_mode()
    try:
        transformer = Transformer(connection)
        wanted = [
            wanted
            for scope, call in zip(scopes, calls, strict=True)
            for wanted in _send(pgconn, transformer, prepared, scope, call)
        ]
        pgconn.pipeline_sync()
        results = connection.wait(_answers(pgconn, len(wanted)))
    finally:
        if pgconn.status == pq.ConnStatus.OK and pgconn.transaction_status != _ACTIVE:
            pgconn.exit_pipeline_mode()
    refused = [result for result in results if result.status == pq.ExecStatus.FATAL_ERROR]
    prepared.settle(failed=bool(refused))
    if refused:
        raise error_from_result(refused[0], encoding="utf-8")
    own = [result for result, is_wanted in zip(results, wanted, strict=True) if is_wanted]
    return [
        _rows(transformer, call.statement, result) for call, result in zip(calls, own, strict=True)
    ]


def _send(
    pgconn: Any, transformer: AnyTransformer, prepared: Prepared, scope: str | None, call: Call
) -> Sequence[bool]:
    """Send a statement, preparing it first; gives for each result whether it is the statement's."""
    statement = call.statement
    if statement.is_command:
        pgconn.send_query_params(statement.postgresql, None)
        return _ONE
    values = [call.parameters[name] for name in statement.parameters]
    formats = _formats.setdefault(len(values), [PyFormat.AUTO] * len(values))
    dumped = transformer.dump_sequence(values, formats)
    types = transformer.types
    if scope is None:
        pgconn.send_query_params(statement.postgresql, dumped, types, transformer.formats)
        return _ONE
    name, is_new, gone = prepared.find((scope, statement.postgresql, types))
    if name is not None and not is_new:
        pgconn.send_query_prepared(name, dumped, transformer.formats)
        return _ONE
    sent = []
    if gone is not None:
        if pq.version() >= _CLOSES:
            pgconn.send_close_prepared(gone)
        else:
            pgconn.send_query_params(b"DEALLOCATE " + gone, None)
        sent.append(False)
    if name is None:
        pgconn.send_query_params(statement.postgresql, dumped, types, transformer.formats)
    else:
        pgconn.send_prepare(name, statement.postgresql, types)
        sent.append(False)
        pgconn.send_query_prepared(name, dumped, transformer.formats)
    return [*sent, True]


def _answers(pgconn: Any, count: int) -> Generator[Wait, Ready | int, list[Any]]:
    """Write what is to be written, and read one result for each thing that was sent."""
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


def _rows(transformer: AnyTransformer, statement: Statement, result: Any) -> list[Row]:
    if result.status != pq.ExecStatus.TUPLES_OK:
        return []
    transformer.set_pgresult(result)
    row_type = _row_types.get(statement.postgresql)
    if row_type is None:
        row_type = _row_types[statement.postgresql] = _row_type(result)
    return transformer.load_rows(0, result.ntuples, row_type)


def _row_type(result: Any) -> Any:
    names = [result.fname(column).decode() for column in range(result.nfields)]
    made: Any = namedtuple("Row", names, rename=True)  # type: ignore[misc]  # its fields come with the result
    return made._make
