"""What a worker keeps of tenants goes with them, and with nobody else."""

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from cloacina.db import Database
from cloacina.dispatch import Dispatcher
from cloacina.lifecycle.deletion import Deletion, mark
from cloacina.lifecycle.tenants import create_tenant
from cloacina.packages.cache import PackageCache
from cloacina.sandbox import Host
from cloacina.tenants.models import Tenant
from tests.removal import NO_BROKER, delete_tenant
from workers import eviction
from workers.eviction import Evictions


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    host = Host(tmp_path_factory.mktemp("worker"))
    host.start()
    yield host
    host.close()


@pytest.fixture
def evictions(host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Evictions:
    monkeypatch.setattr(eviction, "LOOKS_PER_SWEEP", 2)
    return Evictions(host, PackageCache(tmp_path))


@pytest.fixture
def tenant(database: Database, tenant_name: str) -> Tenant:
    return create_tenant(database, tenant_name)


def look(evictions: Evictions, database: Database) -> None:
    with database.platform() as session:
        found = evictions.find(session)
    evictions.end(found)


def unpack(folder: Path, *tenant_ids: UUID) -> None:
    for tenant_id in tenant_ids:
        (folder / str(tenant_id) / "hash").mkdir(parents=True)


def unpacked(folder: Path) -> set[str]:
    return {each.name for each in folder.iterdir()}


def test_a_tenant_whose_tasks_may_not_run_any_more_keeps_nothing(
    evictions: Evictions, database: Database, tenant: Tenant, tmp_path: Path
) -> None:
    unpack(tmp_path, tenant.id)
    for _ in range(2):
        look(evictions, database)
    marked = mark(database, tenant.name, 0)
    assert marked is not None
    steps = Deletion(database, Dispatcher(database, NO_BROKER), marked[0]).steps()
    while next(steps) != "kill":
        look(evictions, database)
        assert unpacked(tmp_path) == {str(tenant.id)}
    look(evictions, database)
    assert unpacked(tmp_path) == set()
    assert list(steps)


def test_what_somebody_left_or_wrote_late_is_found(
    evictions: Evictions, database: Database, tenant: Tenant, tmp_path: Path
) -> None:
    gone = uuid4()
    unpack(tmp_path, tenant.id, gone)
    (tmp_path / ".half").mkdir()
    look(evictions, database)
    assert unpacked(tmp_path) == {str(tenant.id)}
    delete_tenant(database, tenant.name)
    unpack(tmp_path, gone)
    for _ in range(2):
        look(evictions, database)
    assert unpacked(tmp_path) == set()
