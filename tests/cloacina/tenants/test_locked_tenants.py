"""Whoever logs in as a tenant may lock what is the tenant's, and holds up nobody else with it."""

import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import errors
from sqlalchemy import text

from cloacina.db import AS_PLATFORM, Database, TenantLocked, as_tenant
from cloacina.db import database as units
from cloacina.db.locked import FIRST_S, MOST_S, Locked
from cloacina.embedded import EmbeddedPostgres
from cloacina.executions import claiming
from cloacina.lifecycle import installation
from cloacina.lifecycle.tenants import create_tenant
from cloacina.tenants import services as tenants
from cloacina.tenants.models import Tenant
from tests.cloacina.db.test_tenants_units import ask
from tests.cloacina.executions.runs import Runs, chain
from tests.cloacina.tenants.logins import admin, login
from tests.removal import delete_tenant

PASSWORD = "open sesame"


def a_name() -> str:
    return f"t_{uuid4().hex[:12]}"


@pytest.fixture
def own(database: Database) -> Iterator[Database]:
    """The database, with nothing known of anybody's locks."""
    found = Database(database.engine.url.render_as_string(hide_password=False))
    yield found
    found.close()


@pytest.fixture(scope="module")
def acme(database: Database) -> Tenant:
    return create_tenant(database, a_name(), password=PASSWORD)


@pytest.fixture(scope="module")
def globex(database: Database) -> Tenant:
    return create_tenant(database, a_name())


@pytest.fixture
def locker(database: Database, acme: Tenant) -> Iterator[psycopg.Connection[Any]]:
    """A login that has locked all that is acme's."""
    with login(database, acme.role, PASSWORD) as connection:
        connection.execute("BEGIN")
        # until 16 no lock that shuts out readers can be had without the right to delete
        for table in ("packages", "workflow_executions", "task_executions", "schedules"):
            connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        yield connection
        if not connection.broken:
            connection.execute("ROLLBACK")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(units.TIMEOUTS, "lock_timeout", "50")


@pytest.mark.usefixtures("impatient", "locker")
def test_a_tenant_whose_tables_are_locked_is_waited_for_once_and_then_put_off(
    own: Database, acme: Tenant
) -> None:
    with pytest.raises(TenantLocked) as caught, own.tenant(acme) as session:
        session.execute(text("SELECT 1 FROM packages"))
    assert caught.value.__cause__ is not None
    # not even asked: what cannot be had is nothing to wait for
    with pytest.raises(TenantLocked) as caught, own.tenant(acme):
        pytest.fail("it was let in")
    assert caught.value.__cause__ is None
    with pytest.raises(TenantLocked), own.unit(as_tenant(acme)):
        pytest.fail("it was let in")


@pytest.mark.usefixtures("impatient", "locker")
def test_so_it_is_in_a_unit_by_whatever_opening(own: Database, acme: Tenant) -> None:
    runs = Runs(own, acme)
    for opening in (as_tenant(acme), tenants.enter(acme.id)):
        with pytest.raises(TenantLocked) as caught, own.unit(opening) as unit:
            claiming.claim_next(unit, runs.graphs, runs.terms(), None, lambda: 3)
        assert isinstance(caught.value.__cause__, errors.LockNotAvailable)
        with pytest.raises(TenantLocked), own.unit(opening):
            pytest.fail("it was let in")
    assert not own.was_away_within(60)


@pytest.mark.usefixtures("impatient", "locker")
def test_others_work_meanwhile(own: Database, acme: Tenant, globex: Tenant) -> None:
    runs = Runs(own, globex)
    with pytest.raises(TenantLocked), own.tenant(acme) as session:
        session.execute(text("SELECT 1 FROM packages"))
    execution_id = runs.start(runs.workflow(*chain("a", "b")))
    assert len(runs.run(execution_id)) == 2
    assert delete_tenant(own, create_tenant(own, a_name()).name).removed
    installation.migrate(own)


def test_the_wait_for_a_lock_has_an_end_in_all_that_is_a_tenants(
    database: Database, acme: Tenant
) -> None:
    limits = (
        "SELECT current_setting('lock_timeout') AS waits,"
        " current_setting('statement_timeout') AS runs"
    )
    for opening in (as_tenant(acme), tenants.enter(acme.id)):
        with database.unit(opening) as unit:
            ((row,),) = unit.ask(ask(limits))
            assert tuple(row) == ("2s", "30s")
            # the platform's rows come last; nobody can lock those, and a migration takes its time
            _, (row,) = unit.ask(AS_PLATFORM, ask(limits))
            assert tuple(row) == ("0", "30s")
    with database.tenant(acme) as session:
        assert tuple(session.execute(text(limits)).one()) == ("2s", "30s")
        database.act_as_owner(session, acme.schema)
        assert tuple(session.execute(text(limits)).one()) == ("0", "30s")


def test_a_statement_is_cancelled_that_runs_too_long(
    database: Database, acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(units.TIMEOUTS, "timeout", "50")
    for opening in (as_tenant(acme), tenants.enter(acme.id)):
        with pytest.raises(errors.QueryCanceled), database.unit(opening) as unit:
            unit.ask(ask("SELECT pg_sleep(20)::text AS slept"))
    with pytest.raises(units.DATABASE_ERRORS) as caught, database.tenant(acme) as session:
        session.execute(text("SELECT pg_sleep(20)"))
    assert units.sqlstate(caught.value) == "57014"


def test_a_direct_login_is_cancelled_after_two_seconds_and_may_change_that(
    database: Database, acme: Tenant
) -> None:
    with login(database, acme.role, PASSWORD) as connection:
        begun = time.monotonic()
        with pytest.raises(errors.QueryCanceled):
            connection.execute("SELECT pg_sleep(20)")
        assert time.monotonic() - begun < 20
        # what then bounds it is the number of its logins, and that it cannot change
        connection.execute("SET statement_timeout = 0")
        with pytest.raises(errors.InsufficientPrivilege):
            connection.execute("ALTER ROLE CURRENT_USER CONNECTION LIMIT -1")


def test_no_lock_is_taken_that_a_login_could_take_too(
    postgres: EmbeddedPostgres, own: Database
) -> None:
    functions = (
        "SELECT oid::regprocedure::text FROM pg_proc"
        " WHERE pronamespace = 'pg_catalog'::regnamespace AND proname ~ 'advisory'"
    )
    with admin(postgres, own) as superuser:
        for (name,) in superuser.execute(functions).fetchall():
            superuser.execute(f'REVOKE ALL ON FUNCTION {name} FROM PUBLIC, "{own.service_role}"')
    # all that ever locked something together
    installation.migrate(own)
    tenant = create_tenant(own, a_name())
    runs = Runs(own, tenant)
    runs.start(runs.workflow(*chain("a")))
    with runs.unit() as unit:
        claim, _ = claiming.claim_next(unit, runs.graphs, runs.terms(), None, lambda: 3)
    assert claim is not None
    runs.complete(claim)
    assert delete_tenant(own, tenant.name).removed


def test_each_wait_in_vain_puts_a_tenant_off_for_longer() -> None:
    moments = [0.0]
    locked = Locked(clock=lambda: moments[0])
    wait_s = FIRST_S
    for _ in range(8):
        locked.note("acme")
        with pytest.raises(TenantLocked):
            locked.check("acme")
        locked.check("globex")
        moments[0] += min(wait_s, MOST_S)
        locked.check("acme")
        wait_s *= 2
    locked.forget("acme")
    locked.note("acme")
    moments[0] += FIRST_S
    locked.check("acme")
