"""Tenants' tables are brought to a new revision: one tenant first, then several at once."""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import select, text

from cloacina.audit.models import AuditRow
from cloacina.db import Database, execute_ddl, identifier
from cloacina.lifecycle import migration
from cloacina.lifecycle.tenants import create_tenant
from cloacina.processes import wait_until
from cloacina.tenants import services as tenants
from cloacina.tenants.errors import TenantMigrationFailed, TenantSchemaTooNew
from cloacina.tenants.models import Tenant
from tests.cloacina.revisions import NEWEST, one_more_revision, set_back

PASSWORD = "a password"  # of a database that lives as long as the test
DEADLINE_S = 20.0


@pytest.fixture
def new(database: Database, tmp_path: Path) -> Iterator[str]:
    """The name of a revision that no tenant has yet; what the test made of it is undone."""
    with one_more_revision(tmp_path) as name:
        yield name
    for tenant in every(database):
        set_back(database, tenant)


def every(database: Database) -> Sequence[Tenant]:
    with database.platform() as session:
        return tenants.list_all(session)


def make(database: Database, count: int) -> list[Tenant]:
    """Create tenants whose tables are of the revision before the one that the test adds."""
    names = [f"t_{uuid4().hex[:12]}" for _ in range(count)]
    for name in names:
        made = create_tenant(database, name, password=PASSWORD)
        # its tables are those of the models, which know nothing of the added revision
        set_back(database, replace(made, schema_version=NEWEST))
    return [tenant for tenant in every(database) if tenant.name in names]


def spoil(database: Database, tenant: Tenant) -> None:
    """Have the next revision fail at a tenant."""
    with database.platform() as session:
        database.act_as_owner(session, tenant.schema)
        session.execute(text("CREATE TABLE next_thing (id integer)"))


def mend(database: Database, tenant: Tenant) -> None:
    with database.platform() as session:
        database.act_as_owner(session, tenant.schema)
        session.execute(text("DROP TABLE next_thing"))


def has_revision(database: Database, tenant: Tenant) -> bool:
    """Say whether the tables themselves have what the revision brings."""
    with database.platform() as session:
        database.act_as_owner(session, tenant.schema)
        columns = text(
            "SELECT count(*) FROM information_schema.columns WHERE table_schema = :schema"
            " AND table_name = 'packages' AND column_name = 'next_thing'"
        )
        return session.scalar(columns, {"schema": tenant.schema}) == 1


def behind(database: Database, new: str) -> set[str]:
    return {tenant.name for tenant in every(database) if tenant.schema_version != new}


def times_migrated(database: Database, tenant: Tenant) -> int:
    with database.platform() as session:
        rows = session.scalars(
            select(AuditRow).where(
                AuditRow.tenant_id == tenant.id, AuditRow.action == "tenant.migrate"
            )
        )
        return len(rows.all())


def test_all_tenants_are_migrated_public_first(database: Database, new: str) -> None:
    made = make(database, 6)

    done = migration.migrate_tenants(database)

    assert done.migrated[0] == "public"
    assert {*done.migrated} >= {tenant.name for tenant in made}
    assert (done.failed, done.left, done.failure()) == ((), (), "")
    assert behind(database, new) == set()
    assert all(has_revision(database, tenant) for tenant in made)
    assert not any(tenant.is_migrating for tenant in every(database))
    assert [times_migrated(database, tenant) for tenant in made] == [1] * 6
    assert migration.migrate_tenants(database).migrated == ()


def test_a_failure_of_the_first_leaves_all_others_alone(database: Database, new: str) -> None:
    make(database, 3)
    public = every(database)
    (first,) = [tenant for tenant in public if tenant.name == "public"]
    spoil(database, first)

    done = migration.migrate_tenants(database)

    assert done.migrated == ()
    assert [name for name, _ in done.failed] == ["public"]
    assert {"public", *done.left} == behind(database, new)
    assert "next_thing" in done.failed[0][1]
    assert not any(tenant.is_migrating for tenant in every(database))


def test_after_a_failure_no_other_is_begun_and_the_next_run_goes_on(
    database: Database, new: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # in turns, so that those who come later have not been begun
    monkeypatch.setattr(migration, "AT_ONCE", 1)
    bad = sorted(make(database, 6), key=lambda tenant: tenant.created_at)[2]
    spoil(database, bad)

    done = migration.migrate_tenants(database)

    assert [name for name, _ in done.failed] == [bad.name]
    assert len(done.left) == 3
    assert {bad.name, *done.left} == behind(database, new)
    # all of them are told, with what to do
    failure = done.failure()
    assert f"'{bad.name}': " in failure
    assert f"{len(done.left)} were not begun" in failure
    assert "cloacinactl admin migrate" in failure

    mend(database, bad)
    again = migration.migrate_tenants(database)
    assert {*again.migrated} == {bad.name, *done.left}
    assert behind(database, new) == set()


def test_who_migrates_at_the_same_time_migrates_each_tenant_once(
    database: Database, empty_database_url: str, new: str
) -> None:
    made = make(database, 10)
    others = [Database(empty_database_url, pool_size=migration.AT_ONCE) for _ in range(3)]
    ends: list[migration.Migration] = []
    threads = [
        threading.Thread(target=lambda each=each: ends.append(migration.migrate_tenants(each)))
        for each in others
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE_S)
    for other in others:
        other.close()

    assert len(ends) == 3
    assert all(end.failed == () for end in ends)
    assert behind(database, new) == set()
    assert [times_migrated(database, tenant) for tenant in made] == [1] * 10


def test_tables_of_a_newer_server_are_left_as_they_are(database: Database) -> None:
    (tenant,) = make(database, 1)
    with database.platform() as session:
        session.execute(
            text("UPDATE tenants SET schema_version = '9999' WHERE id = :id"), {"id": tenant.id}
        )
    try:
        assert migration.migrate_tenants(database).too_new == (tenant.name,)
        with pytest.raises(TenantSchemaTooNew):
            migration.migrate_tenant(database, tenants_now(database, tenant))
    finally:
        set_back(database, tenant)


def tenants_now(database: Database, tenant: Tenant) -> Tenant:
    with database.platform() as session:
        return tenants.find_by_id(session, tenant.id)


def login(url: str, tenant: Tenant) -> psycopg.Connection:
    return psycopg.connect(url, user=tenant.role, password=PASSWORD)


def test_a_login_of_the_tenant_that_holds_its_tables_does_not_hold_up_the_migration(
    database: Database, empty_database_url: str, new: str
) -> None:
    (tenant,) = make(database, 1)
    with login(empty_database_url, tenant) as connection:
        connection.execute("LOCK TABLE packages IN ROW EXCLUSIVE MODE")
        assert migration.migrate_tenant(database, tenant) == new
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")


def test_a_tenant_that_cannot_be_migrated_keeps_what_it_has(database: Database, new: str) -> None:
    (tenant,) = make(database, 1)
    spoil(database, tenant)
    with pytest.raises(TenantMigrationFailed, match=tenant.name) as caught:
        migration.migrate_tenant(database, tenant)
    assert "next_thing" in caught.value.reason
    assert not has_revision(database, tenant)
    now = tenants_now(database, tenant)
    assert (now.schema_version, now.is_migrating) == (tenant.schema_version, False)
    assert new != now.schema_version


_MIGRATE_FOR_EVER = """
import sys
from dataclasses import replace
from pathlib import Path
from cloacina.db import Database
from cloacina.lifecycle import migration
from cloacina.tenants import services as tenants
from tests.cloacina.revisions import one_more_revision
url, name, folder = sys.stdin.read().split("\\n")
database = Database(url)
with one_more_revision(Path(folder)), database.platform() as session:
    tenant = tenants.find(session, name)
    session.rollback()
    migration.migrate_tenant(database, tenant)
"""


def test_a_migration_that_was_killed_is_taken_up_by_the_next_at_once(
    database: Database, empty_database_url: str, new: str, tmp_path: Path
) -> None:
    (tenant,) = make(database, 1)
    # the database's owner holds a table, so that the migration stands still in the middle
    with database.platform() as session:
        database.act_as_owner(session, tenant.schema)
        session.execute(text("LOCK TABLE packages"))
        # a revision of its own: it is not to write over the one of this process
        own = tmp_path / "own"
        own.mkdir()
        process = subprocess.Popen(
            [sys.executable, "-c", _MIGRATE_FOR_EVER], stdin=subprocess.PIPE, text=True
        )
        assert process.stdin is not None
        process.stdin.write(f"{empty_database_url}\n{tenant.name}\n{own}")
        process.stdin.close()
        assert wait_until(lambda: waits_for_the_table(database, tenant), DEADLINE_S)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert tenants_now(database, tenant).is_migrating

    assert migration.migrate_tenant(database, tenants_now(database, tenant)) == new

    assert has_revision(database, tenant)
    assert not tenants_now(database, tenant).is_migrating


def waits_for_the_table(database: Database, tenant: Tenant) -> bool:
    with database.platform() as session:
        database.act_as_owner(session, tenant.schema)
        waiting = text("SELECT 1 FROM pg_locks WHERE NOT granted AND relation = to_regclass(:name)")
        return session.scalar(waiting, {"name": f'"{tenant.schema}".packages'}) == 1


def test_the_name_of_a_schema_is_never_taken_for_sql(database: Database, new: str) -> None:
    (tenant,) = make(database, 1)
    odd = 'odd"; DROP TABLE packages; --'
    with database.platform() as session:
        database.act_as_owner(session, "public")
        execute_ddl(
            session, "ALTER SCHEMA {} RENAME TO {}", identifier(tenant.schema), identifier(odd)
        )
        database.act_as_platform(session)
        session.execute(
            text("UPDATE tenants SET schema_name = :name WHERE id = :id"),
            {"name": odd, "id": tenant.id},
        )
    assert migration.migrate_tenant(database, tenants_now(database, tenant)) == new
