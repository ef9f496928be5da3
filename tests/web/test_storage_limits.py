"""How much a tenant may store, tried over HTTP, by many at once."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cloacina.db import Database
from cloacina.lifecycle.tenants import create_tenant
from cloacina.tenants.models import Tenant
from tests.web.conftest import Caller, make_key, refusal
from tests.web.packages import archive, build, definition, upload

AT_ONCE = 6


@pytest.fixture(scope="module")
def contents(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """Different packages."""
    folder = tmp_path_factory.mktemp("packages")
    return [archive(folder, f"p{number}") for number in range(AT_ONCE)]


@pytest.fixture
def tenant(database: Database, tenant_name: str) -> Tenant:
    """A tenant that stores nothing."""
    return create_tenant(database, tenant_name)


@pytest.fixture
def engineer(admin: Caller, database: Database, tenant: Tenant) -> Caller:
    """A caller with its write key."""
    return Caller(admin.app, make_key(database, tenant, "write"))


def limit(admin: Caller, tenant: Tenant, **limits: int) -> None:
    """Set the tenant's limits."""
    answer = admin.post(f"/v1/tenants/{tenant.name}/limits", json=limits)
    assert answer.status_code == 200


def used(caller: Caller, tenant: Tenant) -> tuple[int, int]:
    """Give the versions and the bytes that are stored."""
    answer = caller.get(f"/v1/tenants/{tenant.name}/limits").json
    return answer["max_packages"]["used"], answer["max_storage_bytes"]["used"]


def upload_all(engineer: Caller, tenant: Tenant, contents: list[bytes]) -> list[int]:
    """Upload all of them at once, and give the statuses."""
    with ThreadPoolExecutor(len(contents)) as threads:
        answers = list(threads.map(lambda each: upload(engineer, tenant, each), contents))
    for answer in answers:
        if answer.status_code != 201:
            assert refusal(answer) == (400, "upload_failed")
            assert "this tenant has no room for p" in answer.json["error"]
    return [answer.status_code for answer in answers]


def test_of_many_uploads_at_once_exactly_as_many_are_stored_as_may_be(
    engineer: Caller, admin: Caller, tenant: Tenant, contents: list[bytes]
) -> None:
    limit(admin, tenant, max_packages=3)
    statuses = upload_all(engineer, tenant, contents)
    assert sorted(statuses) == [201] * 3 + [400] * 3
    assert used(engineer, tenant)[0] == 3


def test_of_many_uploads_at_once_exactly_as_many_bytes_are_stored_as_may_be(
    engineer: Caller, admin: Caller, tenant: Tenant, contents: list[bytes]
) -> None:
    size = max(map(len, contents))
    limit(admin, tenant, max_storage_bytes=size * 3 - size // 2)
    statuses = upload_all(engineer, tenant, contents)
    assert sorted(statuses) == [201] * 2 + [400] * 4
    stored = sum(
        len(each) for each, status in zip(contents, statuses, strict=True) if status == 201
    )
    assert used(engineer, tenant) == (2, stored)


def test_a_refusal_says_what_the_limit_is_and_what_may_go(
    engineer: Caller, admin: Caller, database: Database, tenant: Tenant, tmp_path: Path
) -> None:
    limit(admin, tenant, max_packages=2)
    for version in ("1.0.0", "1.1.0"):
        assert upload(engineer, tenant, archive(tmp_path, "etl", version)).status_code == 201
        build(database, tenant, definition())
    third = archive(tmp_path, "etl", "1.2.0")
    answer = upload(engineer, tenant, third)
    assert refusal(answer) == (400, "upload_failed")
    assert "2 versions of packages are stored, of 2 at most" in answer.json["error"]
    assert "such as etl 1.0.0" in answer.json["error"]
    # bytes are told as well
    limit(admin, tenant, max_packages=9, max_storage_bytes=1)
    error = upload(engineer, tenant, third).json["error"]
    assert f"it has {len(third):,} bytes, and " in error
    assert "of 1 at most (max_storage_bytes)" in error


def test_the_same_bytes_again_need_no_room(
    engineer: Caller, admin: Caller, tenant: Tenant, contents: list[bytes]
) -> None:
    first = upload(engineer, tenant, contents[0])
    # lowered below what is stored, which stays
    upload(engineer, tenant, contents[1])
    limit(admin, tenant, max_packages=1, max_storage_bytes=1)
    again = upload(engineer, tenant, contents[0])
    assert (again.status_code, again.json) == (201, first.json)
    assert used(engineer, tenant)[0] == 2
    assert refusal(upload(engineer, tenant, contents[2])) == (400, "upload_failed")


def test_another_tenant_goes_on(
    engineer: Caller,
    admin: Caller,
    database: Database,
    tenant: Tenant,
    globex: Tenant,
    contents: list[bytes],
) -> None:
    limit(admin, tenant, max_packages=1)
    upload(engineer, tenant, contents[0])
    assert refusal(upload(engineer, tenant, contents[1])) == (400, "upload_failed")
    other = Caller(admin.app, make_key(database, globex, "write"))
    assert upload(other, globex, contents[1]).status_code == 201


def test_a_version_that_is_deleted_makes_room_at_once_unless_an_execution_runs_it(
    engineer: Caller, admin: Caller, database: Database, tenant: Tenant, contents: list[bytes]
) -> None:
    path = f"/v1/tenants/{tenant.name}"
    limit(admin, tenant, max_packages=1)
    upload(engineer, tenant, contents[0])
    assert engineer.delete(f"{path}/workflows/p0/1.0.0").status_code == 200
    assert used(engineer, tenant) == (0, 0)

    upload(engineer, tenant, contents[1])
    build(database, tenant, definition())
    run = engineer.post(f"{path}/workflows/p1/execute", json={}).json["execution_id"]
    assert engineer.delete(f"{path}/workflows/p1/1.0.0").status_code == 200
    assert used(engineer, tenant) == (1, len(contents[1]))
    assert refusal(upload(engineer, tenant, contents[2])) == (400, "upload_failed")
    # no look after the packages has come meanwhile
    assert engineer.post(f"{path}/executions/{run}/cancel").status_code == 200
    assert upload(engineer, tenant, contents[2]).status_code == 201
    assert used(engineer, tenant) == (1, len(contents[2]))


def test_a_version_that_failed_to_build_counts(
    engineer: Caller, admin: Caller, database: Database, tenant: Tenant, contents: list[bytes]
) -> None:
    limit(admin, tenant, max_packages=1)
    upload(engineer, tenant, contents[0])
    build(database, tenant, None)
    answer = upload(engineer, tenant, contents[0])
    assert refusal(answer) == (400, "upload_failed")
    assert "such as p0 1.0.0" in answer.json["error"]


def test_what_is_accepted_while_its_version_is_deleted_keeps_the_archive(
    engineer: Caller, database: Database, tenant: Tenant, tmp_path: Path
) -> None:
    path = f"/v1/tenants/{tenant.name}"

    def start(_: int) -> str | None:
        answer = engineer.post(f"{path}/workflows/etl/execute", json={})
        assert answer.status_code in {202, 404}, answer.json
        return None if answer.status_code == 404 else answer.json["execution_id"]

    for number in range(6):
        version = f"1.{number}.0"
        upload(engineer, tenant, archive(tmp_path, "etl", version))
        build(database, tenant, definition())
        with ThreadPoolExecutor(4) as threads:
            starts = threads.map(start, range(6))
            assert engineer.delete(f"{path}/workflows/etl/{version}").status_code == 200
            accepted = [found for found in starts if found]
        assert used(engineer, tenant)[0] == (1 if accepted else 0)
        for execution in accepted:
            assert engineer.post(f"{path}/executions/{execution}/cancel").status_code == 200
        # what is deleted next takes with it what nobody needs any more
        engineer.delete(f"{path}/workflows/etl/{version}")
        assert used(engineer, tenant)[0] == 0
