"""A tenant with something of everything, its export, and another server to take it."""

import io
import uuid
from collections.abc import Iterator

import pytest

from cloacina.db import Database
from cloacina.dispatch import Dispatcher
from cloacina.embedded import EmbeddedPostgres
from cloacina.lifecycle import installation
from cloacina.transfer.export import export_tenant
from tests.cloacina.slots import open_slot
from tests.cloacina.transfer.lives import Life, lead
from workers.slot import Slot


@pytest.fixture(scope="module")
def source(
    database: Database, broker_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Slot]:
    """A slot of the server that the tenant lives on."""
    with open_slot(database, broker_url, tmp_path_factory.mktemp("source")) as slot:
        yield slot


@pytest.fixture(scope="module")
def life(source: Slot, broker_url: str) -> Iterator[Life]:
    """The tenant, and what it has done."""
    life = lead(source, broker_url)
    yield life
    life.desk.close()


@pytest.fixture(scope="module")
def exported(database: Database, life: Life) -> bytes:
    """Its export."""
    return export(database, life.desk.tenant.name)


@pytest.fixture(scope="module")
def elsewhere(postgres: EmbeddedPostgres) -> Iterator[Database]:
    """The database of another server."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    database = Database(postgres.create_database(name))
    installation.migrate(database)
    yield database
    database.close()
    postgres.drop_database(name)


@pytest.fixture(scope="module")
def target(
    elsewhere: Database, broker_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Slot]:
    """A slot of the other server."""
    with open_slot(elsewhere, broker_url, tmp_path_factory.mktemp("target")) as slot:
        yield slot


@pytest.fixture(scope="module")
def dispatcher(database: Database, broker_url: str) -> Dispatcher:
    """The way to the broker."""
    return Dispatcher(database, broker_url)


def export(database: Database, name: str) -> bytes:
    """Export a tenant."""
    made = export_tenant(database, name)
    try:
        whole = b"".join(made.pieces())
        assert len(whole) == made.size
        return whole
    finally:
        made.close()


def stream(whole: bytes) -> io.BytesIO:
    """Give a file of bytes."""
    return io.BytesIO(whole)
