"""Failures with a real cause, at any place in a piece of work."""

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import event

from cloacina.db import Database
from cloacina.embedded import EmbeddedPostgres
from tests.cloacina.tenants.logins import admin, rows

# everything that bears a tenant's name
TRACES = (
    "SELECT 'role' FROM pg_roles WHERE rolname = %s",
    "SELECT 'schema' FROM pg_namespace WHERE nspname = %s",
    "SELECT 'row' FROM tenants WHERE name = %s",
)


@pytest.fixture
def traces(postgres: EmbeddedPostgres, database: Database) -> Callable[[str], list[str]]:
    def of(name: str) -> list[str]:
        return [found for query in TRACES for found in rows(postgres, database, query, name)]

    return of


@pytest.fixture
def killed_before(
    postgres: EmbeddedPostgres, database: Database
) -> Iterator[Callable[[int], None]]:
    """Have the server end our session right before the statement of this number."""
    listeners: list[Callable[..., None]] = []

    def at(number: int) -> None:
        left = [number]

        def kill(connection, *_: object) -> None:
            left[0] -= 1
            if left[0] == -1:
                pid = connection.connection.driver_connection.info.backend_pid
                with admin(postgres, database) as killer:
                    killer.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))

        listeners.append(kill)
        event.listen(database.engine, "before_cursor_execute", kill)

    yield at
    for listener in listeners:
        event.remove(database.engine, "before_cursor_execute", listener)
