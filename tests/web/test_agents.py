import uuid

from flask import Flask

from cloacina.db import Database
from cloacina.fleet import services as fleet
from cloacina.fleet.services import Worker
from cloacina.tenants.models import Tenant
from tests.web.conftest import Caller, make_key


def test_a_tenant_sees_the_shared_workers_and_its_own(
    admin: Caller, app: Flask, database: Database, acme: Tenant, globex: Tenant
) -> None:
    served = {"shared": (), "both": (acme.name, globex.name), "theirs": (globex.name,)}
    workers = {
        name: Worker(
            uuid.uuid4(), name, tenants, concurrency=4, in_flight=1, seconds_since_heartbeat=0
        )
        for name, tenants in served.items()
    }
    with database.platform() as session:
        for worker in workers.values():
            fleet.beat(session, worker)
    ids = {name: str(worker.id) for name, worker in workers.items()}

    everything = admin.get("/v1/agents").json
    assert everything["total"] == 3
    seen = {item["agent_id"]: item for item in everything["items"]}
    assert seen[ids["shared"]]["tenant_id"] is None
    assert seen[ids["both"]]["tenant_id"] == f"{acme.name},{globex.name}"
    item = seen[ids["shared"]]
    assert (item["max_concurrency"], item["in_flight"], item["available_capacity"]) == (4, 1, 3)
    assert 0 <= item["seconds_since_heartbeat"] < 60

    manager = Caller(app, make_key(database, acme, "admin"))
    seen = {item["agent_id"]: item for item in manager.get("/v1/agents").json["items"]}
    assert set(seen) == {ids["shared"], ids["both"]}
    assert seen[ids["both"]]["tenant_id"] == acme.name
