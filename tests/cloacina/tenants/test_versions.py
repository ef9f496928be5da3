"""The revisions that are served are the newest ones that there are."""

from dataclasses import replace

import pytest

from cloacina import schema
from cloacina.db import Database
from cloacina.tenants import services as tenants
from cloacina.tenants import versions
from cloacina.tenants.errors import TenantMigrating, TenantSchemaTooNew


def test_the_newest_revision_is_the_one_that_migrations_end_with() -> None:
    assert schema.head("tenant") == versions.NEWEST


@pytest.mark.parametrize(
    ("version", "is_migrating", "refusal"),
    [
        ("0001", False, TenantMigrating),
        (versions.NEWEST, True, TenantMigrating),
        ("9999", False, TenantSchemaTooNew),
    ],
)
def test_tables_that_cannot_be_used_are_refused(
    database: Database, version: str, is_migrating: bool, refusal: type[Exception]
) -> None:
    with database.platform() as session:
        public = tenants.find(session, "public")
    versions.check_tables(public)
    other = replace(public, schema_version=version, is_migrating=is_migrating)
    with pytest.raises(refusal, match="public"):
        versions.check_tables(other)
