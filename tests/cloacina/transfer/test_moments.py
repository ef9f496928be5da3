"""An export shows one moment; an import is whole or leaves nothing."""

from collections.abc import Callable

import pytest
from sqlalchemy import text

from cloacina.db import Database
from cloacina.dispatch import Dispatcher
from cloacina.errors import DatabaseUnavailable
from cloacina.tenants import roles
from cloacina.tenants.errors import TenantCreationFailed
from cloacina.tenants.models import Tenant
from cloacina.transfer.services import import_tenant
from tests.cloacina.executions.runs import Runs, chain
from tests.cloacina.lifecycle.conftest import killed_before, traces  # noqa: F401  # fixtures
from tests.cloacina.lifecycle.statements import count_statements
from tests.cloacina.transfer.conftest import stream

COUNT = text("SELECT count(*) FROM workflow_executions")


def test_a_snapshot_stays_as_it_was_while_others_write(
    either_database: Database, empty_tenant: Tenant
) -> None:
    runs = Runs(either_database, empty_tenant)
    package = runs.workflow(*chain("a", "b"))
    runs.start(package)
    with either_database.snapshot(empty_tenant) as session:
        assert session.scalar(COUNT) == 1
        runs.start(package)
        assert session.scalar(COUNT) == 1
        if not either_database.is_sqlite:
            assert session.scalar(text("SELECT current_user")) == empty_tenant.role
    with either_database.tenant(empty_tenant) as session:
        assert session.scalar(COUNT) == 2
        if not either_database.is_sqlite:
            # the connection is again as all others are
            assert session.scalar(text("SHOW transaction_isolation")) == "read committed"


@pytest.mark.parametrize("share", [0.1, 0.6, 0.75, 0.9, 1.0])
def test_a_session_that_is_killed_at_any_step_of_an_import_leaves_nothing(
    database: Database,
    dispatcher: Dispatcher,
    exported: bytes,
    tenant_name: str,
    share: float,
    killed_before: Callable[[int], None],  # noqa: F811  # the fixture
    traces: Callable[[str], list[str]],  # noqa: F811
) -> None:
    def bring(name: str) -> None:
        import_tenant(database, dispatcher, stream(exported), name)

    statements = count_statements(database, lambda: bring(f"{tenant_name}_0"))
    killed_before(round(share * (statements - 1)))
    with pytest.raises(DatabaseUnavailable):
        bring(tenant_name)
    assert traces(tenant_name) == []
    bring(tenant_name)


def test_a_name_is_taken_from_the_beginning_of_its_import(
    database: Database, dispatcher: Dispatcher, exported: bytes, tenant_name: str
) -> None:
    with database.platform() as session:
        roles.create_role(session, tenant_name, tenant_name, None)
        # soon, not when the other one is done
        with pytest.raises(TenantCreationFailed, match="just being created"):
            import_tenant(database, dispatcher, stream(exported), tenant_name)
        session.rollback()
    import_tenant(database, dispatcher, stream(exported), tenant_name)
