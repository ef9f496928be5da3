"""What the embedded PostgreSQL gives, and to whom."""

import stat

import psycopg
import pytest
from psycopg import errors
from psycopg.conninfo import make_conninfo

from cloacina.embedded import EmbeddedPostgres, find_older_binaries, temporary_data_root
from cloacina.embedded.programs import Program, find_binaries, postgres_major
from tests.cloacina.embedded.owners import command_lines

PLAIN_ROLE = (
    "SELECT rolsuper, rolcreatedb, rolinherit, rolreplication, rolbypassrls, rolcreaterole"
    " FROM pg_roles WHERE rolname = current_user"
)
OWNER = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()"


def assert_plain_service(url: str, name: str) -> None:
    with psycopg.connect(url) as connection:
        assert connection.execute(PLAIN_ROLE).fetchone() == (False,) * 5 + (True,)
        assert connection.execute(OWNER).fetchone() == (name,)


def test_the_service_has_a_plain_role_that_owns_its_database(
    running_postgres: EmbeddedPostgres,
) -> None:
    assert_plain_service(running_postgres.url, "cloacina")


def test_nothing_is_traded_for_speed_that_a_power_cut_could_take(
    running_postgres: EmbeddedPostgres,
) -> None:
    with psycopg.connect(running_postgres.url) as connection:
        for name in ("fsync", "synchronous_commit", "full_page_writes"):
            assert connection.execute(f"SHOW {name}").fetchone() == ("on",)


@pytest.mark.parametrize("database", ["postgres", "template1", "cloacina"])
def test_a_role_that_nobody_let_in_connects_to_no_database(
    running_postgres: EmbeddedPostgres, database: str
) -> None:
    with psycopg.connect(running_postgres.admin_url, autocommit=True) as admin:
        admin.execute("CREATE ROLE stranger LOGIN PASSWORD 'pass'")
        try:
            stranger = make_conninfo(
                running_postgres.admin_url, user="stranger", password="pass", dbname=database
            )
            with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
                psycopg.connect(stranger)
        finally:
            admin.execute("DROP ROLE stranger")


def test_a_wrong_password_is_refused_on_tcp_and_on_the_socket(
    running_postgres: EmbeddedPostgres,
) -> None:
    socket_folder = str(running_postgres.folder.data)
    for host in ("127.0.0.1", socket_folder):
        wrong = make_conninfo(running_postgres.url, host=host, password="wrong")
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(wrong)


def test_passwords_stand_in_no_command_line_no_log_and_no_open_file(
    running_postgres: EmbeddedPostgres,
) -> None:
    folder = running_postgres.folder
    files = sorted(folder.path.glob("*-password"))
    assert [file.name for file in files] == ["admin-password", "service-password"]
    log = folder.log_path.read_text()
    for file in files:
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert not any(file.read_text() in line for line in command_lines())
        assert file.read_text() not in log


def test_a_database_of_its_own_has_a_plain_role_of_its_own(
    running_postgres: EmbeddedPostgres,
) -> None:
    url = running_postgres.create_database("other")
    assert_plain_service(url, "other")
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(make_conninfo(url, dbname="cloacina"))
    running_postgres.drop_database("other")


def test_dropping_a_database_takes_the_roles_that_its_service_made(
    running_postgres: EmbeddedPostgres,
) -> None:
    with psycopg.connect(running_postgres.admin_url) as admin:
        before = admin.execute("SELECT rolname FROM pg_roles ORDER BY 1").fetchall()
    url = running_postgres.create_database("other")
    session = psycopg.connect(url, autocommit=True)
    session.execute("CREATE ROLE other_tenant LOGIN NOINHERIT")
    session.execute("GRANT other_tenant TO CURRENT_USER WITH SET TRUE, INHERIT FALSE")
    session.execute("GRANT CONNECT ON DATABASE other TO other_tenant")
    session.execute("CREATE SCHEMA other_tenant CREATE TABLE t (i int)")

    running_postgres.drop_database("other")

    with pytest.raises(errors.AdminShutdown):
        session.execute("SELECT 1")
    session.close()
    with psycopg.connect(running_postgres.admin_url) as admin:
        assert admin.execute("SELECT rolname FROM pg_roles ORDER BY 1").fetchall() == before
        names = admin.execute("SELECT datname FROM pg_database").fetchall()
    assert ("other",) not in names


def test_the_binaries_that_come_along_are_a_postgresql_18() -> None:
    assert postgres_major(find_binaries()) == 18


@pytest.mark.parametrize("binaries", find_older_binaries(), ids=lambda program: program.label)
def test_an_older_postgresql_gives_the_same(binaries: Program) -> None:
    with temporary_data_root() as root, EmbeddedPostgres(root, binaries) as server:
        assert_plain_service(server.url, "cloacina")
        with psycopg.connect(server.url) as connection:
            version = connection.info.server_version // 10_000
        assert version == postgres_major(binaries)
        assert_plain_service(server.create_database("other"), "other")
        server.drop_database("other")
