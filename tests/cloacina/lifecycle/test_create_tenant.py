"""A tenant is made whole or not at all."""

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import event, exc, text

from cloacina.db import Database
from cloacina.errors import DatabaseUnavailable
from cloacina.lifecycle.tenants import create_tenant
from cloacina.tenants import services
from cloacina.tenants.errors import TenantCreationFailed, TenantNotFound
from tests.cloacina.lifecycle.statements import count_statements
from tests.removal import delete_tenant


def test_a_new_tenant_has_all_that_it_needs(
    database: Database, tenant_name: str, traces: Callable[[str], list[str]]
) -> None:
    tenant = create_tenant(database, tenant_name, description="makes anvils")
    assert traces(tenant_name) == ["role", "schema", "row"]
    assert (tenant.name, tenant.schema, tenant.role) == (tenant_name,) * 3
    assert tenant.description == "makes anvils"
    assert tenant.status == "active"
    with database.platform() as session:
        assert services.find(session, tenant_name) == tenant
        assert services.find_by_id(session, tenant.id) == tenant
        assert tenant in services.list_all(session)
        due = session.execute(
            text("SELECT due_at > now() FROM tenant_wakeups WHERE tenant_id = :id"),
            {"id": tenant.id},
        )
        assert due.scalars().all() == [True]


@pytest.fixture(scope="module")
def statements(database: Database) -> int:
    name = f"t_{uuid.uuid4().hex[:12]}"
    return count_statements(database, lambda: create_tenant(database, name))


# of some 60 statements, these lie in each of the steps: names, role, schema, tables, grants, row
@pytest.mark.parametrize("share", [0.0, 0.05, 0.12, 0.2, 0.5, 0.8, 0.9, 0.97, 1.0])
def test_a_session_that_is_killed_at_any_step_leaves_nothing(
    database: Database,
    tenant_name: str,
    statements: int,
    share: float,
    killed_before: Callable[[int], None],
    traces: Callable[[str], list[str]],
) -> None:
    killed_before(round(share * (statements - 1)))
    with pytest.raises(DatabaseUnavailable):
        create_tenant(database, tenant_name)
    assert traces(tenant_name) == []
    assert create_tenant(database, tenant_name).name == tenant_name


EVERYTHING = """
SELECT (SELECT count(*) FROM pg_class), (SELECT count(*) FROM pg_namespace),
    (SELECT count(*) FROM pg_roles), (SELECT count(*) FROM pg_auth_members),
    (SELECT count(*) FROM pg_default_acl), (SELECT count(*) FROM pg_db_role_setting),
    (SELECT count(*) FROM pg_shdepend), (SELECT datacl::text FROM pg_database
        WHERE datname = current_database()),
    (SELECT count(*) FROM tenants), (SELECT count(*) FROM tenant_wakeups),
    (SELECT count(*) FROM audit_log)
"""


def test_an_error_at_any_statement_leaves_nothing(
    database: Database, tenant_name: str, statements: int
) -> None:
    class Injected(Exception):
        pass

    left = [0]

    def fail(*_: object) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise Injected

    def everything() -> tuple[object, ...]:
        with database.platform() as session:
            return tuple(session.execute(text(EVERYTHING)).one())

    before = everything()
    for number in range(statements):
        left[0] = number
        event.listen(database.engine, "before_cursor_execute", fail)
        try:
            with pytest.raises(Injected):
                create_tenant(database, tenant_name)
        finally:
            event.remove(database.engine, "before_cursor_execute", fail)
        assert everything() == before, number
    assert create_tenant(database, tenant_name).status == "active"
    assert everything()[-1] == before[-1] + 1


def test_of_several_that_make_one_tenant_at_once_one_wins(
    database: Database, tenant_name: str
) -> None:
    start = Barrier(4)

    def create(_: int) -> bool:
        start.wait(10)
        try:
            create_tenant(database, tenant_name)
        except TenantCreationFailed:
            return False
        return True

    with ThreadPoolExecutor(4) as threads:
        assert sorted(threads.map(create, range(4))) == [False, False, False, True]
    with database.platform() as session:
        assert services.find(session, tenant_name).name == tenant_name


def test_several_tenants_are_made_and_deleted_at_once(database: Database, tenant_name: str) -> None:
    names = [f"{tenant_name}_{number}" for number in range(6)]
    start = Barrier(len(names))

    def live(name: str) -> None:
        start.wait(10)
        create_tenant(database, name)
        start.wait(30)
        assert delete_tenant(database, name).removed

    with ThreadPoolExecutor(len(names)) as threads:
        list(threads.map(live, names))
    with database.platform() as session:
        assert not set(names) & {tenant.name for tenant in services.list_all(session)}


def test_sqlite_has_one_tenant_and_says_what_more_would_need(tmp_path) -> None:
    database = Database(f"sqlite:///{tmp_path}/one.db")
    with pytest.raises(TenantCreationFailed, match="multi-tenancy needs PostgreSQL"):
        create_tenant(database, "acme")
    database.close()


def test_an_unknown_tenant_is_not_found(database: Database, tenant_name: str) -> None:
    with database.platform() as session:
        with pytest.raises(TenantNotFound, match=f"tenant '{tenant_name}' not found"):
            services.find(session, tenant_name)
        with pytest.raises(TenantNotFound):
            services.find_by_id(session, uuid.uuid4())


def test_a_tenants_transaction_fails_once_the_tenant_is_gone(
    database: Database, tenant_name: str
) -> None:
    tenant = create_tenant(database, tenant_name)
    delete_tenant(database, tenant_name)
    with pytest.raises(exc.DBAPIError, match="does not exist"), database.tenant(tenant):
        pass
