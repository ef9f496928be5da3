"""What making and updating the tables of 2,000 tenants takes; on a server of its own."""

import statistics
import subprocess
import time
from collections.abc import Sequence

from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import text, update

from bench.rig import Rig, home_folder
from bench.server import CLOACINACTL, Server, environment
from cloacina import schema
from cloacina.db import Database, execute_ddl, identifier
from cloacina.lifecycle.tenants import create_tenant
from cloacina.tenants.models import Tenant, TenantRow

NAME = "schemas_2000"
SHOWN = 50


def measure(rig: Rig) -> None:
    """Make the schemas, then migrate when all are current and when all are a revision behind."""
    count = rig.options.pick(2_000, 40)
    rig.report.headline(f"{NAME}: `admin migrate` with {count:,} tenants")
    # without workers: nothing else shall look at the tables
    with home_folder() as home, Server(home, workers=0, slots=1) as server:
        database = Database(server.database_url, pool_size=1)
        try:
            tenants = _create(rig, database, count)
            rig.report.add(f"{NAME}_current", _migrate(server), "s")
            _step_back(database, tenants)
            rig.report.add(f"{NAME}_one_behind", _migrate(server), "s")
            _check(database)
        finally:
            database.close()


def _create(rig: Rig, database: Database, count: int) -> Sequence[Tenant]:
    tenants, times = [], []
    for number in range(count):
        started = time.perf_counter()
        tenants.append(create_tenant(database, f"tenant_{number}"))
        times.append(time.perf_counter() - started)
    for name, shown in (("first", times[:SHOWN]), ("last", times[-SHOWN:])):
        rig.report.add(f"{NAME}_create_{name}_p50", statistics.median(shown) * 1000, "ms")
    return tenants


def _migrate(server: Server) -> float:
    """Run `admin migrate` as an operator would, and give the seconds that it took."""
    environ = environment() | {
        "CLOACINA_DATABASE_URL": server.database_url,
        "CLOACINA_BROKER_URL": server.broker_url(0),
    }
    started = time.perf_counter()
    subprocess.run(
        [CLOACINACTL, "admin", "migrate", "--home", server.home],
        check=True,
        env=environ,
        stdout=subprocess.DEVNULL,
    )
    return time.perf_counter() - started


def _step_back(database: Database, tenants: Sequence[Tenant]) -> None:
    """Make the tables anew as the newest revision but one had them; they are empty."""
    config = schema._config("tenant")  # as `upgrade` does, but not to the newest
    newest = ScriptDirectory.from_config(config).get_revision(schema.head("tenant"))
    before = str(newest.down_revision)
    for tenant in tenants:
        with database.platform() as session:
            database.act_as_owner(session, tenant.schema)
            tables = [*schema.METADATA["tenant"].tables, schema.version_table("tenant")]
            for table in tables:
                execute_ddl(session, "DROP TABLE {} CASCADE", identifier(table))
            config.attributes["connection"] = session.connection()
            config.attributes["version_table"] = schema.version_table("tenant")
            command.upgrade(config, before)
            database.act_as_platform(session)
            session.execute(
                update(TenantRow).where(TenantRow.id == tenant.id).values(schema_version=before)
            )


def _check(database: Database) -> None:
    """Make sure that every tenant has its new tables."""
    with database.platform() as session:
        behind = session.scalar(
            text("SELECT count(*) FROM tenants WHERE schema_version <> :head"),
            {"head": schema.head("tenant")},
        )
    assert behind == 0, f"{behind} tenants were not migrated"
