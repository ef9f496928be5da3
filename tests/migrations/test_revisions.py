"""The two ways to a schema, from the models in one go and revision by revision, end the same."""

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.orm import Session

from cloacina import schema
from cloacina.db import Database, execute_ddl, identifier
from cloacina.embedded import EmbeddedPostgres
from cloacina.schema import Line

Way = Callable[[Session, Line], str]
Describe = Callable[[Session], dict[str, list[tuple[Any, ...]]]]
# gives a session in an empty schema of its own, and throws away what was made in it
EmptySchema = Callable[[], AbstractContextManager[Session]]

LINES: tuple[Line, ...] = ("platform", "tenant")
WAYS: dict[str, Way] = {"snapshot": schema.create, "revisions": schema.upgrade}

POSTGRESQL_CATALOG = {
    "columns": (
        "SELECT table_name, column_name, ordinal_position, data_type, udt_name, is_nullable,"
        " column_default, is_identity, identity_generation, character_maximum_length"
        " FROM information_schema.columns WHERE table_schema = current_schema() ORDER BY 1, 2"
    ),
    "indexes": (
        "SELECT tablename, indexname, replace(indexdef, current_schema(), '') FROM pg_indexes"
        " WHERE schemaname = current_schema() ORDER BY 1, 2"
    ),
    "constraints": (
        "SELECT conrelid::regclass::text, conname, contype,"
        " replace(pg_get_constraintdef(oid), current_schema(), '')"
        " FROM pg_constraint WHERE connamespace = current_schema()::regnamespace ORDER BY 1, 2"
    ),
}
SQLITE_CATALOG = {
    "columns": (
        "SELECT m.name, p.* FROM sqlite_master m, pragma_table_xinfo(m.name) p"
        " WHERE m.type = 'table' ORDER BY m.name, p.name"
    ),
    "indexes": "SELECT tbl_name, name, sql FROM sqlite_master WHERE type = 'index' ORDER BY 1, 2",
    "foreign keys": (
        "SELECT m.name, p.* FROM sqlite_master m, pragma_foreign_key_list(m.name) p"
        " WHERE m.type = 'table' ORDER BY 1, 2, 3"
    ),
    # the text, but for the order in which a table's parts are listed
    "tables": "SELECT name, sql FROM sqlite_master WHERE type = 'table' ORDER BY 1",
}


def described(session: Session) -> dict[str, list[tuple[Any, ...]]]:
    """Give all that the database says about the schema in force."""
    is_sqlite = session.get_bind().dialect.name == "sqlite"
    catalog = SQLITE_CATALOG if is_sqlite else POSTGRESQL_CATALOG
    found = {
        name: [tuple(row) for row in session.execute(sa.text(query))]
        for name, query in catalog.items()
    }
    if is_sqlite:
        found["tables"] = [
            # a column that was added later stands behind the constraints, in their last line
            (name, *sorted(filter(None, (part.strip("() \t") for part in re.split("[,\n]", sql)))))
            for name, sql in found["tables"]
        ]
    return found


@pytest.fixture(scope="module")
def service(postgres: EmbeddedPostgres, empty_database_url: str) -> Iterator[Database]:
    """A database with nothing in it, as its plain service role."""
    database = Database(empty_database_url)
    yield database
    database.close()


@pytest.fixture(params=["postgresql", "sqlite"])
def empty_schema(request: pytest.FixtureRequest, service: Database, tmp_path: Path) -> EmptySchema:
    @contextmanager
    def on_postgresql() -> Iterator[Session]:
        with Session(service.engine) as session:
            name = identifier("anew")
            execute_ddl(session, "CREATE SCHEMA {}", name)
            execute_ddl(session, "SET LOCAL search_path = {}", name)
            yield session
            session.rollback()

    @contextmanager
    def on_sqlite() -> Iterator[Session]:
        database = Database(f"sqlite:///{tmp_path}/anew.db")
        with Session(database.engine) as session:
            yield session
            session.rollback()
        database.close()

    return on_sqlite if request.param == "sqlite" else on_postgresql


@pytest.mark.parametrize("line", LINES)
def test_a_new_schema_is_the_same_as_an_upgraded_one(empty_schema: EmptySchema, line: Line) -> None:
    found = []
    for make in WAYS.values():
        with empty_schema() as session:
            assert make(session, line) == schema.head(line)
            found.append(described(session))
    new, upgraded = found
    assert new.keys() == upgraded.keys()
    for name, rows in new.items():
        assert rows == upgraded[name], name
        assert rows or name == "foreign keys", name


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("way", WAYS)
def test_either_way_leaves_nothing_for_alembic_to_change(
    empty_schema: EmptySchema, line: Line, way: str
) -> None:
    with empty_schema() as session:
        WAYS[way](session, line)
        options = {
            "version_table": schema.version_table(line),
            "compare_type": True,
            # SQLite numbers rows by itself: to Alembic the models' identity is missing there
            "compare_server_default": session.get_bind().dialect.name == "postgresql",
        }
        context = MigrationContext.configure(session.connection(), opts=options)
        assert compare_metadata(context, schema.METADATA[line]) == []


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("way", WAYS)
def test_upgrading_again_changes_nothing(empty_schema: EmptySchema, line: Line, way: str) -> None:
    with empty_schema() as session:
        WAYS[way](session, line)
        before = described(session)
        assert schema.upgrade(session, line) == schema.head(line)
        assert described(session) == before
        assert schema.current(session.connection(), line) == schema.head(line)


@pytest.mark.parametrize("line", LINES)
def test_a_schema_without_tables_is_at_no_revision(empty_schema: EmptySchema, line: Line) -> None:
    with empty_schema() as session:
        assert schema.current(session.connection(), line) is None


def test_both_lines_live_in_one_sqlite_file(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/both.db")
    with Session(database.engine) as session:
        for line in LINES:
            schema.create(session, line)
        for line in LINES:
            assert schema.current(session.connection(), line) == schema.head(line)
    database.close()
