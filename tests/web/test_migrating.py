"""What a server answers for tenants whose tables are not of its own version."""

from pathlib import Path
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import text

from cloacina.db import Database
from cloacina.tenants.models import Tenant
from tests.cloacina.revisions import NEWEST, one_more_revision
from tests.web.conftest import Caller, make_key, refusal

PATHS = ("workflows", "executions", "triggers", "keys")


def change(database: Database, tenant: Tenant, assignment: str) -> None:
    with database.platform() as session:
        session.execute(
            text(f"UPDATE tenants SET {assignment} WHERE id = :id"),  # noqa: S608  # of the tests
            {"id": tenant.id},
        )


@pytest.mark.parametrize(
    ("assignment", "code"),
    [
        ("schema_version = '0001'", "tenant_migrating"),
        ("schema_version = '9999'", "tenant_schema_too_new"),
        ("migrating_until = now() + interval '1 minute'", "tenant_migrating"),
    ],
)
def test_a_tenant_that_cannot_be_served_is_refused_and_no_other(
    app: Flask, admin: Caller, database: Database, acme: Tenant, globex: Tenant, assignment: str,
    code: str,
) -> None:  # fmt: skip
    own, other = (Caller(app, make_key(database, each, "admin")) for each in (acme, globex))
    change(database, acme, assignment)
    try:
        for path in PATHS:
            for caller in (own, admin):
                answer = caller.get(f"/v1/tenants/{acme.name}/{path}")
                assert refusal(answer) == (503, code)
                assert acme.name in answer.json["error"]
            assert other.get(f"/v1/tenants/{globex.name}/{path}").status_code == 200
        started = own.post(f"/v1/tenants/{acme.name}/workflows/x/execute", json={})
        assert refusal(started) == (503, code)
        # what is no tenant's is served
        assert own.get("/v1/auth/whoami").status_code == 200
        assert admin.get("/v1/tenants").status_code == 200
    finally:
        change(database, acme, f"schema_version = '{NEWEST}', migrating_until = NULL")
    assert own.get(f"/v1/tenants/{acme.name}/workflows").status_code == 200


def test_a_change_of_tables_that_was_broken_off_is_over_in_time(
    manager: Caller, database: Database, acme: Tenant
) -> None:
    change(database, acme, "migrating_until = now() - interval '1 second'")
    assert manager.get(f"/v1/tenants/{acme.name}/workflows").status_code == 200


def test_a_tenant_one_revision_behind_is_served_and_can_be_migrated(
    admin: Caller, manager: Caller, database: Database, acme: Tenant, tmp_path: Path
) -> None:
    with one_more_revision(tmp_path) as new:
        for path in PATHS:
            assert manager.get(f"/v1/tenants/{acme.name}/{path}").status_code == 200
        path = f"/v1/tenants/{acme.name}/migrate"
        expected = {"name": acme.name, "schema_version": new, "migrated": True}
        assert admin.post(path).json == expected
        assert admin.post(path).json == expected | {"migrated": False}
        assert manager.get(f"/v1/tenants/{acme.name}/workflows").status_code == 200
        assert refusal(manager.post(path)) == (403, "admin_required")
        assert refusal(admin.post("/v1/tenants/nobody/migrate")) == (404, "tenant_not_found")
    # the server that knows one revision less
    answer = manager.get(f"/v1/tenants/{acme.name}/workflows")
    assert refusal(answer) == (503, "tenant_schema_too_new")
    change(database, acme, f"schema_version = '{NEWEST}'")


def test_a_migration_that_fails_says_why(
    admin: Caller, database: Database, globex: Tenant, tmp_path: Path
) -> None:
    with database.platform() as session:
        database.act_as_owner(session, globex.schema)
        session.execute(text("CREATE TABLE next_thing (id integer)"))
    with one_more_revision(tmp_path):
        answer = admin.post(f"/v1/tenants/{globex.name}/migrate")
    assert refusal(answer) == (409, "tenant_migration_failed")
    assert "next_thing" in answer.json["error"]
    assert UUID(answer.headers["x-request-id"])
