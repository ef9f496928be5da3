"""The service may add lines to the audit log and read them; nobody else may do anything."""

import uuid
from collections.abc import Callable, Iterator

import psycopg
import pytest
from alembic import command
from psycopg import errors
from sqlalchemy import text

from cloacina import schema
from cloacina.audit import services as audit
from cloacina.audit.services import Wanted
from cloacina.db import Database, execute_ddl, identifier
from cloacina.embedded import EmbeddedPostgres
from cloacina.lifecycle import installation
from cloacina.lifecycle.rights import ensure_rights
from cloacina.lifecycle.tenants import create_tenant
from tests.cloacina.tenants.logins import login

PASSWORD = "of-the-tenant"
LINE = "(at, action, outcome) VALUES (now(), 'x.y', 'ok')"
REFUSED = (
    "UPDATE audit_log SET outcome = 'ok'",
    "UPDATE audit_log SET details = NULL WHERE false",
    "DELETE FROM audit_log",
    "DELETE FROM audit_log WHERE false",
    "TRUNCATE audit_log",
    "SELECT * FROM audit_log FOR UPDATE",
    "MERGE INTO audit_log USING (SELECT 1) s ON true WHEN MATCHED THEN DELETE",
    f"INSERT INTO audit_log {LINE} ON CONFLICT (serial) DO UPDATE SET outcome = 'ok'",
    "INSERT INTO audit_log (serial, at, action, outcome) OVERRIDING SYSTEM VALUE"
    " VALUES (1, now(), 'x.y', 'ok')",
    "SELECT nextval('audit_log_serial_seq')",
    "SELECT setval('audit_log_serial_seq', 1)",
    "ALTER TABLE audit_log ADD COLUMN more text",
    "ALTER TABLE audit_log ALTER serial RESTART",
    "ALTER TABLE audit_log DISABLE TRIGGER ALL",
    "CREATE RULE quiet AS ON INSERT TO audit_log DO INSTEAD NOTHING",
    "CREATE TRIGGER quiet BEFORE INSERT ON audit_log"
    " EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "DROP TABLE audit_log",
    "DROP INDEX ix_audit_log_at",
)


def upgraded_from_the_first_revision(database: Database) -> None:
    with database.platform() as session:
        ensure_rights(session, database)
        database.act_as_owner(session, "public")
        execute_ddl(
            session,
            "ALTER DEFAULT PRIVILEGES IN SCHEMA public"
            " GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {}",
            identifier(database.service_role),
        )
        config = schema._config("platform")
        config.attributes["connection"] = session.connection()
        config.attributes["version_table"] = schema.version_table("platform")
        command.upgrade(config, "0001")
    installation.migrate(database)


def granted_all(database: Database) -> None:
    """An operator's `GRANT ALL` lasts until the server is prepared again."""
    installation.migrate(database)
    with database.platform() as session:
        database.act_as_owner(session, "public")
        execute_ddl(
            session,
            "GRANT ALL ON ALL TABLES IN SCHEMA public TO {}",
            identifier(database.service_role),
        )
    installation.migrate(database)


@pytest.fixture
def bare(postgres: EmbeddedPostgres) -> Iterator[Database]:
    """A database with nothing in it."""
    name = f"log_{uuid.uuid4().hex[:12]}"
    database = Database(postgres.create_database(name), pool_size=4)
    yield database
    database.close()
    postgres.drop_database(name)


def hold_closed(database: Database) -> None:
    """Try all that must not be possible, and what must be."""
    with database.platform() as session:
        audit.record(session, "tenant.look", subject="first")
    url = database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True) as service:
        before = service.execute("SELECT * FROM audit_log ORDER BY serial").fetchall()
        for statement in REFUSED:
            if statement.startswith("MERGE") and service.info.server_version < 150_000:
                continue
            with pytest.raises(errors.InsufficientPrivilege):
                service.execute(statement)
        assert service.execute("SELECT * FROM audit_log ORDER BY serial").fetchall() == before
        rights = service.execute(
            "SELECT privilege_type FROM information_schema.role_table_grants"
            " WHERE table_name = 'audit_log' AND grantee = current_user"
        ).fetchall()
        assert rights == [("SELECT",)]
    with database.platform() as session:
        audit.record(session, "tenant.look", subject="second")
        events = audit.list_events(session, Wanted(action="tenant.look"), limit=2, offset=0)
    assert [event.subject for event in events] == ["second", "first"]


@pytest.mark.parametrize("make", [upgraded_from_the_first_revision, granted_all])
def test_the_service_can_only_add_lines_and_read_them_however_the_table_came_to_be(
    bare: Database, make: Callable[[Database], None]
) -> None:
    make(bare)
    hold_closed(bare)


def test_the_service_can_only_add_lines_and_read_them_on_each_postgresql(
    any_database: Database,
) -> None:
    hold_closed(any_database)
    installation.migrate(any_database)
    hold_closed(any_database)


def test_a_tenants_role_sees_nothing_of_it(any_database: Database) -> None:
    tenant = create_tenant(any_database, f"t_{uuid.uuid4().hex[:12]}", password=PASSWORD)
    statements = ("SELECT 1 FROM public.audit_log", f"INSERT INTO public.audit_log {LINE}")
    with login(any_database, tenant.role, PASSWORD) as direct:
        for statement in (*statements, "SELECT nextval('public.audit_log_serial_seq')"):
            with pytest.raises(errors.InsufficientPrivilege):
                direct.execute(statement)
    for statement in statements:
        with (
            pytest.raises(Exception, match="permission denied for schema public"),
            any_database.tenant(tenant) as session,
        ):
            session.execute(text(statement))
