"""Whatever forgets to act as a tenant's role, or to act as the service again, is refused."""

from collections.abc import Callable
from functools import partial
from uuid import uuid4

import pytest
from sqlalchemy import text

from cloacina.db import AS_PLATFORM, Call, Database, Statement, as_tenant
from cloacina.db.database import DATABASE_ERRORS, search_path, sqlstate
from cloacina.db.sql_file import make_statement
from cloacina.lifecycle.tenants import create_tenant
from tests.cloacina.db.test_sql_file import OF_THE_PLATFORM, STATEMENTS, sample
from tests.cloacina.executions.runs import Runs
from tests.cloacina.tenants.finding import features_with_tables, found, takes_unit
from tests.cloacina.tenants.services import (
    PLATFORMS,
    PLATFORMS_FEATURES,
    TENANTS,
    TENANTS_FEATURES,
    Ask,
    World,
)

# insufficient privilege; undefined table, as which the tables of a schema appear that is closed
REFUSED = ("42501", "42P01")
PLATFORMS_STATEMENTS = [each for feature, each in STATEMENTS if feature in OF_THE_PLATFORM]
TENANTS_STATEMENTS = [each for feature, each in STATEMENTS if feature not in OF_THE_PLATFORM]


@pytest.fixture(scope="module")
def world(database: Database) -> World:
    """A tenant with something of everything."""
    return World(Runs(database, create_tenant(database, f"t_{uuid4().hex[:12]}")))


def call(world: World, name: str, ask: Ask, *, as_the_tenant: bool, path: str = "") -> object:
    """Ask in a transaction that is the tenant's or the platform's, and roll it back."""
    database, tenant = world.runs.database, world.runs.tenant
    if takes_unit(name):
        with database.unit(as_tenant(tenant) if as_the_tenant else AS_PLATFORM) as unit:
            if path:
                unit.ask(set_path(path))
            return ask(world, unit)
    opened = database.tenant(tenant) if as_the_tenant else database.platform()
    with opened as session:
        if path:
            session.execute(text("SELECT set_config('search_path', :path, true)"), {"path": path})
        result = ask(world, session)
        session.rollback()
        return result


def set_path(path: str) -> Call:
    statement = "SELECT set_config('search_path', :path, true) AS path"
    return Call(make_statement("test", statement, ""), {"path": path})


def refusal(work: Callable[[], object]) -> str:
    """Give the state that the database refuses with; whoever is answered fails."""
    with pytest.raises(DATABASE_ERRORS) as caught:
        work()
    return sqlstate(caught.value)


def test_each_function_that_takes_a_transaction_is_in_the_table() -> None:
    assert found(TENANTS_FEATURES) == set(TENANTS)
    assert found(PLATFORMS_FEATURES) == set(PLATFORMS)


def test_each_feature_with_tables_is_looked_through() -> None:
    named = {name.partition(".")[0] for name in (*TENANTS_FEATURES, *PLATFORMS_FEATURES)}
    assert features_with_tables() <= named


@pytest.mark.parametrize("name", TENANTS)
def test_a_function_works_as_the_tenant_and_is_refused_without_its_role(
    world: World, name: str
) -> None:
    call(world, name, TENANTS[name], as_the_tenant=True)
    for path in ("", search_path(world.runs.tenant.schema)):
        state = refusal(
            lambda path=path: call(world, name, TENANTS[name], as_the_tenant=False, path=path)
        )
        assert state in REFUSED


@pytest.mark.parametrize("name", PLATFORMS)
def test_a_function_of_the_platform_works_as_the_service_and_is_refused_as_a_tenant(
    world: World, name: str
) -> None:
    call(world, name, PLATFORMS[name], as_the_tenant=False)
    for path in ("", "public"):
        state = refusal(
            lambda path=path: call(world, name, PLATFORMS[name], as_the_tenant=True, path=path)
        )
        assert state in REFUSED


@pytest.mark.parametrize("statement", TENANTS_STATEMENTS, ids=lambda each: each.name)
def test_a_statement_on_tenants_tables_is_refused_to_the_service(
    world: World, statement: Statement
) -> None:
    ask = Call(statement, {name: sample(name) for name in statement.parameters})
    for path in ("public", search_path(world.runs.tenant.schema)):
        with world.runs.database.unit(AS_PLATFORM) as unit:
            unit.ask(set_path(path))
            assert refusal(partial(unit.ask, ask)) in REFUSED


@pytest.mark.parametrize("statement", PLATFORMS_STATEMENTS, ids=lambda each: each.name)
def test_a_statement_on_the_platforms_tables_is_refused_to_a_tenant(
    world: World, statement: Statement
) -> None:
    ask = Call(statement, {name: sample(name) for name in statement.parameters})
    for path in (world.runs.tenant.schema, "public"):
        with world.runs.database.unit(as_tenant(world.runs.tenant)) as unit:
            unit.ask(set_path(path))
            assert refusal(partial(unit.ask, ask)) in REFUSED
