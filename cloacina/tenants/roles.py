"""The SQL that gives a tenant its role and schema, and takes them away again.

What each statement is for was tried on PostgreSQL 15, 16 and 18 with a service role that is no
superuser: CREATEROLE NOINHERIT and owner of the database.
"""

from psycopg import sql
from sqlalchemy import text
from sqlalchemy.orm import Session

from cloacina.db import Database, execute_ddl, identifier, literal
from cloacina.db.database import sqlstate

CONNECTION_LIMIT = 3
DIRECT_LOGIN_STATEMENT_TIMEOUT = "2s"

END_WITHIN_MS = 5000
"""Milliseconds that are waited for the end of a session."""

# all grants on a database are one row of its catalog, and PostgreSQL lets the second of two that
# change it at once fail instead of waiting. The lock is one on a table that tenants cannot reach:
# an advisory lock is anybody's to take who logs in. Nobody who reads or writes the table waits.
_LOCK_DATABASE_GRANTS = text("LOCK TABLE public.server_keys IN SHARE UPDATE EXCLUSIVE MODE")

_WAIT_LITTLE = text("SET LOCAL lock_timeout = '2s'")
_LOCK_TIMED_OUT = "55P03"


def wait_little(session: Session) -> None:
    """Wait no longer than 2 s for somebody who is making a role of the same name.

    A tenant is made in a moment, but its import may take minutes.
    """
    session.execute(_WAIT_LITTLE)


def is_being_made(error: BaseException) -> bool:
    """Say whether a statement failed because somebody else is making the same thing for longer."""
    return sqlstate(error) == _LOCK_TIMED_OUT


def name_is_taken(session: Session, name: str) -> str | None:
    """Say what bears a name already: roles are the whole cluster's, schemas the database's.

    Returns:
        "a role", "a schema", or None.
    """
    if session.scalar(text("SELECT 1 FROM pg_roles WHERE rolname = :name"), {"name": name}):
        return "a role"
    if session.scalar(text("SELECT 1 FROM pg_namespace WHERE nspname = :name"), {"name": name}):
        return "a schema"
    return None


def scram_verifier(session: Session, role: str, password: str) -> str:
    """Hash a password as the server would, so that it reaches no statement and no server log."""
    driver = session.connection().connection.driver_connection
    assert driver is not None  # noqa: S101  # a connection in use has one
    hashed: bytes = driver.pgconn.encrypt_password(
        password.encode(), role.encode(), b"scram-sha-256"
    )
    return hashed.decode()


def create_role(session: Session, role: str, schema: str, verifier: str | None) -> None:
    """Create a tenant's role, which inherits nothing and may be assumed by the service.

    Parameters:
        session: acts as the service.
        role: the new role.
        schema: what a direct login finds on its search_path.
        verifier: hash of its password; None: nobody can log in as it.
    """
    if verifier is None:
        execute_ddl(session, "CREATE ROLE {} NOLOGIN NOINHERIT", identifier(role))
    else:
        execute_ddl(
            session,
            f"CREATE ROLE {{}} LOGIN NOINHERIT CONNECTION LIMIT {CONNECTION_LIMIT} PASSWORD {{}}",
            identifier(role),
            literal(verifier),
        )
    execute_ddl(
        session,
        "ALTER ROLE {} SET statement_timeout = {}",
        identifier(role),
        literal(DIRECT_LOGIN_STATEMENT_TIMEOUT),
    )
    execute_ddl(session, "ALTER ROLE {} SET search_path = {}", identifier(role), identifier(schema))
    grant_membership(session, role)


def grant_membership(session: Session, role: str) -> None:
    """Let the service assume a role without having its rights all the time."""
    options = membership_options(session)
    execute_ddl(session, f"GRANT {{}} TO CURRENT_USER{options}", identifier(role))


def membership_options(session: Session) -> str:
    """Give what `GRANT role TO service` ends with, so that the service may only assume the role."""
    return " WITH SET TRUE, INHERIT FALSE" if has_options_of_membership(session) else ""


def has_options_of_membership(session: Session) -> bool:
    """Say whether a grant decides about inheritance; before 16 the service's NOINHERIT does."""
    version = session.scalar(text("SELECT current_setting('server_version_num')::int"))
    return int(version) >= 160_000


def may_assume(session: Session, role: str) -> bool:
    """Say whether the service may assume a role that exists."""
    right = "SET" if has_options_of_membership(session) else "MEMBER"
    allowed = text("SELECT pg_has_role(:role, :right)")
    return session.scalar(allowed, {"role": role, "right": right}) is True


def create_schema(session: Session, database: Database, schema: str) -> None:
    """Create a tenant's schema and go on as its owner, with the schema in force."""
    database.act_as_owner(session, schema)
    execute_ddl(session, "CREATE SCHEMA {}", identifier(schema))


def grant_tables(session: Session, role: str, schema: str) -> None:
    """Give a tenant's role its rows, and nothing of the tables' form.

    Parameters:
        session: acts as the owner; the schema's tables exist.
        role: the tenant's role.
        schema: the tenant's schema.
    """
    names = (identifier(schema), identifier(role))
    for statement in (
        "GRANT USAGE ON SCHEMA {} TO {}",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {} TO {}",
        "GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA {} TO {}",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA {}"
        " GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {}",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA {} GRANT USAGE, SELECT ON SEQUENCES TO {}",
        "REVOKE ALL ON {}.alembic_version_tenant FROM {}",
    ):
        execute_ddl(session, statement, *names)


def lock_grants(session: Session) -> None:
    """Have the only transaction that changes grants on the database; it acts as the service."""
    session.execute(_LOCK_DATABASE_GRANTS)


def grant_connect(session: Session, role: str) -> None:
    """Let a role connect to the database; the last step, since others of its kind wait for it."""
    lock_grants(session)
    execute_ddl(session, "GRANT CONNECT ON DATABASE {} TO {}", _database(session), identifier(role))


def role_exists(session: Session, role: str) -> bool:
    """Say whether a role is there."""
    found = session.scalar(text("SELECT 1 FROM pg_roles WHERE rolname = :role"), {"role": role})
    return found is not None


def may_log_in(session: Session, role: str) -> bool:
    """Say whether a role that exists has logins of its own."""
    found = text("SELECT rolcanlogin FROM pg_roles WHERE rolname = :role")
    return session.scalar(found, {"role": role}) is True


def set_password(session: Session, role: str, verifier: str) -> None:
    """Let logins of a role in by another password from the commit on, given as its hash."""
    execute_ddl(session, "ALTER ROLE {} PASSWORD {}", identifier(role), literal(verifier))


def close_logins(session: Session, role: str) -> None:
    """Refuse new logins of a role from the commit on."""
    execute_ddl(session, "ALTER ROLE {} NOLOGIN", identifier(role))


def end_sessions(session: Session, role: str) -> int:
    """End a role's open sessions; only the role itself, or a superuser, may.

    Parameters:
        session: acts as the role afterwards.
        role: the role.

    Returns:
        How many there were; each is gone, or takes more than a few seconds to go.
    """
    session.execute(text("SELECT set_config('role', :role, true)"), {"role": role})
    ended = session.scalar(
        text(
            f"SELECT count(pg_terminate_backend(pid, {END_WITHIN_MS})) FROM pg_stat_activity"  # noqa: S608
            " WHERE usename = :role AND pid <> pg_backend_pid()"
        ),
        {"role": role},
    )
    return ended or 0


def take_tables(session: Session, role: str, schema: str) -> None:
    """Take all rights on its schema from a tenant's role, at once also from plans that are made.

    Parameters:
        session: acts as the owner.
        role: the tenant's role.
        schema: the tenant's schema; it may be gone.
    """
    there = text("SELECT 1 FROM pg_namespace WHERE nspname = :schema")
    if session.scalar(there, {"schema": schema}) is None:
        return
    names = (identifier(schema), identifier(role))
    for statement in (
        "REVOKE ALL ON ALL TABLES IN SCHEMA {} FROM {}",
        "REVOKE ALL ON ALL SEQUENCES IN SCHEMA {} FROM {}",
        "REVOKE ALL ON SCHEMA {} FROM {}",
    ):
        execute_ddl(session, statement, *names)


def drop_schema(session: Session, schema: str) -> None:
    """Drop a tenant's schema with all that is in it; the session acts as the owner."""
    execute_ddl(session, "DROP SCHEMA IF EXISTS {} CASCADE", identifier(schema))


def drop_role(session: Session, role: str) -> None:
    """Drop a tenant's role, which has no rights left but those on the database."""
    lock_grants(session)
    names = (_database(session), identifier(role))
    execute_ddl(session, "REVOKE ALL ON DATABASE {} FROM {} CASCADE", *names)
    execute_ddl(session, "DROP ROLE IF EXISTS {}", identifier(role))


def is_duplicate(error: BaseException) -> bool:
    """Say whether a statement failed because somebody else made the same thing at the same time."""
    return sqlstate(error) in ("23505", "42710", "42P06", "42P07")


def _database(session: Session) -> sql.Identifier:
    return identifier(str(session.scalar(text("SELECT current_database()"))))
