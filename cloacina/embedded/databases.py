"""A service's database and its plain role, made by the embedded PostgreSQL's superuser.

It is the same that an administrator makes by hand for a PostgreSQL of their own: the service has no
rights here that it would not have there.
"""

import secrets
from typing import Any

from psycopg import Connection
from psycopg.sql import SQL, Identifier, Literal

# roles that the service has made are those that it is a member of; they hold on to it
_MADE_BY = """
    SELECT DISTINCT made.rolname
      FROM pg_auth_members m
      JOIN pg_roles made ON made.oid = m.roleid
      JOIN pg_roles service ON service.oid = m.member
     WHERE service.rolname = %s
"""


def new_password() -> str:
    """Make a password that needs no quoting in a URL."""
    return secrets.token_urlsafe(24)


def ensure_service(connection: Connection[Any], name: str, password: str) -> None:
    """Make sure of a service's role and of its database.

    Parameters:
        connection: the superuser's, in autocommit.
        name: of both.
        password: the role's, when it is made now; only its hash is sent.
    """
    role = Identifier(name)
    if not _exists(connection, "SELECT 1 FROM pg_roles WHERE rolname = %s", name):
        verifier = connection.pgconn.encrypt_password(
            password.encode(), name.encode(), b"scram-sha-256"
        )
        connection.execute(
            SQL("CREATE ROLE {} LOGIN CREATEROLE NOINHERIT PASSWORD {}").format(
                role, Literal(verifier.decode())
            )
        )
    if not _exists(connection, "SELECT 1 FROM pg_database WHERE datname = %s", name):
        connection.execute(SQL("CREATE DATABASE {} OWNER {}").format(role, role))
    connection.execute(SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(role))


def close_maintenance_databases(connection: Connection[Any]) -> None:
    """Keep all but the superuser out of the databases that every cluster has."""
    connection.execute("REVOKE CONNECT ON DATABASE postgres, template1 FROM PUBLIC")


def drop_service(connection: Connection[Any], name: str) -> None:
    """Drop a service's database, the roles that it has made, and its own role.

    Parameters:
        connection: the superuser's, in autocommit.
        name: the service's.
    """
    made = [row[0] for row in connection.execute(_MADE_BY, (name,))]
    connection.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))
    for role in (*made, name):
        connection.execute(SQL("DROP ROLE {}").format(Identifier(role)))


def _exists(connection: Connection[Any], query: str, name: str) -> bool:
    return connection.execute(query.encode(), (name,)).fetchone() is not None
