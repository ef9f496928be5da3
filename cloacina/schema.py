"""Creates and upgrades tables: the platform's, and each tenant's own.

A schema that is new is created from the models in one go and marked with the newest revision; one
that exists is upgraded revision by revision. A test holds both ways equal.
"""

import io
import threading
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData
from sqlalchemy.orm import Session

import cloacina.audit.models
import cloacina.executions.models
import cloacina.fleet.models
import cloacina.keys.models
import cloacina.packages.models
import cloacina.schedules.models
import cloacina.tenants.models  # noqa: F401  # the tables register themselves as they are imported
from cloacina.db.models import PlatformBase, TenantBase

# Alembic keeps what it works on in globals
_SCRIPT_LOCK = threading.Lock()

Line = Literal["platform", "tenant"]

METADATA: dict[Line, MetaData] = {
    "platform": PlatformBase.metadata,
    "tenant": TenantBase.metadata,
}


def version_table(line: Line) -> str:
    """Name the table that holds a line's revision; on SQLite both lines share one file."""
    return f"alembic_version_{line}"


def _config(line: Line) -> Config:
    spec = find_spec("migrations")
    assert spec is not None  # noqa: S101  # a package of this distribution
    assert spec.origin is not None  # noqa: S101
    folder = Path(spec.origin).parent
    config = Config()
    config.set_main_option("script_location", str(folder))
    config.set_main_option("version_locations", str(folder / line))
    config.set_main_option("path_separator", "os")
    return config


@cache
def head(line: Line) -> str:
    """Give the newest revision of a line."""
    revision = ScriptDirectory.from_config(_config(line)).get_current_head()
    assert revision is not None  # noqa: S101  # each line has a first revision
    return revision


def current(connection: Connection, line: Line) -> str | None:
    """Give the revision that the schema in force is at, None when it has no tables yet."""
    options = {"version_table": version_table(line)}
    return MigrationContext.configure(connection, opts=options).get_current_revision()


def create(session: Session, line: Line) -> str:
    """Create a line's tables in the schema in force, which has none yet.

    Parameters:
        session: its role may create there, its search_path names the schema.
        line: `platform` or `tenant`.

    Returns:
        The revision that the schema is at.
    """
    connection = session.connection()
    METADATA[line].create_all(connection, checkfirst=False)
    config = _config(line)
    context = MigrationContext.configure(connection, opts={"version_table": version_table(line)})
    context.stamp(ScriptDirectory.from_config(config), head(line))
    return head(line)


@cache
def _script(line: Line, revision: str | None) -> str:
    """Write the SQL of the revisions after `revision`, for PostgreSQL.

    Writing it takes longer than running it, and a thousand tenants need the same.
    """
    script = io.StringIO()
    config = _config(line)
    config.output_buffer = script
    config.attributes["version_table"] = version_table(line)
    command.upgrade(config, f"{revision or 'base'}:head", sql=True)
    return script.getvalue()


def upgrade(session: Session, line: Line) -> str:
    """Run the revisions that the schema in force has not seen.

    Parameters:
        session: its role may create there, its search_path names the schema.
        line: `platform` or `tenant`.

    Returns:
        The revision that the schema is at.
    """
    connection = session.connection()
    revision = current(connection, line)
    if revision == head(line):
        return head(line)
    if connection.dialect.name == "postgresql":
        with _SCRIPT_LOCK:
            script = _script(line, revision)
        # as it is: it has several statements, and no parameters
        connection.exec_driver_sql(script, execution_options={"no_parameters": True})
    else:
        config = _config(line)
        config.attributes["connection"] = connection
        config.attributes["version_table"] = version_table(line)
        command.upgrade(config, "head")
    return head(line)
