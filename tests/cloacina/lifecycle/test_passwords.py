"""A tenant's role gets a new password: the old one is worth nothing from then on."""

import json
import uuid
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import errors
from sqlalchemy import select

from cloacina.audit.models import AuditRow
from cloacina.db import Database
from cloacina.embedded import EmbeddedPostgres
from cloacina.errors import ConfigurationError
from cloacina.lifecycle.passwords import Login, rotate_password
from cloacina.lifecycle.tenants import create_tenant
from cloacina.tenants.errors import TenantHasNoLogin, TenantNotFound
from cloacina.tenants.models import Tenant
from tests.cloacina.tenants.logins import admin, login, rows

OLD = "an old password"


@pytest.fixture
def acme(any_database: Database) -> Tenant:
    return create_tenant(any_database, f"t_{uuid.uuid4().hex[:12]}", password=OLD)


@pytest.fixture
def chatty(any_postgres: EmbeddedPostgres, any_database: Database) -> Iterator[Database]:
    """The database, by connections of which the server logs every statement."""
    name = any_database.engine.url.database
    with admin(any_postgres, any_database) as connection:
        connection.execute(f"ALTER DATABASE \"{name}\" SET log_statement = 'all'")
    found = Database(any_database.engine.url.render_as_string(hide_password=False))
    yield found
    found.close()
    with admin(any_postgres, any_database) as connection:
        connection.execute(f'ALTER DATABASE "{name}" RESET log_statement')


def test_the_new_password_opens_and_the_old_one_no_longer(
    any_database: Database, acme: Tenant
) -> None:
    first = rotate_password(any_database, acme.name)
    assert (first.tenant, first.username) == (acme.name, acme.role)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        login(any_database, acme.role, OLD)
    login(any_database, acme.role, first.password).close()

    second = rotate_password(any_database, acme.name)
    assert len({OLD, first.password, second.password}) == 3
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        login(any_database, acme.role, first.password)
    with login(any_database, acme.role, second.password) as connection:
        assert connection.execute("SHOW statement_timeout").fetchone() == ("2s",)
        assert connection.execute("SELECT count(*) FROM packages").fetchone() == (0,)


def test_sessions_of_the_old_password_end_and_those_of_others_go_on(
    any_database: Database, acme: Tenant
) -> None:
    other = create_tenant(any_database, f"t_{uuid.uuid4().hex[:12]}", password=OLD)
    with (
        login(any_database, other.role, OLD) as others,
        any_database.tenant(acme) as at_work,
    ):
        old = login(any_database, acme.role, OLD)
        old.execute("SELECT count(*) FROM packages")
        rotate_password(any_database, acme.name)
        with pytest.raises(errors.AdminShutdown):
            old.execute("SELECT 1")
        old.close()
        others.execute("SELECT count(*) FROM packages")
        # what the service does as the tenant is no session of its
        at_work.connection().exec_driver_sql("SELECT count(*) FROM packages")


def test_the_password_stands_in_no_log_and_no_table(
    any_postgres: EmbeddedPostgres,
    chatty: Database,
    acme: Tenant,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level("DEBUG"):
        found = rotate_password(chatty, acme.name)
    log = any_postgres.folder.log_path.read_text()
    assert f'ALTER ROLE "{acme.role}" PASSWORD' in log
    assert found.password not in log
    assert found.password not in caplog.text
    assert found.password not in repr(found)
    stored = "SELECT rolpassword FROM pg_authid WHERE rolname = %s"
    (verifier,) = rows(any_postgres, chatty, stored, acme.role)
    assert verifier.startswith("SCRAM-SHA-256$")


def test_the_audit_log_tells_of_it(any_database: Database, acme: Tenant) -> None:
    found = rotate_password(any_database, acme.name)
    with any_database.platform() as session:
        query = select(AuditRow).where(AuditRow.action == "tenant.rotate_db_password")
        (row,) = session.scalars(query.where(AuditRow.tenant_id == acme.id)).all()
        assert (row.outcome, row.subject, row.tenant_name) == ("ok", acme.role, acme.name)
        assert found.password not in json.dumps([str(value) for value in vars(row).values()])


def test_who_has_no_login_is_told_so(any_database: Database) -> None:
    with pytest.raises(TenantHasNoLogin, match="'public' has no login of its own"):
        rotate_password(any_database, "public")


def test_an_unknown_tenant_is_not_found(any_database: Database) -> None:
    with pytest.raises(TenantNotFound):
        rotate_password(any_database, "nobody")


def test_sqlite_has_no_passwords(tmp_path) -> None:
    database = Database(f"sqlite:///{tmp_path}/platform.db")
    with pytest.raises(TenantHasNoLogin, match="SQLite has no roles"):
        rotate_password(database, "public")
    database.close()


def test_a_role_that_the_service_may_not_change_is_told_of_without_its_hash(
    any_postgres: EmbeddedPostgres, any_database: Database, acme: Tenant
) -> None:
    with admin(any_postgres, any_database) as superuser:
        superuser.execute(f'ALTER ROLE "{any_database.service_role}" NOCREATEROLE')
        try:
            with pytest.raises(ConfigurationError, match=f"'{acme.role}' cannot be") as caught:
                rotate_password(any_database, acme.name)
        finally:
            superuser.execute(f'ALTER ROLE "{any_database.service_role}" CREATEROLE')
    assert "SCRAM" not in caught.value.message
    login(any_database, acme.role, OLD).close()


def test_a_login_hides_its_password() -> None:
    assert "secret" not in str(Login("acme", "acme", "secret"))
