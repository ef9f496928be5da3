"""Builds: leased, fenced, and the order of uploads decides."""

from concurrent.futures import ThreadPoolExecutor
from itertools import permutations
from threading import Barrier

import pytest
from sqlalchemy import update

from cloacina.db import Database, after
from cloacina.packages import builds, services
from cloacina.packages.builds import BUILD_LEASE_S, Build
from cloacina.packages.errors import InvalidPackage
from cloacina.packages.models import PackageRow
from cloacina.tenants.models import Tenant
from tests.cloacina.packages.uploads import (
    active_versions,
    archive,
    built,
    claim,
    fail,
    get,
    succeed,
    upload,
)

VERSIONS = ("1.0.0", "2.0.0", "3.0.0")


def let_lease_end(database: Database, tenant: Tenant, build: Build) -> None:
    with database.tenant(tenant) as session:
        session.execute(
            update(PackageRow)
            .where(PackageRow.id == build.package.id)
            .values(build_lease_until=after(-0.01))
        )


def nothing_to_build(database: Database, tenant: Tenant) -> bool:
    with database.tenant(tenant) as session:
        return builds.claim_next(session) is None


def test_uploads_are_built_in_their_order_and_each_once(
    either_database: Database, empty_tenant: Tenant
) -> None:
    ids = [upload(either_database, empty_tenant, archive(version=each)) for each in VERSIONS]
    assert [claim(either_database, empty_tenant).package.id for _ in ids] == ids
    assert nothing_to_build(either_database, empty_tenant)


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_last_upload_is_active_whatever_the_order_in_which_builds_end(
    either_database: Database, empty_tenant: Tenant, order: tuple[int, ...]
) -> None:
    for version in VERSIONS:
        upload(either_database, empty_tenant, archive(version=version))
    claimed = [claim(either_database, empty_tenant) for _ in VERSIONS]
    latest = -1
    for number in order:
        succeed(either_database, empty_tenant, claimed[number])
        latest = max(latest, number)
        assert active_versions(either_database, empty_tenant) == {"demo": VERSIONS[latest]}
    states = [get(either_database, empty_tenant, each.package.id) for each in claimed]
    assert [state.build_status for state in states] == ["success"] * 3


def test_builds_of_several_versions_that_end_at_once_leave_the_last_one_active(
    either_database: Database, empty_tenant: Tenant
) -> None:
    for round_number in range(5):
        names = [f"{round_number + 1}.{minor}.0" for minor in range(4)]
        for version in names:
            upload(either_database, empty_tenant, archive(version=version))
        claimed = [claim(either_database, empty_tenant) for _ in names]
        start = Barrier(len(claimed))

        def end(build: Build, start: Barrier = start) -> None:
            start.wait(10)
            succeed(either_database, empty_tenant, build)

        with ThreadPoolExecutor(len(claimed)) as threads:
            list(threads.map(end, claimed))
        states = [get(either_database, empty_tenant, each.package.id) for each in claimed]
        assert [state.build_status for state in states] == ["success"] * len(names)
        assert active_versions(either_database, empty_tenant) == {"demo": names[-1]}


def test_a_failed_build_leaves_the_old_version_active(
    either_database: Database, empty_tenant: Tenant
) -> None:
    built(either_database, empty_tenant, archive())
    upload(either_database, empty_tenant, archive(version="2.0.0"))
    build = claim(either_database, empty_tenant)
    fail(either_database, empty_tenant, build, "cycle: a -> b -> a")
    assert active_versions(either_database, empty_tenant) == {"demo": "1.0.0"}
    failed = get(either_database, empty_tenant, build.package.id)
    assert (failed.build_status, failed.build_error) == ("failed", "cycle: a -> b -> a")
    assert nothing_to_build(either_database, empty_tenant)


def test_a_workflow_name_that_another_package_has_is_refused_by_its_name(
    either_database: Database, empty_tenant: Tenant
) -> None:
    built(either_database, empty_tenant, archive("first", workflow="nightly"))
    upload(either_database, empty_tenant, archive("second", workflow="nightly"))
    build = claim(either_database, empty_tenant)
    with pytest.raises(InvalidPackage, match="'nightly' is taken by the package 'first'"):
        succeed(either_database, empty_tenant, build)
    # the claim is still there, to fail the build with
    fail(either_database, empty_tenant, build, "taken")
    assert get(either_database, empty_tenant, build.package.id).build_status == "failed"
    assert active_versions(either_database, empty_tenant) == {"first": "1.0.0"}


def test_of_two_packages_that_take_one_workflow_name_at_once_one_gets_it(
    either_database: Database, empty_tenant: Tenant
) -> None:
    for number in range(5):
        pair = [f"one-{number}", f"two-{number}"]
        for name in pair:
            upload(either_database, empty_tenant, archive(name, workflow=f"nightly-{number}"))
        claimed = [claim(either_database, empty_tenant) for _ in pair]
        start = Barrier(2)

        def end(build: Build, start: Barrier = start) -> str | None:
            start.wait(10)
            try:
                succeed(either_database, empty_tenant, build)
            except InvalidPackage as error:
                return error.message
            return None

        with ThreadPoolExecutor(2) as threads:
            errors = list(threads.map(end, claimed))
        winner = pair[errors.index(None)]
        (refusal,) = filter(None, errors)
        assert f"'nightly-{number}' is taken by the package '{winner}'" in refusal


def test_a_name_is_free_again_once_its_package_has_another_or_is_deleted(
    either_database: Database, empty_tenant: Tenant
) -> None:
    built(either_database, empty_tenant, archive("first", workflow="nightly"))
    built(either_database, empty_tenant, archive("first", "2.0.0", workflow="daily"))
    assert built(either_database, empty_tenant, archive("second", workflow="nightly")).active
    with either_database.tenant(empty_tenant) as session:
        services.delete_version(session, "second", "1.0.0")
    assert built(either_database, empty_tenant, archive("third", workflow="nightly")).active


def test_a_build_whose_builder_is_gone_is_given_to_another(
    either_database: Database, empty_tenant: Tenant
) -> None:
    upload(either_database, empty_tenant, archive())
    lost = claim(either_database, empty_tenant)
    assert nothing_to_build(either_database, empty_tenant)
    let_lease_end(either_database, empty_tenant, lost)
    again = claim(either_database, empty_tenant)
    assert again.package.id == lost.package.id
    assert again.token != lost.token
    assert nothing_to_build(either_database, empty_tenant)
    assert BUILD_LEASE_S > 60


def test_what_a_late_builder_brings_is_not_stored(
    either_database: Database, empty_tenant: Tenant
) -> None:
    upload(either_database, empty_tenant, archive())
    lost = claim(either_database, empty_tenant)
    let_lease_end(either_database, empty_tenant, lost)
    again = claim(either_database, empty_tenant)
    for late in (succeed, fail):
        late(either_database, empty_tenant, lost)
        assert get(either_database, empty_tenant, lost.package.id).build_status == "building"
    succeed(either_database, empty_tenant, again, description="the second builder's")
    for late in (succeed, fail):
        late(either_database, empty_tenant, lost)
    package = get(either_database, empty_tenant, lost.package.id)
    assert (package.build_status, package.description) == ("success", "the second builder's")


def test_a_build_of_what_was_deleted_meanwhile_is_not_stored(
    either_database: Database, empty_tenant: Tenant
) -> None:
    built(either_database, empty_tenant, archive())
    upload(either_database, empty_tenant, archive(version="2.0.0"))
    build = claim(either_database, empty_tenant)
    with either_database.tenant(empty_tenant) as session:
        services.delete_version(session, "demo", "2.0.0")
    succeed(either_database, empty_tenant, build)
    assert active_versions(either_database, empty_tenant) == {"demo": "1.0.0"}
    assert nothing_to_build(either_database, empty_tenant)


def test_of_several_builders_each_gets_another_upload(
    either_database: Database, empty_tenant: Tenant
) -> None:
    for number in range(12):
        upload(either_database, empty_tenant, archive(f"demo-{number}"))
    start = Barrier(4)

    def work(_: int) -> list[str]:
        start.wait(10)
        names = []
        while not nothing_is_left():
            with either_database.tenant(empty_tenant) as session:
                build = builds.claim_next(session)
            if build is not None:
                names.append(build.package.package_name)
                succeed(either_database, empty_tenant, build)
        return names

    def nothing_is_left() -> bool:
        return len(active_versions(either_database, empty_tenant)) == 12

    with ThreadPoolExecutor(4) as threads:
        given = [name for names in threads.map(work, range(4)) for name in names]
    assert sorted(given) == sorted(f"demo-{number}" for number in range(12))
