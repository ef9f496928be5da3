"""Servers for the whole session, a database for each module that asks for one."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloacina.db import Database
from cloacina.embedded import EmbeddedPostgres, EmbeddedValkey, temporary_data_root
from cloacina.lifecycle import installation

# what shares the tests between the processes of `pytest --numprocesses`
pytest_plugins = ("tests.sharing",)


@pytest.fixture(scope="session")
def data_root() -> Iterator[Path]:
    """A folder that the embedded servers' account can reach."""
    with temporary_data_root() as root:
        yield root


@pytest.fixture(scope="session")
def postgres(data_root: Path) -> Iterator[EmbeddedPostgres]:
    """The session's PostgreSQL."""
    server = EmbeddedPostgres(data_root / "postgres")
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def valkey(data_root: Path) -> Iterator[EmbeddedValkey]:
    """The session's Valkey."""
    server = EmbeddedValkey(data_root / "valkey")
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def broker_url(valkey: EmbeddedValkey) -> str:
    """The URL of the session's Valkey."""
    return valkey.url


@pytest.fixture(scope="module")
def empty_database_url(postgres: EmbeddedPostgres) -> Iterator[str]:
    """A new PostgreSQL database, owned by a plain service role of its own."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    yield postgres.create_database(name)
    postgres.drop_database(name)


@pytest.fixture(scope="module")
def database(empty_database_url: str) -> Iterator[Database]:
    """A migrated PostgreSQL database."""
    database = Database(empty_database_url)
    installation.migrate(database)
    yield database
    database.close()


@pytest.fixture
def tenant_name() -> str:
    """A name that no other test's tenant has; roles are the whole cluster's."""
    return f"t_{uuid.uuid4().hex[:12]}"
