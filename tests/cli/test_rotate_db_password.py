"""`admin rotate-db-password`, directly on the database."""

import json
from pathlib import Path

import psycopg
import pytest

from cloacina.db import Database
from cloacina.embedded import EmbeddedPostgres, url_of_running
from cloacina.lifecycle import installation
from cloacina.lifecycle.tenants import create_tenant
from cloacina.tenants.models import Tenant
from tests.cloacina.tenants.logins import login

OLD = "an old password"
ROTATE = ("admin", "rotate-db-password")


@pytest.fixture
def acme(database: Database, tenant_name: str) -> Tenant:
    return create_tenant(database, tenant_name, password=OLD)


def test_only_the_new_password_is_printed(
    run, database: Database, empty_database_url: str, acme: Tenant
) -> None:
    done = run(*ROTATE, acme.name, "--database-url", empty_database_url, "-v")
    assert done.code == 0
    password = done.out.removesuffix("\n")
    login(database, acme.role, password).close()
    with pytest.raises(psycopg.OperationalError):
        login(database, acme.role, OLD)
    assert password not in done.err


def test_programs_get_it_with_the_name_to_log_in_with(
    run, database: Database, empty_database_url: str, acme: Tenant
) -> None:
    done = run(*ROTATE, acme.name, "--database-url", empty_database_url, "-o", "json")
    found = json.loads(done.out)
    assert set(found) == {"tenant", "username", "password"}
    assert (found["tenant"], found["username"]) == (acme.name, acme.role)
    login(database, found["username"], found["password"]).close()
    named = run(*ROTATE, acme.name, "--database-url", empty_database_url, "-o", "id")
    assert named.out == f"{acme.role}\n"


def test_an_unknown_tenant_ends_as_it_does_at_a_server(
    run, database: Database, empty_database_url: str
) -> None:
    done = run(*ROTATE, "nobody", "--database-url", empty_database_url)
    assert (done.code, done.out) == (3, "")
    assert done.err == "Error: not found — tenant 'nobody' not found\n"


def test_who_has_no_login_gets_no_password(
    run, database: Database, empty_database_url: str, tmp_path: Path
) -> None:
    done = run(*ROTATE, "public", "--database-url", empty_database_url)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("Error: tenant 'public' has no login of its own")

    url = f"sqlite:///{tmp_path}/platform.db"
    sqlite = Database(url)
    installation.migrate(sqlite)
    sqlite.close()
    done = run(*ROTATE, "public", "--database-url", url)
    assert (done.code, done.out) == (1, "")
    assert done.err == "Error: SQLite has no roles: nobody logs in to it, with a password or not\n"


def test_a_database_that_is_not_prepared_is_not_touched(
    run, postgres: EmbeddedPostgres, tenant_name: str
) -> None:
    url = postgres.create_database(tenant_name)
    done = run(*ROTATE, "acme", "--database-url", url)
    postgres.drop_database(tenant_name)
    assert (done.code, done.out) == (1, "")
    assert "run `cloacinactl admin migrate` first" in done.err


def test_without_an_address_it_is_the_embedded_database_of_the_home_folder(
    run, home: Path, postgres: EmbeddedPostgres
) -> None:
    done = run(*ROTATE, "nobody")
    assert (done.code, done.out) == (1, "")
    assert f"{home} has no embedded database" in done.err

    assert url_of_running(postgres.data_root) == postgres.url
    (home / "data").symlink_to(postgres.data_root)
    done = run(*ROTATE, "nobody")
    assert "run `cloacinactl admin migrate` first" in done.err
