"""The executions of one tenant, on PostgreSQL and on SQLite."""

import pytest

from cloacina.db import Database
from cloacina.tenants.models import Tenant
from tests.cloacina.executions.runs import Runs


@pytest.fixture
def runs(either_database: Database, empty_tenant: Tenant) -> Runs:
    return Runs(either_database, empty_tenant)
