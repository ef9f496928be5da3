"""Statements that take names instead of values: the driver's own library quotes them."""

from psycopg import sql
from sqlalchemy import CursorResult, Delete, Update
from sqlalchemy.orm import Session


def identifier(name: str) -> sql.Identifier:
    """Quote a name of a schema, role or table."""
    return sql.Identifier(name)


def literal(value: object) -> sql.Literal:
    """Quote a value where the statement cannot take a parameter, as in `CREATE ROLE`."""
    return sql.Literal(value)


def execute_ddl(session: Session, statement: str, *parts: sql.Composable) -> None:
    """Run a statement with names in it, in the session's transaction.

    Parameters:
        session: a session on PostgreSQL.
        statement: the statement, with `{}` for each part.
        parts: `identifier(…)` or `literal(…)`, in order.
    """
    composed = sql.SQL(statement).format(*parts)
    session.connection().exec_driver_sql(composed.as_string(None))


def rows_changed(session: Session, statement: Update | Delete) -> int:
    """Run an update or a delete whose condition may not hold.

    Returns:
        How many rows it changed; a compare-and-set that lost gives 0.
    """
    result = session.execute(statement, execution_options={"synchronize_session": False})
    assert isinstance(result, CursorResult)  # noqa: S101  # as every such statement gives
    return result.rowcount
