"""A service's database and its plain role, made by the embedded PostgreSQL's superuser.

It is the same that an administrator makes by hand for a PostgreSQL of their own: the service has no
rights here that it would not have there.

psycopg is imported when it is needed: it takes longer to load than the server to start.
"""

import secrets
from typing import TYPE_CHECKING, Any, LiteralString

if TYPE_CHECKING:
    from psycopg import Connection
    from psycopg.sql import Composed

# roles that the service has made are those that it is a member of; they hold on to it
_MADE_BY = """
    SELECT DISTINCT made.rolname
      FROM pg_auth_members m
      JOIN pg_roles made ON made.oid = m.roleid
      JOIN pg_roles service ON service.oid = m.member
     WHERE service.rolname = %s
"""


# what every role may call, and what would let a tenant's direct login harm others: locks that
# together fill the memory of all locks, and data that no table's limits count
_CLOSE_FUNCTIONS = """
DO $$
DECLARE open_function regprocedure;
BEGIN
    FOR open_function IN
        SELECT oid FROM pg_proc
         WHERE pronamespace = 'pg_catalog'::regnamespace
           AND (proname ~ '^pg_(try_)?advisory_' OR proname IN
                ('lo_creat', 'lo_create', 'lo_from_bytea', 'pg_logical_emit_message'))
           AND has_function_privilege('public', oid, 'EXECUTE')
    LOOP
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', open_function);
    END LOOP;
END $$
"""


CONNECT_TIMEOUT_S = 5


def new_password() -> str:
    """Make a password that needs no quoting in a URL."""
    return secrets.token_urlsafe(24)


def connect(url: str) -> "Connection[Any]":
    """Connect in autocommit.

    Raises:
        psycopg.OperationalError: the server does not answer, or refuses us.
    """
    import psycopg

    return psycopg.connect(url, autocommit=True, connect_timeout=CONNECT_TIMEOUT_S)


def answers(url: str) -> bool:
    """Say whether a server can be used."""
    import psycopg

    try:
        connect(url).close()
    except psycopg.OperationalError:
        return False
    return True


def ensure_service(connection: "Connection[Any]", name: str, password: str) -> None:
    """Make sure of a service's role and of its database.

    Parameters:
        connection: the superuser's.
        name: of both.
        password: the role's, when it is made now; only its hash is sent.
    """
    if not _exists(connection, "SELECT 1 FROM pg_roles WHERE rolname = %s", name):
        verifier = connection.pgconn.encrypt_password(
            password.encode(), name.encode(), b"scram-sha-256"
        ).decode()
        role = "CREATE ROLE {} LOGIN CREATEROLE NOINHERIT PASSWORD "
        connection.execute(_named(role, name) + _quoted(verifier))
    if not _exists(connection, "SELECT 1 FROM pg_database WHERE datname = %s", name):
        connection.execute(_named("CREATE DATABASE {0} OWNER {0}", name))
    connection.execute(_named("REVOKE ALL ON DATABASE {} FROM PUBLIC", name))


def close_maintenance_databases(connection: "Connection[Any]") -> None:
    """Keep all but the superuser out of the databases that every cluster has."""
    connection.execute("REVOKE CONNECT ON DATABASE postgres, template1 FROM PUBLIC")


def close_functions(connection: "Connection[Any]", service: str) -> None:
    """Keep tenants from functions of PostgreSQL that reach beyond their tables.

    Parameters:
        connection: the superuser's, to the service's database.
        service: its role; it takes a lock of that kind when it first makes its tables.
    """
    connection.execute(_CLOSE_FUNCTIONS)
    lock = "GRANT EXECUTE ON FUNCTION pg_advisory_xact_lock(int, int) TO {}"
    connection.execute(_named(lock, service))


def drop_service(connection: "Connection[Any]", name: str) -> None:
    """Drop a service's database, the roles that it has made, and its own role.

    Parameters:
        connection: the superuser's.
        name: the service's.
    """
    made = [row[0] for row in connection.execute(_MADE_BY, (name,))]
    connection.execute(_named("DROP DATABASE {} WITH (FORCE)", name))
    for role in (*made, name):
        connection.execute(_named("DROP ROLE {}", role))


def _exists(connection: "Connection[Any]", query: LiteralString, name: str) -> bool:
    return connection.execute(query, (name,)).fetchone() is not None


def _named(statement: LiteralString, name: str) -> "Composed":
    from psycopg.sql import SQL, Identifier

    return SQL(statement).format(Identifier(name))


def _quoted(text: str) -> "Composed":
    from psycopg.sql import SQL, Literal

    return SQL("{}").format(Literal(text))
