"""The services of docker-compose.yml, run by hand as they are written there."""

import socket
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from redis import Redis

from tests.deploy.compose import ROOT
from tests.deploy.conftest import Tenant
from tests.deploy.stack import Stack

# Valkey's and Caddy's checks are programs of their images, which we do not have
CHECKED = ["postgres", "web", "worker", "scheduler", "flower"]


def test_the_service_has_a_plain_role_that_owns_its_database(stack: Stack) -> None:
    url = f"postgresql://{stack.database}:{stack.variables['DATABASE_PASSWORD']}@127.0.0.1"
    with psycopg.connect(f"{url}:{stack.postgres.port}/{stack.database}") as connection:
        role = connection.execute(
            "SELECT rolcanlogin, rolcreaterole, rolsuper, rolinherit, rolcreatedb, rolbypassrls"
            " FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
        owner = connection.execute(
            "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()"
        ).fetchone()
    assert role == (True, True, False, False, False, False)
    assert owner == (stack.database,)


@pytest.mark.parametrize("name", ["postgres", "template1"])
def test_the_service_has_no_entry_to_other_databases(stack: Stack, name: str) -> None:
    url = f"postgresql://{stack.database}:{stack.variables['DATABASE_PASSWORD']}@127.0.0.1"
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(f"{url}:{stack.postgres.port}/{name}")


def test_an_init_script_that_fails_keeps_the_password_to_itself(stack: Stack) -> None:
    again = stack.run_init_script()
    assert again.returncode != 0
    assert "already exists" in again.stderr
    log = stack.postgres.folder.log_path.read_text()
    assert f'role "{stack.database}" already exists' in log
    assert stack.variables["DATABASE_PASSWORD"] not in log + again.stderr


def test_valkey_keeps_what_it_gets_and_asks_for_the_password(stack: Stack) -> None:
    port, password = stack.ports["valkey"], stack.variables["VALKEY_PASSWORD"]
    with Redis(port=port, password=password) as client:
        found = {**client.config_get("appendonly"), **client.config_get("maxmemory-policy")}
    assert found == {"appendonly": "yes", "maxmemory-policy": "noeviction"}
    with socket.create_connection(("127.0.0.1", port), timeout=10) as stranger:
        stranger.sendall(b"PING\r\n")
        assert stranger.recv(100).startswith(b"-NOAUTH")


def test_the_first_admin_key_is_in_the_home_of_the_migration_alone(stack: Stack) -> None:
    homes = stack.folder / "homes"
    (key,) = homes.rglob("bootstrap-key")
    assert key == stack.home("migrate") / "bootstrap-key"
    assert key.stat().st_mode & 0o777 == 0o600


def test_a_second_migration_makes_no_new_key(stack: Stack, admin_key: str) -> None:
    assert stack.run("migrate").returncode == 0
    assert (stack.home("migrate") / "bootstrap-key").read_text().strip() == admin_key


@pytest.mark.parametrize("name", CHECKED)
def test_health_checks_pass(stack: Stack, name: str) -> None:
    checked = stack.check(name)
    assert checked.returncode == 0, checked.stderr


def test_no_password_is_in_a_command_line(stack: Stack, tenant: Tenant) -> None:
    listed = subprocess.run(["ps", "-A", "-ww", "-o", "args="], check=True, capture_output=True)
    secrets = {value.rpartition(":")[2] for value in stack.variables.values()}
    secrets.remove(stack.url.rpartition(":")[2])
    assert not [line for line in listed.stdout.decode().splitlines() for s in secrets if s in line]


def test_no_password_is_in_a_log(stack: Stack, tenant: Tenant) -> None:
    for name in stack.processes:
        log = stack.log(name)
        for variable in ("DATABASE_PASSWORD", "VALKEY_PASSWORD", "FLOWER_BASIC_AUTH"):
            assert stack.variables[variable].rpartition(":")[2] not in log, name


def test_an_execution_runs_to_its_result(tenant: Tenant) -> None:
    _, execution = tenant.run()
    assert execution["status"] == "Completed"
    assert execution["context"]["report"].startswith("243 orders")


def test_a_worker_leaves_its_packages_and_scratch_files_in_its_own_home(
    stack: Stack, tenant: Tenant
) -> None:
    assert {path.name for path in stack.home("worker").iterdir()} == {"cache", "work"}
    for name in ("web", "scheduler", "flower"):
        assert not list(stack.home(name).iterdir())


@pytest.mark.parametrize("name", ["web", "scheduler", "worker", "flower", "valkey"])
def test_a_service_ends_when_it_is_asked_to_and_comes_back(
    stack: Stack, tenant: Tenant, name: str
) -> None:
    assert stack.stop(name) == 0, stack.log(name)
    if name in {"web", "flower"}:
        assert stack.check(name).returncode != 0
    stack.start(name)
    if name in CHECKED:
        stack.wait_healthy(name)


def test_gunicorns_file_changes_nothing_of_what_server_start_uses(tmp_path: Path) -> None:
    def printed(config: str) -> list[str]:
        done = subprocess.run(
            [sys.executable, "-m", "gunicorn", "--print-config", "--config", config],
            check=True,
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={
                "CLOACINA_HOME": str(tmp_path),
                "CLOACINA_DATABASE_URL": "postgresql://h/d",
                "CLOACINA_BROKER_URL": "redis://h/0",
            },
        )
        return [line for line in done.stdout.splitlines() if not line.startswith("config ")]

    ours = printed(str(ROOT / "deploy" / "gunicorn.conf.py"))
    assert ours == printed("python:web.gunicorn_conf")
    assert any("web.wsgi:app" in line for line in ours)
