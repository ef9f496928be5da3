"""One worker, one scheduler, and a tenant's engineer, with a broker that may be stopped."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cloacina.db import Database
from cloacina.dispatch import Dispatcher
from cloacina.embedded import EmbeddedValkey
from cloacina.lifecycle.tenants import create_tenant
from tests.workers.fleet import Engineer, Fleet, fleet_at


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory, data_root: Path) -> Iterator[EmbeddedValkey]:
    """A broker that these tests may stop."""
    with EmbeddedValkey(data_root / "workers-valkey") as server:
        yield server


@pytest.fixture(scope="module")
def fleet(
    database: Database,
    empty_database_url: str,
    broker: EmbeddedValkey,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Fleet]:
    """One worker and one scheduler."""
    home = tmp_path_factory.mktemp("home")
    with fleet_at(home, empty_database_url, broker.url, concurrency=2) as fleet:
        fleet.start("workers", CLOACINA_VAR_GREETING="hello")
        fleet.start("workers.scheduler")
        yield fleet


@pytest.fixture
def dispatcher(database: Database, broker: EmbeddedValkey) -> Dispatcher:
    """The API's way to the broker."""
    return Dispatcher(database, broker.url)


@pytest.fixture
def engineer(database: Database, dispatcher: Dispatcher, tenant_name: str) -> Engineer:
    """An engineer of a tenant that was created just now."""
    return Engineer(database, dispatcher, create_tenant(database, tenant_name))
