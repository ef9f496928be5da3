"""Units of work: one transaction that says, as its first statement, as whom it acts.

A transaction is either the platform's or one tenant's. PostgreSQL forgets the role at the end of
the transaction, so one small pool serves all tenants, behind PgBouncer in transaction mode too, and
a transaction that forgot its role is refused by the tables instead of reading them. SQLite has one
tenant and no roles; there every unit of work takes the one write lock at its start.
"""

import math
import os
import sqlite3
import time
from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, Protocol

import psycopg
import sqlalchemy
from sqlalchemy import event, exc, text
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session
from sqlalchemy.pool import QueuePool

from cloacina.db.locked import Locked, TenantLocked
from cloacina.db.pipeline import Call
from cloacina.db.sql_file import BY_INDEXES, make_statement
from cloacina.db.units import (
    ACT_AS,
    AWAY_STATES,
    DRIVER_ERRORS,
    SCOPES,
    PostgresUnit,
    SqliteUnit,
    Unit,
    note_scopes,
)
from cloacina.errors import ConfigurationError, DatabaseUnavailable

CONNECT_TIMEOUT_S = 5
POOL_TIMEOUT_S = 10
POOL_RECYCLE_S = 1800
STATEMENT_TIMEOUT_MS = 30_000
MOST_SCOPES = 100
"""Schemas that a connection works in before a new one takes its place. PostgreSQL keeps what it has
read of their tables for as long as the session lives, 0.2 MiB a schema."""
UNIT_IDLE_TIMEOUT_MS = 4_000
"""Milliseconds after which PostgreSQL takes the locks of a process that was stopped in a unit."""
TENANT_LOCK_TIMEOUT_MS = 2_000
"""Milliseconds that a tenant's transaction waits for a lock. Whoever logs in as the tenant may lock
its tables for as long as they like; no slot and no request is to stand still for that."""
SQLITE_BUSY_TIMEOUT_MS = 20_000

_CONNECT_ARGUMENTS = {
    "connect_timeout": CONNECT_TIMEOUT_S,
    # a network that swallows everything is noticed within seconds, not within the kernel's hours
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
    # the driver would prepare without knowing under whose search_path; units do so themselves
    "prepare_threshold": None,
}
_POSTGRESQL = ("postgres", "postgresql", "postgresql+psycopg")

_ACT_AS = (
    "SELECT set_config('role', :role, true) AS role, set_config('search_path', :path, true)"
    " AS path, set_config('statement_timeout', :timeout, true) AS timeout,"
    " set_config('lock_timeout', :lock_timeout, true) AS lock_timeout"
)
_BEGIN_AS = text(_ACT_AS)
_UNIT_AS = make_statement(
    ACT_AS,
    f"{_ACT_AS}, set_config('idle_in_transaction_session_timeout', :idle_timeout, true) AS idle,"
    f" {BY_INDEXES}",
    "SELECT 1 AS done",
)

# an option of a connection to SQLite: the transaction only reads
_DEFERRED = "cloacina_deferred"

# deadlocks and the like, want of resources, cancelled statements, locks, a server that only reads
_LOCK_TIMEOUT = "55P03"
_PASSING_STATES = ("40", "53", "57", _LOCK_TIMEOUT, "25006")

DATABASE_ERRORS = (exc.DBAPIError, *DRIVER_ERRORS)
"""What the database may refuse a statement with."""


class TenantScope(Protocol):
    """What a unit of work needs to know of a tenant."""

    @property
    def schema(self) -> str:
        """The schema that holds the tenant's tables."""

    @property
    def role(self) -> str:
        """The role that may use them."""


class Database:
    """The one way to the database.

    Parameters:
        url: `postgresql://…` or `sqlite:///path`.
        pool_size: connections that this process keeps at most.

    Raises:
        ConfigurationError: the URL is none of these.
    """

    def __init__(self, url: str, pool_size: int = 8) -> None:
        self.engine = _create_engine(url, pool_size)
        self.is_sqlite = self.engine.dialect.name == "sqlite"
        self._pool = QueuePool(
            partial(_connect, _driver_arguments(self.engine)),
            pool_size=pool_size,
            max_overflow=0,
            timeout=POOL_TIMEOUT_S,
            recycle=POOL_RECYCLE_S,
            # a unit ends its transaction itself, in a round trip that it makes anyhow
            reset_on_return=None,
        )
        for pool in (self.engine.pool, self._pool):
            event.listen(pool, "checkin", _replace_when_worn)
        self._away_at = -math.inf
        self._locked = Locked()
        self._service_role: str | None = None
        event.listen(self.engine, "connect", self._note_service_role)

    def _note_service_role(self, connection: Any, _record: Any) -> None:
        self._service_role = "" if self.is_sqlite else connection.info.user

    @property
    def service_role(self) -> str:
        """The role that the service logs in as."""
        if self._service_role is None:
            with self._transaction() as session:
                session.connection()
        return self._service_role or ""

    @property
    def owner_role(self) -> str:
        """The role that owns schemas and tables; nobody logs in as it."""
        return f"{self.service_role}_owner"

    @contextmanager
    def platform(self) -> Iterator[Session]:
        """Open a unit of work on the platform's tables, as the service itself.

        Returns:
            A session; it commits at the end of the block and rolls back when the block raises.

        Raises:
            DatabaseUnavailable: the database is away.
        """
        with self._transaction() as session:
            self.act_as_platform(session)
            yield session

    @contextmanager
    def tenant(self, scope: TenantScope) -> Iterator[Session]:
        """Open a unit of work on one tenant's tables, as that tenant's role.

        Parameters:
            scope: the tenant.

        Returns:
            A session; it commits at the end of the block and rolls back when the block raises.

        Raises:
            DatabaseUnavailable: the database is away.
            TenantLocked: somebody holds the tenant's tables locked.
        """
        with self._unlocked(search_path(scope.schema)), self._transaction() as session:
            self.act_as_tenant(session, scope)
            yield session

    @contextmanager
    def snapshot(self, scope: TenantScope) -> Iterator[Session]:
        """Open a unit of work that reads one tenant's tables as they are at one moment.

        Parameters:
            scope: the tenant.

        Returns:
            A session, as from `tenant`. It keeps nobody from writing, on SQLite either.

        Raises:
            DatabaseUnavailable: the database is away.
        """
        frozen = {_DEFERRED: True} if self.is_sqlite else {"isolation_level": "REPEATABLE READ"}
        with self._transaction() as session:
            session.connection(execution_options=frozen)
            self.act_as_tenant(session, scope)
            yield session

    @contextmanager
    def unit(self, opening: Call) -> Iterator[Unit]:
        """Open a unit of work of few round trips.

        Parameters:
            opening: what the transaction begins with: `as_tenant` or `AS_PLATFORM`, or a statement
                that finds the tenant and sets the same.

        Returns:
            A unit; unlike a session it commits only when it is told to.

        Raises:
            DatabaseUnavailable: the database is away.
            TenantLocked: somebody holds the tenant's tables locked.
        """
        with self._unlocked(_whose(opening)), self._opened(opening) as unit:
            yield unit

    @contextmanager
    def _opened(self, opening: Call) -> Iterator[Unit]:
        unit: PostgresUnit | SqliteUnit
        if self.is_sqlite:
            unit = SqliteUnit(self.engine.raw_connection(), opening)
        else:
            unit = PostgresUnit(self._pool, opening)
        try:
            yield unit
        except DatabaseUnavailable:
            self._away_at = time.monotonic()
            raise
        finally:
            unit.close()

    @contextmanager
    def _unlocked(self, tenant: Hashable) -> Iterator[None]:
        """Wait for a tenant's locks no longer than `TENANT_LOCK_TIMEOUT_MS`, and seldom in vain."""
        self._locked.check(tenant)
        try:
            yield
        except DATABASE_ERRORS as error:
            if sqlstate(error) != _LOCK_TIMEOUT:
                raise
            self._locked.note(tenant)
            raise TenantLocked from error
        self._locked.forget(tenant)

    def act_as_tenant(self, session: Session, scope: TenantScope) -> None:
        """Go on as a tenant's role, on its tables."""
        self._act_as(session, _scope_values(scope.role, scope.schema, TIMEOUTS))

    def act_as_platform(self, session: Session) -> None:
        """Go on as the service, for the platform's rows of a transaction; these come last."""
        self._act_as(session, _scope_values("none", "public", _OWN_TIMEOUTS))

    def act_as_owner(self, session: Session, schema: str) -> None:
        """Go on as the owner of schemas and tables, to create or change them in `schema`."""
        self._act_as(session, _scope_values(self.owner_role, schema, _OWN_TIMEOUTS))

    def _act_as(self, session: Session, values: Mapping[str, str]) -> None:
        if not self.is_sqlite:
            note_scopes(session.connection().info, [values["path"]])
            session.execute(_BEGIN_AS, {name: values[name] for name in _SESSION_VALUES})

    @contextmanager
    def _transaction(self) -> Iterator[Session]:
        try:
            with Session(self.engine, expire_on_commit=False) as session, session.begin():
                yield session
        except (exc.DBAPIError, exc.TimeoutError) as error:
            if _is_away(error):
                self._away_at = time.monotonic()
                raise DatabaseUnavailable from error
            raise

    def was_away_within(self, seconds: float) -> bool:
        """Say whether this process has found the database away in the last so many seconds."""
        return time.monotonic() - self._away_at < seconds

    def close(self) -> None:
        """Close the pools' connections."""
        self.engine.dispose()
        self._pool.dispose()

    def forget_connections(self) -> None:
        """Let go of connections that a fork has copied, without ending them for their owner."""
        self.engine.dispose(close=False)
        self._pool = self._pool.recreate()


TIMEOUTS = {
    "timeout": str(STATEMENT_TIMEOUT_MS),
    "lock_timeout": str(TENANT_LOCK_TIMEOUT_MS),
    "idle_timeout": str(UNIT_IDLE_TIMEOUT_MS),
}
"""What the first statement of a tenant's unit sets besides its role."""

_OWN_TIMEOUTS = {**TIMEOUTS, "lock_timeout": "0"}
# a session may stand still for longer than a unit: while what it reads is unpacked, say
_SESSION_VALUES = ("role", "path", "timeout", "lock_timeout")


def _scope_values(role: str, schema: str, timeouts: Mapping[str, str]) -> dict[str, str]:
    return {"role": role, "path": search_path(schema), **timeouts}


def search_path(schema: str) -> str:
    """Quote a schema's name as a search_path."""
    return '"' + schema.replace('"', '""') + '"'


def _whose(opening: Call) -> Hashable:
    """Give what a unit's opening names its tenant by; the platform is never locked."""
    return opening.parameters.get("tenant_id") or opening.parameters.get("path")


def as_tenant(scope: TenantScope) -> Call:
    """Have a unit act as a tenant's role, on its tables."""
    return Call(_UNIT_AS, _scope_values(scope.role, scope.schema, TIMEOUTS))


AS_PLATFORM = Call(_UNIT_AS, _scope_values("none", "public", _OWN_TIMEOUTS))
"""Has a unit act as the service, on the platform's tables; in a tenant's unit these come last."""


def sqlstate(error: BaseException) -> str:
    """Give the SQLSTATE of a database error, or an empty text."""
    return getattr(getattr(error, "orig", error), "sqlstate", None) or ""


def first_line(error: BaseException) -> str:
    """Give a database error's text without its details, which may hold what is stored."""
    return str(getattr(error, "orig", None) or error).split("\n", 1)[0]


def is_passing(error: BaseException) -> bool:
    """Say whether the same may well succeed a little later: a lost race, a full or slow server."""
    return isinstance(error, DatabaseUnavailable) or sqlstate(error).startswith(_PASSING_STATES)


def is_duplicate(error: BaseException) -> bool:
    """Say whether a row was refused because one of its unique values is taken."""
    return sqlstate(error) == "23505" or isinstance(
        getattr(error, "orig", error), sqlite3.IntegrityError
    )


def _is_away(error: exc.SQLAlchemyError) -> bool:
    if isinstance(error, exc.TimeoutError):
        return True
    if not isinstance(error, exc.OperationalError | exc.InterfaceError):
        return False
    if isinstance(error.orig, sqlite3.Error):
        return "unable to open" in str(error.orig) or "locked" in str(error.orig)
    state = sqlstate(error)
    return error.connection_invalidated or not state or state.startswith(AWAY_STATES)


def check_url(url: str) -> sqlalchemy.URL:
    """Read a database's URL without connecting.

    Raises:
        ConfigurationError: it is none, or of a database that is not supported.
    """
    try:
        parsed = make_url(url)
    except exc.ArgumentError:
        raise ConfigurationError(
            "database_url: cannot be read; use postgresql://… or sqlite:///path"
        ) from None
    if parsed.drivername not in (*_POSTGRESQL, "sqlite"):
        raise ConfigurationError(
            f"database_url: {parsed.drivername} is not supported;"
            " use postgresql://… or sqlite:///path"
        )
    return parsed


def _create_engine(url: str, pool_size: int) -> sqlalchemy.Engine:
    parsed = check_url(url)
    if parsed.drivername in _POSTGRESQL:
        return sqlalchemy.create_engine(
            parsed.set(drivername="postgresql+psycopg"),
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=POOL_TIMEOUT_S,
            pool_recycle=POOL_RECYCLE_S,
            pool_pre_ping=True,
            connect_args=_CONNECT_ARGUMENTS,
            hide_parameters=True,
        )
    engine = sqlalchemy.create_engine(parsed, hide_parameters=True)
    _keep_private(parsed.database)
    _prepare_sqlite(engine)
    return engine


def _driver_arguments(engine: sqlalchemy.Engine) -> dict[str, Any]:
    """Give what psycopg connects with, as the engine does."""
    if engine.dialect.name == "sqlite":
        return {}
    arguments = engine.dialect.create_connect_args(engine.url)[1]
    arguments.pop("context", None)
    return {**arguments, **_CONNECT_ARGUMENTS, "autocommit": True}


def _connect(arguments: Mapping[str, Any]) -> Any:
    return psycopg.connect(**arguments)


def _replace_when_worn(_connection: Any, record: Any) -> None:
    """Close a connection that has worked in many schemas; the next one is opened when wanted."""
    if len(record.info.get(SCOPES, ())) > MOST_SCOPES:
        record.invalidate()


def _keep_private(path: str | None) -> None:
    """Create an SQLite file as its owner's alone; its log and index take on its mode."""
    if path and path != ":memory:":
        # a folder that is not there is told of by the first connection
        with suppress(OSError):
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))


def _prepare_sqlite(engine: sqlalchemy.Engine) -> None:
    @event.listens_for(engine, "connect")
    def connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        connection.execute(f"PRAGMA busy_timeout = {SQLITE_BUSY_TIMEOUT_MS}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA foreign_keys = ON")

    @event.listens_for(engine, "begin")
    def begin(connection: sqlalchemy.Connection) -> None:
        # a deferred transaction that writes later can fail where an immediate one waits
        reads = connection.get_execution_options().get(_DEFERRED, False)
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")
