"""Many rows at once, by PostgreSQL's COPY: values never meet SQL."""

from collections.abc import Iterable, Sequence
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import exc
from sqlalchemy.orm import Session

_COPY = sql.SQL("COPY {} ({}) FROM STDIN")


def copy_rows(
    session: Session, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]
) -> None:
    """Insert rows, those of identity columns with the values that are given.

    Parameters:
        session: on PostgreSQL; acts as who may insert there.
        table: in the schema in force.
        columns: which are given.
        rows: their values, drawn while the statement runs; what they raise ends it.

    Raises:
        sqlalchemy.exc.DBAPIError: the database refuses them, as it would any statement.
    """
    statement = _COPY.format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    driver: Any = session.connection().connection.driver_connection
    try:
        with driver.cursor() as cursor, cursor.copy(statement) as copy:
            for row in rows:
                copy.write_row(row)
    except psycopg.Error as error:
        raise exc.DBAPIError.instance(
            f"COPY {table}", None, error, psycopg.Error, hide_parameters=True
        ) from error
