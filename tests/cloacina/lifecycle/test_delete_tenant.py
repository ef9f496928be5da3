"""A tenant goes whole, and when that is interrupted, the next call goes on."""

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from sqlalchemy import text

from cloacina.db import Database
from cloacina.embedded import EmbeddedPostgres
from cloacina.errors import DatabaseUnavailable, Unauthorized
from cloacina.keys import services as keys
from cloacina.lifecycle.deletion import Removal
from cloacina.lifecycle.tenants import create_tenant
from cloacina.processes import wait_until
from cloacina.tenants import services
from cloacina.tenants.errors import TenantNotFound, TenantRemovalFailed
from cloacina.tenants.models import Tenant
from tests.cloacina.keys.verifying import verify
from tests.cloacina.lifecycle.statements import count_statements
from tests.cloacina.tenants.logins import admin, login
from tests.removal import delete_tenant


def key_of(database: Database, tenant: Tenant) -> str:
    with database.platform() as session:
        return keys.issue(session, "ci", "write", tenant).plaintext


def is_valid(database: Database, key: str) -> bool:
    try:
        verify(database, key)
    except Unauthorized:
        return False
    return True


def test_nothing_is_left_of_a_deleted_tenant(
    database: Database, tenant_name: str, traces: Callable[[str], list[str]]
) -> None:
    tenant = create_tenant(database, tenant_name)
    used, revoked = key_of(database, tenant), key_of(database, tenant)
    key_id = verify(database, revoked).key.id
    with database.platform() as session:
        keys.revoke(session, key_id, tenant)

    assert delete_tenant(database, tenant_name) == Removal(revoked_keys=1, removed=True)

    assert traces(tenant_name) == []
    assert not is_valid(database, used)
    with database.platform() as session:
        with pytest.raises(TenantNotFound):
            services.find(session, tenant_name)
        count = text("SELECT count(*) FROM tenant_wakeups WHERE tenant_id = :id")
        assert session.scalar(count, {"id": tenant.id}) == 0


def test_deleting_again_and_deleting_nothing_do_nothing(
    database: Database, tenant_name: str
) -> None:
    create_tenant(database, tenant_name)
    assert delete_tenant(database, tenant_name).removed
    assert delete_tenant(database, tenant_name) == Removal(revoked_keys=0, removed=False)
    assert delete_tenant(database, 'no; such "name') == Removal(revoked_keys=0, removed=False)


def test_a_tenant_of_an_old_name_is_another_and_empty(database: Database, tenant_name: str) -> None:
    old = create_tenant(database, tenant_name, password="the old one's")
    key = key_of(database, old)
    with database.tenant(old) as session:
        session.execute(INSERT_PACKAGE, {"id": uuid.uuid4()})
    delete_tenant(database, tenant_name)

    new = create_tenant(database, tenant_name)

    assert new.id != old.id
    assert not is_valid(database, key)
    with database.tenant(new) as session:
        assert session.scalar(text("SELECT count(*) FROM packages")) == 0
    with database.platform() as session:
        assert keys.list_keys(session, new) == []
    with pytest.raises(psycopg.OperationalError):
        login(database, tenant_name, "the old one's")


INSERT_PACKAGE = text(
    "INSERT INTO packages (id, package_name, version, workflow_name, entry_module, content_hash,"
    " source_hash, size_bytes, build_status, active, paused, created_at)"
    " VALUES (:id, 'p', '1.0.0', 'w', 'm', 'h', 's', 1, 'pending', false, false, now())"
)


@pytest.fixture(scope="module")
def statements(database: Database) -> int:
    name = f"t_{uuid.uuid4().hex[:12]}"
    create_tenant(database, name)
    return count_statements(database, lambda: delete_tenant(database, name))


@pytest.mark.parametrize("share", [0.0, 0.15, 0.3, 0.45, 0.6, 0.75, 0.9, 1.0])
def test_a_deletion_that_is_interrupted_goes_on_with_the_next_call(
    database: Database,
    tenant_name: str,
    statements: int,
    share: float,
    killed_before: Callable[[int], None],
    traces: Callable[[str], list[str]],
) -> None:
    key = key_of(database, create_tenant(database, tenant_name))
    killed_before(round(share * (statements - 1)))
    with pytest.raises((DatabaseUnavailable, TenantRemovalFailed)):
        delete_tenant(database, tenant_name)
    # whole and open, or closed to everybody and on its way out
    with database.platform() as session:
        names = {tenant.name: tenant.status for tenant in services.list_all(session)}
    assert is_valid(database, key) == (names[tenant_name] == "active")

    assert delete_tenant(database, tenant_name).removed

    assert traces(tenant_name) == []
    assert create_tenant(database, tenant_name).status == "active"


def test_a_tenant_whose_tables_are_in_use_is_closed_and_goes_later(
    postgres: EmbeddedPostgres, database: Database, tenant_name: str
) -> None:
    key = key_of(database, create_tenant(database, tenant_name))
    waiting = (
        "SELECT pg_cancel_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    with (
        admin(postgres, database) as user,
        admin(postgres, database) as other,
        ThreadPoolExecutor(1) as thread,
    ):
        user.execute("BEGIN")
        user.execute(f'SELECT 1 FROM "{tenant_name}".packages')  # noqa: S608
        deletion = thread.submit(delete_tenant, database, tenant_name)
        # sooner than its own patience would end
        assert wait_until(lambda: other.execute(waiting).fetchone(), 10)
        with pytest.raises(TenantRemovalFailed, match="its keys are revoked: canceling"):
            deletion.result(10)
    assert not is_valid(database, key)
    assert delete_tenant(database, tenant_name).removed


def test_of_several_that_delete_one_tenant_all_see_it_gone(
    database: Database, tenant_name: str
) -> None:
    create_tenant(database, tenant_name)
    with ThreadPoolExecutor(4) as threads:
        done = list(threads.map(lambda _: delete_tenant(database, tenant_name), range(4)))
    assert any(removal.removed for removal in done)
    with database.platform() as session, pytest.raises(TenantNotFound):
        services.find(session, tenant_name)


def test_the_tenant_that_always_exists_stays(either_database: Database) -> None:
    with pytest.raises(TenantRemovalFailed, match="always exists"):
        delete_tenant(either_database, "public")
    with either_database.platform() as session:
        assert services.find(session, "public").schema == "tenant_public"
