"""Uploads: stored once, in pieces, found by name and by id."""

import os
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from uuid import uuid4

import pytest
from sqlalchemy import func, select

from cloacina.db import Database, Row, as_tenant
from cloacina.lifecycle.tenants import create_tenant
from cloacina.packages import services
from cloacina.packages.archive import inspect_archive
from cloacina.packages.errors import InvalidPackage, WorkflowNotFound
from cloacina.packages.models import ArchiveChunkRow, PackageRow
from cloacina.tenants.models import Tenant
from tests.cloacina.packages.uploads import (
    active_versions,
    archive,
    build_next,
    built,
    claim,
    fail,
    get,
    upload,
)


def count_packages(database: Database, tenant: Tenant) -> int:
    with database.tenant(tenant) as session:
        return session.scalars(select(func.count()).select_from(PackageRow)).one()


def test_an_upload_waits_for_its_build(either_database: Database, empty_tenant: Tenant) -> None:
    package_id = upload(either_database, empty_tenant, archive(description="moves rows"))
    package = get(either_database, empty_tenant, package_id)
    assert (package.package_name, package.version) == ("demo", "1.0.0")
    assert (package.workflow_name, package.entry_module) == ("demo-flow", "demo.tasks")
    assert (package.build_status, package.active, package.definition) == ("pending", False, None)
    assert package.description == "moves rows"
    with either_database.tenant(empty_tenant) as session:
        assert services.find(session, str(package_id)) == package
        for name in ("demo", "demo-flow"):
            with pytest.raises(WorkflowNotFound, match=f"workflow '{name}' not found in registry"):
                services.find(session, name)


def test_the_same_bytes_are_the_same_package(
    either_database: Database, empty_tenant: Tenant
) -> None:
    first = upload(either_database, empty_tenant, archive())
    assert upload(either_database, empty_tenant, archive()) == first
    build_next(either_database, empty_tenant)
    assert upload(either_database, empty_tenant, archive()) == first
    assert count_packages(either_database, empty_tenant) == 1


def test_other_bytes_of_a_version_are_refused(
    either_database: Database, empty_tenant: Tenant
) -> None:
    upload(either_database, empty_tenant, archive())
    with pytest.raises(InvalidPackage, match=r"demo 1\.0\.0 is uploaded already"):
        upload(either_database, empty_tenant, archive(content="changed"))
    build_next(either_database, empty_tenant)
    with pytest.raises(InvalidPackage, match="raise the version"):
        upload(either_database, empty_tenant, archive(content="changed"))
    assert count_packages(either_database, empty_tenant) == 1


@pytest.mark.parametrize("content", ["", "mended"])
def test_a_version_that_failed_may_come_again(
    either_database: Database, empty_tenant: Tenant, content: str
) -> None:
    failed = upload(either_database, empty_tenant, archive())
    fail(either_database, empty_tenant, claim(either_database, empty_tenant), "ImportError: no")
    again = upload(either_database, empty_tenant, archive(content=content))
    assert again != failed
    assert build_next(either_database, empty_tenant).id == again
    assert get(either_database, empty_tenant, failed).build_error == "ImportError: no"


@pytest.mark.parametrize("content", ["", "changed"])
def test_a_version_that_was_deleted_may_come_again(
    either_database: Database, empty_tenant: Tenant, content: str
) -> None:
    deleted = built(either_database, empty_tenant, archive())
    with either_database.tenant(empty_tenant) as session:
        services.delete_version(session, "demo", "1.0.0")
    assert active_versions(either_database, empty_tenant) == {}
    again = upload(either_database, empty_tenant, archive(content=content))
    assert again != deleted.id
    assert build_next(either_database, empty_tenant).active


def test_several_uploads_of_the_same_bytes_at_once_are_one_package(
    either_database: Database, empty_tenant: Tenant
) -> None:
    start = Barrier(4)

    def send(_: int) -> object:
        start.wait(10)
        return upload(either_database, empty_tenant, archive())

    with ThreadPoolExecutor(4) as threads:
        assert len(set(threads.map(send, range(4)))) == 1
    assert count_packages(either_database, empty_tenant) == 1


def test_of_several_uploads_of_one_version_with_other_bytes_one_wins(
    either_database: Database, empty_tenant: Tenant
) -> None:
    start = Barrier(4)

    def send(number: int) -> bool:
        packed = archive(content=str(number))
        start.wait(10)
        try:
            upload(either_database, empty_tenant, packed)
        except InvalidPackage:
            return False
        return True

    with ThreadPoolExecutor(4) as threads:
        assert sorted(threads.map(send, range(4))) == [False, False, False, True]


def test_an_archive_comes_back_as_it_was_in_pieces_of_a_mebibyte(
    either_database: Database, empty_tenant: Tenant
) -> None:
    packed = archive(content=os.urandom(3_500_000))
    info = inspect_archive(packed)
    package_id = upload(either_database, empty_tenant, packed)
    sizes = (
        select(func.length(ArchiveChunkRow.data))
        .where(ArchiveChunkRow.package_id == package_id)
        .order_by(ArchiveChunkRow.position)
    )
    with either_database.tenant(empty_tenant) as session:
        *whole, last = session.scalars(sizes).all()
        assert set(whole) == {1024 * 1024}
        assert len(whole) == 3
        assert sum(whole) + last == info.packed_bytes
        with services.open_archive(session, package_id) as stored:
            assert stored.read() == packed.getvalue()
        with services.open_archive(session, package_id) as stored:
            assert inspect_archive(stored) == info


def test_the_source_of_a_package_is_its_texts_by_path(
    either_database: Database, empty_tenant: Tenant
) -> None:
    package = built(either_database, empty_tenant, archive(content=b"\xff\xfe not a text"))
    with either_database.tenant(empty_tenant) as session:
        files = list(services.read_source(session, package))
    assert [file.path for file in files] == [
        "package.toml",
        "workflow/demo/__init__.py",
        "workflow/demo/tasks.py",
    ]
    assert files[-1].text == "import cloaca\n"


def test_a_package_is_found_by_its_own_name_before_anothers_workflow_of_that_name(
    either_database: Database, empty_tenant: Tenant
) -> None:
    built(either_database, empty_tenant, archive("first", workflow="second"))
    second = built(either_database, empty_tenant, archive("second", workflow="third"))
    with either_database.tenant(empty_tenant) as session:
        assert services.find(session, "second").id == second.id
        assert services.find(session, "third").id == second.id
        assert services.find(session, "first").workflow_name == "second"


def test_a_workflow_is_executed_by_its_own_name_before_a_package_of_that_name(
    either_database: Database, empty_tenant: Tenant
) -> None:
    first = built(either_database, empty_tenant, archive("first", workflow="second"))
    built(either_database, empty_tenant, archive("second", workflow="third"))
    (found,) = active(either_database, empty_tenant, "second")
    assert found.id == first.id


def active(database: Database, tenant: Tenant, name: str) -> list[Row]:
    with database.unit(as_tenant(tenant)) as unit:
        return unit.ask(services.find_active_call(name))[0]


def test_what_is_not_there_is_not_found(either_database: Database, empty_tenant: Tenant) -> None:
    with either_database.tenant(empty_tenant) as session:
        for name in ("nothing", str(uuid4())):
            with pytest.raises(WorkflowNotFound):
                services.find(session, name)
        with pytest.raises(WorkflowNotFound):
            services.get(session, uuid4())
        services.delete_version(session, "nothing", "1.0.0")
    assert active(either_database, empty_tenant, "nothing") == []


def test_a_deleted_version_is_not_found_and_yet_serves_its_executions(
    either_database: Database, empty_tenant: Tenant
) -> None:
    package = built(either_database, empty_tenant, archive())
    with either_database.tenant(empty_tenant) as session:
        services.delete_version(session, "demo", "1.0.0")
        for name in ("demo", "demo-flow", str(package.id)):
            with pytest.raises(WorkflowNotFound):
                services.find(session, name)
        assert services.get(session, package.id).definition == package.definition
        with services.open_archive(session, package.id) as stored:
            assert inspect_archive(stored).sha256 == package.content_hash


def test_a_pause_is_the_workflows_and_survives_a_new_version(
    either_database: Database, empty_tenant: Tenant
) -> None:
    built(either_database, empty_tenant, archive())
    with either_database.tenant(empty_tenant) as session:
        assert services.set_paused(session, "demo-flow", paused=True).paused
    assert built(either_database, empty_tenant, archive(version="1.1.0")).paused
    with either_database.tenant(empty_tenant) as session:
        assert not services.set_paused(session, "demo", paused=False).paused
    assert not built(either_database, empty_tenant, archive(version="1.2.0")).paused


def test_active_packages_are_listed_by_name(
    either_database: Database, empty_tenant: Tenant
) -> None:
    for name in ("zeta", "alpha"):
        built(either_database, empty_tenant, archive(name))
    upload(either_database, empty_tenant, archive("pending"))
    assert list(active_versions(either_database, empty_tenant)) == ["alpha", "zeta"]


def test_what_the_manifest_does_not_say_the_code_does(
    either_database: Database, empty_tenant: Tenant
) -> None:
    assert built(either_database, empty_tenant, archive()).description == "from the code"
    named = archive(version="2.0.0", description="from the manifest")
    assert built(either_database, empty_tenant, named).description == "from the manifest"


def test_nothing_is_seen_of_another_tenants_package(database: Database, tenant_name: str) -> None:
    acme, globex = (create_tenant(database, f"{tenant_name}_{which}") for which in "ag")
    package = built(database, acme, archive())
    assert active_versions(database, globex) == {}
    with database.tenant(globex) as session, pytest.raises(WorkflowNotFound):
        services.find(session, str(package.id))
    # and the same name is free there
    assert built(database, globex, archive(content="other")).active
