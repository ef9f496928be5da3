"""What a worker does with tenants whose tables are not of its own version."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from cloacina.db import after
from cloacina.lifecycle import migration
from cloacina.tenants import services as tenants
from cloacina.tenants.errors import TenantMigrating, TenantSchemaTooNew
from cloacina.tenants.models import TenantRow
from tests.cloacina.revisions import NEWEST, one_more_revision, set_back
from tests.cloacina.slots import Desk

TASK = "\n@cloaca.task()\ndef hello(context):\n    context.set('said', 'hello')\n"


def test_work_of_a_tenant_goes_on_before_and_after_its_migration(
    desk: Desk, tmp_path: Path
) -> None:
    package = desk.built(TASK)
    first = desk.start(package)
    with one_more_revision(tmp_path):
        assert desk.run_all(first).status == "Completed"
        second = desk.start(package)
        migration.migrate_tenant(desk.slot.database, desk.tenant)
        assert desk.run_all(second).status == "Completed"
        newer = desk.built(TASK + "    context.set('more', 1)\n", version="2.0.0")
        assert desk.run_all(desk.start(newer)).status == "Completed"
    with desk.slot.database.platform() as session:
        migrated = tenants.find_by_id(session, desk.tenant.id)
    set_back(desk.slot.database, migrated)


@pytest.mark.parametrize(
    ("state", "refusal"),
    [
        ({"migrating_until": after(60)}, TenantMigrating),
        ({"schema_version": "0001"}, TenantMigrating),
        ({"schema_version": "9999"}, TenantSchemaTooNew),
    ],
    ids=["migrating", "too old", "too new"],
)
def test_nothing_starts_while_the_tables_cannot_be_used(
    desk: Desk, state: dict[str, Any], refusal: type[Exception]
) -> None:
    execution = desk.start(desk.built(TASK))
    with desk.slot.database.platform() as session:
        session.execute(update(TenantRow).where(TenantRow.id == desk.tenant.id).values(**state))
    with pytest.raises(refusal):
        desk.run(execution)
    with desk.slot.database.platform() as session:
        usual = {"migrating_until": None, "schema_version": NEWEST}
        session.execute(update(TenantRow).where(TenantRow.id == desk.tenant.id).values(**usual))
    assert desk.runs.get(execution).status == "Pending"
    assert desk.run_all(execution).status == "Completed"
