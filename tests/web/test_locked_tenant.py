"""What the API answers while somebody holds a tenant's tables locked."""

import uuid
from collections.abc import Iterator

import pytest
from flask import Flask

from cloacina.db import Database
from cloacina.db import database as units
from cloacina.lifecycle.tenants import create_tenant
from cloacina.tenants.models import Tenant
from tests.cloacina.tenants.logins import login
from tests.web.conftest import Caller, make_key, refusal

PASSWORD = "open sesame"


@pytest.fixture
def locked(database: Database) -> Iterator[Tenant]:
    """A tenant whose own login has locked what lists are read from."""
    tenant = create_tenant(database, f"t_{uuid.uuid4().hex[:8]}", password=PASSWORD)
    with login(database, tenant.role, PASSWORD) as connection:
        connection.execute("BEGIN")
        connection.execute("LOCK TABLE workflow_executions IN ACCESS EXCLUSIVE MODE")
        yield tenant
        connection.execute("ROLLBACK")


# the end of the wait for a lock, and of a statement as such
@pytest.mark.parametrize("limit", ["lock_timeout", "timeout"])
def test_a_request_for_it_is_told_to_come_again_and_all_others_are_served(
    app: Flask,
    database: Database,
    locked: Tenant,
    reader: Caller,
    acme: Tenant,
    monkeypatch: pytest.MonkeyPatch,
    limit: str,
) -> None:
    monkeypatch.setitem(units.TIMEOUTS, limit, "100")
    caller = Caller(app, make_key(database, locked, "read"))
    for _ in range(2):
        answer = caller.get(f"/v1/tenants/{locked.name}/executions")
        assert refusal(answer) == (503, "database_unavailable")
        assert reader.get(f"/v1/tenants/{acme.name}/executions").status_code == 200
