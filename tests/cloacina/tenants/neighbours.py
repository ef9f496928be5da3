"""Two tenants on one database: acme, who attacks, and globex, who has a secret everywhere."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import psycopg
from psycopg import sql

from cloacina.db import Database, identifier
from cloacina.embedded import EmbeddedPostgres
from cloacina.lifecycle.tenants import create_tenant
from cloacina.tenants.models import Tenant
from tests.cloacina.executions.runs import Runs, chain
from tests.cloacina.tenants.logins import admin, login

PASSWORD = "correct horse"
SECRET = "swordfish"

Run = Callable[[str], Any]


@dataclass(frozen=True)
class Neighbours:
    """Both tenants, and who acme can be.

    Parameters:
        database: the service's.
        acme, globex: the tenants.
        names: what stands for their things in a statement.
        ways: by name, a connection that is acme: its own login, or the service with its role.
        as_globex: a login of globex's own.
    """

    database: Database
    acme: Tenant
    globex: Tenant
    names: dict[str, str]
    ways: dict[str, psycopg.Connection[Any]]
    as_globex: psycopg.Connection[Any]

    def spelt(self, statement: str) -> str:
        """Put the names into a statement."""
        for name, value in self.names.items():
            statement = statement.replace(f"{{{name}}}", value)
        return statement

    def untouched(self) -> tuple[Any, ...]:
        """Give what globex has, to be compared."""
        return tuple(
            self.as_globex.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall()  # noqa: S608
            for table in ("packages", "workflow_executions", "task_executions", "schedules")
        )


@contextmanager
def neighbours(server: EmbeddedPostgres, database: Database) -> Iterator[Neighbours]:
    """Make both, with something in every place that one could look at."""
    mark = uuid4().hex[:10]
    acme, globex = (
        create_tenant(database, f"{name}_{mark}", password=PASSWORD) for name in ("acme", "globex")
    )
    runs = Runs(database, globex)
    package = runs.workflow(*chain("a"), name=f"{SECRET}-flow")
    for _ in range(3):
        runs.start(package, secret=SECRET)
    with admin(server, database) as superuser:
        large_object = superuser.execute("SELECT lo_from_bytea(0, %s)", (SECRET.encode(),))
        oid = large_object.fetchone()[0]
        superuser.execute(
            sql.SQL("ALTER LARGE OBJECT {} OWNER TO {}").format(oid, identifier(globex.role))
        )
        # the planner keeps the most common values of each column
        superuser.execute(f'ANALYZE "{globex.schema}".workflow_executions')
        sequence = superuser.execute(
            "SELECT %s::regclass::oid", (f"{globex.schema}.packages_upload_order_seq",)
        ).fetchone()[0]
    url = database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with (
        login(database, acme.role, PASSWORD) as direct,
        psycopg.connect(url, autocommit=True) as assumed,
        login(database, globex.role, PASSWORD) as as_globex,
    ):
        assumed.execute(f'SET ROLE "{acme.role}"')
        assumed.execute(f'SET search_path = "{acme.schema}"')
        yield Neighbours(
            database,
            acme,
            globex,
            {
                "a": acme.role,
                "b": globex.role,
                "db": str(database.engine.url.database),
                "service": database.service_role,
                "b_large_object": str(oid),
                "b_sequence": str(sequence),
            },
            {"login": direct, "assumed": assumed},
            as_globex,
        )
