"""Direct logins, past the service."""

from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from cloacina.db import Database
from cloacina.embedded import EmbeddedPostgres


def login(database: Database, role: str, password: str, **changes: str) -> psycopg.Connection[Any]:
    """Log in to the service's database as somebody else."""
    url = database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    conninfo = make_conninfo(url, user=role, password=password, **changes)
    return psycopg.connect(conninfo, autocommit=True, connect_timeout=5)


def admin(server: EmbeddedPostgres, database: Database) -> psycopg.Connection[Any]:
    """Log in to the service's database as the superuser."""
    conninfo = make_conninfo(server.admin_url, dbname=str(database.engine.url.database))
    return psycopg.connect(conninfo, autocommit=True, connect_timeout=5)


def rows(server: EmbeddedPostgres, database: Database, query: str, *values: object) -> list[Any]:
    """Ask the database's catalog as the superuser; gives the first column."""
    with admin(server, database) as connection:
        return [row[0] for row in connection.execute(query, values)]
