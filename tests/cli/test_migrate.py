"""`admin migrate` on a database of which one tenant cannot be migrated."""

import os
import subprocess
import sys
from pathlib import Path

from sqlalchemy import text, update

from cloacina.db import Database
from cloacina.lifecycle.tenants import create_tenant
from cloacina.tenants.models import TenantRow
from cloacina.tenants.versions import NEWEST


def run(url: str, home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environ = {"PATH": os.defpath, "CLOACINA_HOME": str(home), "CLOACINA_DATABASE_URL": url}
    argv = [sys.executable, "-m", "cli", "admin", *words]
    return subprocess.run(argv, check=False, env=environ, capture_output=True, text=True)


def set_version(database: Database, name: str, version: str) -> None:
    with database.platform() as session:
        change = update(TenantRow).where(TenantRow.name == name).returning(TenantRow.schema_name)
        schema = session.scalars(change.values(schema_version=version)).one()
        database.act_as_owner(session, schema)
        session.execute(
            text("UPDATE alembic_version_tenant SET version_num = :version"), {"version": version}
        )


def test_who_migrates_is_told_what_failed_and_a_server_starts_without_it(
    database: Database, empty_database_url: str, tenant_name: str, tmp_path: Path
) -> None:
    create_tenant(database, tenant_name)
    # it says of itself that it lacks tables which it has
    set_version(database, tenant_name, "0001")

    migrated = run(empty_database_url, tmp_path, "migrate")
    assert (migrated.returncode, migrated.stdout) == (1, "")
    assert f"'{tenant_name}': relation \"task_logs\" already exists" in migrated.stderr
    assert "run `cloacinactl admin migrate` again" in migrated.stderr
    assert "Traceback" not in migrated.stderr

    prepared = run(empty_database_url, tmp_path, "prepare")
    assert prepared.returncode == 0
    assert tenant_name in prepared.stderr

    set_version(database, tenant_name, NEWEST)
    migrated = run(empty_database_url, tmp_path, "migrate")
    assert (migrated.returncode, migrated.stdout) == (0, "the database is ready\n")
