"""Makes a database ready: tables, the tenant `public`, the first admin key."""

import logging
import os
import secrets
from pathlib import Path

from psycopg import sql
from sqlalchemy import exc, select, text
from sqlalchemy.orm import Session

from cloacina import schema as tables
from cloacina.audit.models import AuditRow
from cloacina.db import Database, execute_ddl, identifier
from cloacina.db.database import sqlstate
from cloacina.errors import ConfigurationError
from cloacina.keys import services as keys
from cloacina.keys.models import ADMIN
from cloacina.lifecycle.migration import AT_ONCE, Migration, migrate_tenants
from cloacina.lifecycle.rights import ensure_rights, lacks_rights
from cloacina.lifecycle.tenants import add_tenant
from cloacina.settings import Settings
from cloacina.tenants.models import HINT_KEY, PUBLIC_SCHEMA, PUBLIC_TENANT, ServerKeyRow, TenantRow

log = logging.getLogger(__name__)

BOOTSTRAP_KEY_NAME = "bootstrap-admin"
BOOTSTRAP_KEY_FILE = "bootstrap-key"

# one lock for all that prepares a database, so that replicas starting together do it once. It lies
# on a table that tenants cannot reach, since they could hold an advisory lock for as long as they
# like; where there are no tables yet, there are no tenants either
_LOCK = text("LOCK TABLE public.alembic_version_platform IN SHARE UPDATE EXCLUSIVE MODE")
_FIRST_LOCK = text("SELECT pg_advisory_xact_lock(hashtext('cloacina'), hashtext('installation'))")
_HAS_TABLES = text(
    "SELECT EXISTS (SELECT 1 FROM pg_tables"
    " WHERE schemaname = 'public' AND tablename = 'alembic_version_platform')"
)
_INSUFFICIENT_PRIVILEGE = "42501"


def prepare(settings: Settings) -> Migration:
    """Migrate the platform and every tenant, and make the bootstrap key when there is none.

    Parameters:
        settings: of the service.

    Returns:
        What became of the tenants.

    Raises:
        DatabaseUnavailable: the database is away; try again.
        ConfigurationError: the database's roles do not allow it; the text says what to run.
    """
    database = Database(settings.database_url, pool_size=AT_ONCE)
    try:
        migration = migrate(database)
        ensure_bootstrap_key(database, settings.home, settings.bootstrap_key)
    finally:
        database.close()
    return migration


def migrate(database: Database) -> Migration:
    """Bring the platform's tables and every tenant's to the newest revision.

    Returns:
        What became of the tenants; one that cannot be migrated is no error here.

    Raises:
        DatabaseUnavailable: the database is away; try again.
        ConfigurationError: the service's role lacks a right; the text says what to run.
    """
    try:
        with database.platform() as session:
            _lock(session, database)
            if not database.is_sqlite:
                ensure_rights(session, database)
            _migrate_platform(session, database)
            _ensure_hint_key(session)
            _ensure_public_tenant(session, database)
    except exc.ProgrammingError as error:
        if sqlstate(error) != _INSUFFICIENT_PRIVILEGE:
            raise
        raise lacks_rights(database) from None
    return migrate_tenants(database)


def is_migrated(database: Database) -> bool:
    """Say whether the platform's tables are at the revision that this version needs."""
    with database.platform() as session:
        return tables.current(session.connection(), "platform") == tables.head("platform")


def _lock(session: Session, database: Database) -> None:
    if database.is_sqlite:
        return
    if not session.scalar(_HAS_TABLES):
        session.execute(_FIRST_LOCK)
    # whoever had that lock before has made the tables by now
    if session.scalar(_HAS_TABLES):
        session.execute(_LOCK)


def _migrate_platform(session: Session, database: Database) -> None:
    database.act_as_owner(session, "public")
    if not database.is_sqlite:
        execute_ddl(
            session,
            "ALTER DEFAULT PRIVILEGES IN SCHEMA public"
            " GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {}",
            identifier(database.service_role),
        )
    if tables.current(session.connection(), "platform") is None:
        tables.create(session, "platform")
    else:
        tables.upgrade(session, "platform")
    if not database.is_sqlite:
        _close_audit_log(session, database)
    database.act_as_platform(session)


def _close_audit_log(session: Session, database: Database) -> None:
    """Leave the service the right to add lines and to read them, whatever it was granted."""
    service = identifier(database.service_role)
    execute_ddl(session, "REVOKE ALL ON audit_log FROM {}", service)
    execute_ddl(session, "GRANT SELECT ON audit_log TO {}", service)
    # all but the number, which OVERRIDING SYSTEM VALUE would let whoever adds a line choose
    own = [column.name for column in AuditRow.__table__.columns if not column.primary_key]
    names = sql.SQL(", ").join(map(identifier, own))
    execute_ddl(session, "GRANT INSERT ({}) ON audit_log TO {}", names, service)


def _ensure_hint_key(session: Session) -> None:
    """Have the random key that hints on the broker are signed with."""
    if session.get(ServerKeyRow, HINT_KEY) is None:
        session.add(ServerKeyRow(name=HINT_KEY, value=secrets.token_bytes(32)))
        session.flush()


def _ensure_public_tenant(session: Session, database: Database) -> None:
    if session.scalar(select(TenantRow.id).where(TenantRow.name == PUBLIC_TENANT)):
        return
    role = PUBLIC_SCHEMA
    if not database.is_sqlite:
        # roles are the whole cluster's: another database of it may have a `public` tenant as well
        oid = session.scalar(text("SELECT oid FROM pg_database WHERE datname = current_database()"))
        role = f"{PUBLIC_SCHEMA}_{oid}"
    add_tenant(session, database, PUBLIC_TENANT, PUBLIC_SCHEMA, role)


def ensure_bootstrap_key(database: Database, home: Path, given: str) -> None:
    """Make the first admin key when no admin key is live, and write it to the home folder.

    Revoking every admin key and starting again is how an operator who has lost them gets a new one.

    Parameters:
        database: the migrated database.
        home: the folder that gets the file `bootstrap-key`, readable by its owner alone.
        given: the key's text as the operator chose it; empty: one is generated.

    Raises:
        ConfigurationError: the given text is another key's already, or the file cannot be written.
    """
    with database.platform() as session:
        _lock(session, database)
        if keys.live_admin_key_exists(session):
            return
        try:
            issued = keys.issue(
                session,
                BOOTSTRAP_KEY_NAME,
                ADMIN,
                tenant=None,
                plaintext=given or None,
                action="key.bootstrap",
            )
        except exc.IntegrityError:
            raise ConfigurationError(
                "bootstrap_key: this text is another key's already; choose another"
            ) from None
        # before the commit: a key that nobody can read must not count as made
        path = home / BOOTSTRAP_KEY_FILE
        _write_private(path, issued.plaintext + "\n")
    log.info("a bootstrap admin key was made; it lies in %s", path)


def _write_private(path: Path, content: str) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary.unlink(missing_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be written: {error.strerror}") from None
