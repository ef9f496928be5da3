"""A tenant is deleted over HTTP: what waits for it, and what is refused from then on."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask

from cloacina.db import Database
from cloacina.lifecycle.tenants import create_tenant
from cloacina.processes import wait_until
from cloacina.tenants.models import Tenant
from tests.cloacina.executions.runs import Runs, chain
from tests.web.conftest import Caller, make_key, refusal


@pytest.fixture
def tenant(database: Database, tenant_name: str) -> Tenant:
    return create_tenant(database, tenant_name)


def test_a_removal_lets_running_tasks_end_and_refuses_all_else(
    admin: Caller, app: Flask, database: Database, tenant: Tenant
) -> None:
    path = f"/v1/tenants/{tenant.name}"
    own = Caller(app, make_key(database, tenant, "admin"))
    runs = Runs(database, tenant)
    runs.start(runs.workflow(*chain("a", "b")))
    claim = runs.must_claim()
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(admin.delete, path)
        assert wait_until(lambda: admin.get(path).json["status"] == "deleting", 20)
        # by whoever does not wait for the first answer
        second = threads.submit(admin.delete, path)

        shown = admin.get(path).json
        assert (shown["live_keys"], shown["packages"], shown["executions"]) == (0, None, None)
        assert refusal(own.get(f"{path}/workflows")) == (401, "unauthorized")
        assert refusal(own.get("/v1/auth/whoami")) == (401, "unauthorized")
        assert refusal(admin.get(f"{path}/workflows")) == (404, "tenant_not_found")
        for verb in ("suspend", "resume", "migrate"):
            assert refusal(admin.post(f"{path}/{verb}")) == (404, "tenant_not_found")
        taken = admin.post("/v1/tenants", json={"name": tenant.name})
        assert refusal(taken) == (400, "tenant_creation_failed")
        assert "just being deleted" in taken.json["error"]
        assert not first.done()
        runs.complete(claim)
        answers = [first.result(30), second.result(30)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert sum(answer.json["revoked_keys"] for answer in answers) == 1
    assert refusal(admin.get(path)) == (404, "tenant_not_found")


def test_of_two_that_create_one_tenant_at_once_one_is_told_that_the_name_is_taken(
    admin: Caller, tenant_name: str
) -> None:
    with ThreadPoolExecutor(2) as threads:
        answers = list(
            threads.map(lambda _: admin.post("/v1/tenants", json={"name": tenant_name}), range(2))
        )
    answers.sort(key=lambda answer: answer.status_code)
    assert answers[0].status_code == 201
    assert refusal(answers[1]) == (400, "tenant_creation_failed")
    assert "is taken" in answers[1].json["error"]
