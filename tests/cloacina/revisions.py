"""A revision of tenants' tables that comes after all that there are, for the time of a test."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

from alembic.config import Config
from sqlalchemy import text, update

from cloacina import schema
from cloacina.db import Database
from cloacina.schema import Line
from cloacina.tenants import versions
from cloacina.tenants.models import Tenant, TenantRow

NEXT, NEWEST = "9000", versions.NEWEST
_TEXT = """
from alembic import op

revision, down_revision = "{next}", "{newest}"


def upgrade() -> None:
    op.execute("CREATE TABLE next_thing (id integer)")
    op.execute("ALTER TABLE packages ADD COLUMN next_thing text")
"""


@contextmanager
def one_more_revision(folder: Path) -> Iterator[str]:
    """Have this process know one revision more, which adds a table and a column; gives its name.

    It is what the next release will do: what was the newest revision is then the one before.
    """
    make = schema._config
    (folder / "v9000_next.py").write_text(_TEXT.format(next=NEXT, newest=NEWEST))

    def with_it(line: Line) -> Config:
        config = make(line)
        if line == "tenant":
            known = config.get_main_option("version_locations")
            config.set_main_option("version_locations", f"{known}{os.pathsep}{folder}")
        return config

    caches = (schema.head, schema._script)
    with (
        patch.object(schema, "_config", with_it),
        patch.object(versions, "NEWEST", NEXT),
        patch.object(versions, "OLDEST_SERVED", NEWEST),
    ):
        for cache in caches:
            cache.cache_clear()
        yield NEXT
    for cache in caches:
        cache.cache_clear()


def set_back(database: Database, tenant: Tenant) -> None:
    """Undo the revision at a tenant, also where it was made to fail."""
    with database.platform() as session:
        database.act_as_owner(session, tenant.schema)
        session.execute(text("DROP TABLE IF EXISTS next_thing"))
        if tenant.schema_version == NEXT:
            session.execute(text("ALTER TABLE packages DROP COLUMN next_thing"))
        session.execute(text(f"UPDATE alembic_version_tenant SET version_num = '{NEWEST}'"))  # noqa: S608
        database.act_as_platform(session)
        usual = {"schema_version": NEWEST, "migrating_until": None}
        session.execute(update(TenantRow).where(TenantRow.id == tenant.id).values(**usual))
