"""Unpacked packages on a worker."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from sqlalchemy import delete, update

from cloacina.db import Database
from cloacina.lifecycle.tenants import create_tenant
from cloacina.packages.archive import remove_unpacked
from cloacina.packages.cache import PackageCache, import_paths
from cloacina.packages.errors import InvalidPackage
from cloacina.packages.models import ArchiveChunkRow, PackageRow
from cloacina.packages.services import Package
from cloacina.tenants.models import Tenant
from tests.cloacina.packages.uploads import archive, get, upload


@pytest.fixture
def root(tmp_path: Path):
    root = tmp_path / "cache"
    root.mkdir()
    yield root
    for folder in root.glob("*/*"):
        remove_unpacked(folder)


def uploaded(database: Database, tenant: Tenant, **what: str) -> Package:
    return get(database, tenant, upload(database, tenant, archive(**what)))


def test_a_package_is_unpacked_once(
    either_database: Database, empty_tenant: Tenant, root: Path
) -> None:
    package = uploaded(either_database, empty_tenant)
    cache = PackageCache(root)
    folder = cache.ensure(either_database, empty_tenant, package)
    tasks = folder / "workflow/demo/tasks.py"
    assert tasks.read_text() == "import cloaca\n"
    inode = tasks.stat().st_ino

    # a second process, and without the archive
    with either_database.tenant(empty_tenant) as session:
        session.execute(delete(ArchiveChunkRow))
    assert PackageCache(root).ensure(either_database, empty_tenant, package) == folder
    assert tasks.stat().st_ino == inode


def test_what_is_unpacked_cannot_be_written_and_no_other_user_reaches_it(
    either_database: Database, empty_tenant: Tenant, root: Path
) -> None:
    package = uploaded(either_database, empty_tenant)
    folder = PackageCache(root).ensure(either_database, empty_tenant, package)
    for path in (folder, *folder.rglob("*")):
        assert not path.stat().st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH)
    assert stat.S_IMODE(folder.parent.stat().st_mode) == 0o700


def test_the_same_bytes_of_two_tenants_lie_apart(
    database: Database, tenant_name: str, root: Path
) -> None:
    cache = PackageCache(root)
    folders = set()
    for name in (f"{tenant_name}_a", f"{tenant_name}_b"):
        tenant = create_tenant(database, name)
        folders.add(cache.ensure(database, tenant, uploaded(database, tenant)).parent)
    assert len(folders) == 2


def test_several_slots_that_want_one_package_at_once_all_get_it(
    either_database: Database, empty_tenant: Tenant, root: Path
) -> None:
    package = uploaded(either_database, empty_tenant, content="x" * 300_000)
    start = Barrier(4)

    def ensure(_: int) -> Path:
        start.wait(10)
        return PackageCache(root).ensure(either_database, empty_tenant, package)

    with ThreadPoolExecutor(4) as threads:
        (folder,) = set(threads.map(ensure, range(4)))
    assert (folder / "workflow/demo/content").stat().st_size == 300_000
    assert list(folder.parent.iterdir()) == [folder]


def test_the_least_recently_used_go_first(
    either_database: Database, empty_tenant: Tenant, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloacina.packages.cache.MOST_PACKAGES", 3)
    cache = PackageCache(root)
    packages = [
        uploaded(either_database, empty_tenant, name=f"demo-{number}") for number in range(5)
    ]
    folders = []
    for age, package in enumerate(packages[:3]):
        folders.append(cache.ensure(either_database, empty_tenant, package))
        os.utime(folders[-1], (1_000_000 + age,) * 2)
    # used again, the first is the youngest
    cache.ensure(either_database, empty_tenant, packages[0])
    folders += [cache.ensure(either_database, empty_tenant, each) for each in packages[3:]]
    assert [folder.exists() for folder in folders] == [True, False, False, True, True]
    assert cache.ensure(either_database, empty_tenant, packages[1]).exists()


def test_several_slots_clear_up_at_once(
    either_database: Database, empty_tenant: Tenant, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloacina.packages.cache.MOST_PACKAGES", 1)
    packages = [
        uploaded(either_database, empty_tenant, name=f"demo-{number}") for number in range(12)
    ]
    start = Barrier(4)

    def work(first: int) -> None:
        cache = PackageCache(root)
        start.wait(10)
        for package in packages[first::4]:
            cache.ensure(either_database, empty_tenant, package)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(work, range(4)))
    assert len(list(root.glob("*/[!.]*"))) <= 4


def test_an_archive_that_is_not_there_leaves_nothing(
    either_database: Database, empty_tenant: Tenant, root: Path
) -> None:
    package = uploaded(either_database, empty_tenant)
    with either_database.tenant(empty_tenant) as session:
        session.execute(delete(ArchiveChunkRow))
    with pytest.raises(InvalidPackage):
        PackageCache(root).ensure(either_database, empty_tenant, package)
    assert list(root.glob("*/*")) == list(root.glob("*/.*")) == []


def test_vendored_modules_come_before_the_packages_own(tmp_path: Path) -> None:
    (tmp_path / "workflow").mkdir()
    assert import_paths(tmp_path) == (tmp_path / "workflow",)
    (tmp_path / "vendor").mkdir()
    assert import_paths(tmp_path) == (tmp_path / "vendor", tmp_path / "workflow")


def test_the_folder_of_a_tenant_that_is_gone_is_removed_whole(
    either_database: Database, empty_tenant: Tenant, root: Path
) -> None:
    cache = PackageCache(root)
    package = uploaded(either_database, empty_tenant)
    folder = cache.ensure(either_database, empty_tenant, package)
    owner = str(empty_tenant.id)
    assert cache.owners() == {owner}

    # several workers of one machine
    with ThreadPoolExecutor(3) as threads:
        list(threads.map(cache.evict, [owner] * 3))

    assert cache.owners() == set()
    cache.evict(owner)
    assert cache.ensure(either_database, empty_tenant, package) == folder


def test_what_a_worker_has_left_that_was_killed_is_removed_too(
    either_database: Database, empty_tenant: Tenant, root: Path
) -> None:
    cache = PackageCache(root)
    cache.ensure(either_database, empty_tenant, uploaded(either_database, empty_tenant))
    (root / str(empty_tenant.id)).rename(root / ".0123")
    assert cache.owners() == {".0123"}
    cache.evict(".0123")
    assert cache.owners() == set()


@pytest.mark.parametrize("name", ["../../elsewhere", "/tmp/elsewhere", "..", "", "a/b", ".hidden"])
def test_a_hash_that_a_tenant_wrote_itself_leads_nowhere(
    either_database: Database, empty_tenant: Tenant, root: Path, name: str
) -> None:
    package = uploaded(either_database, empty_tenant)
    # the tenant's role may write what it likes into its own rows
    with either_database.tenant(empty_tenant) as session:
        session.execute(update(PackageRow).values(content_hash=name))
    package = get(either_database, empty_tenant, package.id)
    with pytest.raises(InvalidPackage, match="upload the package again"):
        PackageCache(root).ensure(either_database, empty_tenant, package)
    assert list(root.parent.rglob("*")) == [root]
