"""A tenant's unit sees its own tables alone, and there is none for a tenant that is gone."""

from uuid import uuid4

import psycopg
import pytest

from cloacina.db import AS_PLATFORM, Call, Database, as_tenant
from cloacina.db.database import DATABASE_ERRORS
from cloacina.db.sql_file import make_statement
from cloacina.lifecycle.tenants import create_tenant
from cloacina.tenants import services as tenants
from cloacina.tenants.errors import TenantNotFound
from cloacina.tenants.models import STATUSES, Tenant
from tests.cloacina.executions.runs import Runs, chain
from tests.removal import delete_tenant

EXECUTIONS = "SELECT id FROM workflow_executions"


def ask(text: str) -> Call:
    return Call(make_statement("test", text, text))


def of(tenant: Tenant) -> str:
    """Name a tenant's table in full."""
    return EXECUTIONS.replace("workflow", f'"{tenant.schema}".workflow')


@pytest.fixture(scope="module")
def pair(database: Database) -> tuple[Tenant, Tenant]:
    """Two tenants, each with an execution."""
    names = [f"t_{uuid4().hex[:12]}" for _ in range(2)]
    acme, globex = (create_tenant(database, name) for name in names)
    for tenant in (acme, globex):
        runs = Runs(database, tenant)
        runs.start(runs.workflow(*chain("a")))
    return acme, globex


@pytest.mark.parametrize("by_id", [False, True])
def test_a_unit_reads_its_own_tenants_tables_alone(
    database: Database, pair: tuple[Tenant, Tenant], by_id: bool
) -> None:
    found = []
    for tenant in pair:
        opening = tenants.enter(tenant.id) if by_id else as_tenant(tenant)
        with database.unit(opening) as unit:
            ((row,),) = unit.ask(ask(EXECUTIONS))
            found.append(row.id)
    assert len(set(found)) == 2


@pytest.mark.parametrize("by_id", [False, True])
def test_it_is_refused_what_is_anothers_or_the_platforms(
    database: Database, pair: tuple[Tenant, Tenant], by_id: bool
) -> None:
    acme, globex = pair
    forbidden = (
        of(globex),
        of(globex).replace("SELECT id", "DELETE"),
        "SELECT name FROM public.tenants",
        "SELECT 1 AS n FROM public.api_keys",
        "CREATE TABLE mine (n int)",
    )
    for text in forbidden:
        opening = tenants.enter(acme.id) if by_id else as_tenant(acme)
        with pytest.raises(psycopg.errors.InsufficientPrivilege), database.unit(opening) as unit:
            unit.ask(ask(text))


def test_the_platforms_unit_is_refused_a_tenants_tables(
    database: Database, pair: tuple[Tenant, Tenant]
) -> None:
    with (
        pytest.raises(psycopg.errors.InsufficientPrivilege),
        database.unit(AS_PLATFORM) as unit,
    ):
        unit.ask(ask(of(pair[0])))


def test_what_the_opening_found_is_told(database: Database, pair: tuple[Tenant, Tenant]) -> None:
    with database.unit(tenants.enter(pair[0].id)) as unit:
        tenant = tenants.entered(unit, pair[0].id)
        ((row,),) = unit.ask(ask("SELECT current_user AS who, current_schema() AS path"))
    assert tenant == pair[0]
    assert (row.who, row.path) == (tenant.role, tenant.schema)


def test_a_unit_for_a_tenant_that_is_gone_is_refused(database: Database) -> None:
    tenant = create_tenant(database, f"t_{uuid4().hex[:12]}")
    delete_tenant(database, tenant.name)
    with pytest.raises(TenantNotFound), database.unit(tenants.enter(tenant.id)) as unit:
        tenants.entered(unit, tenant.id)
    # and so is whatever was sent along without waiting for the answer
    for text in (EXECUTIONS, of(tenant)):
        with pytest.raises(DATABASE_ERRORS), database.unit(tenants.enter(tenant.id)) as unit:
            unit.ask(ask(text))


@pytest.mark.parametrize("status", STATUSES)
def test_a_unit_enters_a_tenant_in_any_state_and_learns_it(database: Database, status: str) -> None:
    tenant = create_tenant(database, f"t_{uuid4().hex[:12]}")
    with database.unit(AS_PLATFORM) as unit:
        text = "UPDATE tenants SET status = :status WHERE id = :id"
        unit.commit(Call(make_statement("test", text, ""), {"id": tenant.id, "status": status}))
    with database.unit(tenants.enter(tenant.id)) as unit:
        assert tenants.entered(unit, tenant.id).status == status
    with database.unit(tenants.re_enter(tenant)) as unit:
        unit.ask(ask(EXECUTIONS))
        assert tenants.is_active(unit) is (status == "active")


def test_a_unit_for_a_tenant_that_never_was_is_refused(either_database: Database) -> None:
    unknown = uuid4()
    with pytest.raises(TenantNotFound), either_database.unit(tenants.enter(unknown)) as unit:
        tenants.entered(unit, unknown)


def test_the_one_tenant_of_sqlite_is_entered(either_database: Database) -> None:
    with either_database.platform() as session:
        public = tenants.find(session, "public")
    with either_database.unit(tenants.enter(public.id)) as unit:
        assert tenants.entered(unit, public.id) == public
