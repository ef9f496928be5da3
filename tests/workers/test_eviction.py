"""What a worker keeps of tenants goes with them, and with nobody else."""

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from cloacina.packages.cache import PackageCache
from cloacina.sandbox import Host
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


def unpack(tmp_path: Path, *tenant_ids: UUID) -> None:
    for tenant_id in tenant_ids:
        (tmp_path / str(tenant_id) / "hash").mkdir(parents=True)


def unpacked(tmp_path: Path) -> set[str]:
    return {folder.name for folder in tmp_path.iterdir()}


def test_a_tenant_that_is_gone_leaves_nothing(evictions: Evictions, tmp_path: Path) -> None:
    stays, goes = uuid4(), uuid4()
    evictions.look([stays, goes], [])
    unpack(tmp_path, stays, goes)
    evictions.look([stays], [])
    assert unpacked(tmp_path) == {str(stays)}


def test_a_tenant_whose_tasks_were_killed_leaves_nothing_while_it_is_still_there(
    evictions: Evictions, tmp_path: Path
) -> None:
    stays, goes = uuid4(), uuid4()
    unpack(tmp_path, stays, goes)
    evictions.look([stays, goes], [goes])
    assert unpacked(tmp_path) == {str(stays)}


def test_what_an_earlier_worker_has_left_or_somebody_wrote_late_is_found(
    evictions: Evictions, tmp_path: Path
) -> None:
    stays, gone = uuid4(), uuid4()
    unpack(tmp_path, stays, gone)
    (tmp_path / ".half").mkdir()
    evictions.look([stays], [])
    evictions.look([stays], [])
    assert unpacked(tmp_path) == {str(stays)}
    unpack(tmp_path, gone)
    for _ in range(3):
        evictions.look([stays], [])
    assert unpacked(tmp_path) == {str(stays)}


def test_the_folder_of_a_tenant_that_has_just_come_stays(
    evictions: Evictions, tmp_path: Path
) -> None:
    comes = uuid4()
    # after the tenants were read, and before the folders are looked at
    unpack(tmp_path, comes)
    evictions.look([], [])
    evictions.look([comes], [])
    assert unpacked(tmp_path) == {str(comes)}
