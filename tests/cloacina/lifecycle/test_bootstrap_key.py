"""The first admin key: made once, written where only its owner reads it, and recoverable."""

import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from sqlalchemy import text

from cloacina.db import Database
from cloacina.errors import ConfigurationError, Unauthorized
from cloacina.keys import services as keys
from cloacina.keys.models import WRITE
from cloacina.lifecycle.installation import ensure_bootstrap_key
from cloacina.tenants import services as tenants
from tests.cloacina.audit.lines import lines
from tests.cloacina.keys.verifying import verify

RECOVERY = {
    "postgresql": "UPDATE api_keys SET revoked = true WHERE is_admin = true",
    "sqlite": "UPDATE api_keys SET revoked = 1 WHERE is_admin = 1",
}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def no_admin(either_database: Database) -> Iterator[Database]:
    """A database without a live admin key."""
    revoke_as_the_guide_says(either_database)
    yield either_database
    revoke_as_the_guide_says(either_database)


def revoke_as_the_guide_says(database: Database) -> None:
    """Run the statement as an operator does, in a session of their own as the service's role."""
    with database.engine.begin() as connection:
        connection.exec_driver_sql(RECOVERY[database.engine.dialect.name])


def opens_all(database: Database, plaintext: str) -> bool:
    try:
        return verify(database, plaintext).key.is_admin
    except Unauthorized:
        return False


def key_in(home: Path) -> str:
    return (home / "bootstrap-key").read_text().strip()


def live_admin_keys(database: Database) -> list[str]:
    with database.platform() as session:
        return list(
            session.scalars(text("SELECT name FROM api_keys WHERE is_admin AND NOT revoked"))
        )


def test_the_first_key_is_in_a_file_that_only_its_owner_reads(
    no_admin: Database, home: Path
) -> None:
    ensure_bootstrap_key(no_admin, home, "")
    file = home / "bootstrap-key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert [path.name for path in home.iterdir()] == ["bootstrap-key"]
    assert opens_all(no_admin, key_in(home))
    assert live_admin_keys(no_admin) == ["bootstrap-admin"]
    (event,) = lines(no_admin, 1, action="key.bootstrap")
    assert (event.subject, event.key_id) == (str(verify(no_admin, key_in(home)).key.id), None)
    assert key_in(home) not in str(event)


def test_the_key_is_in_no_log(
    no_admin: Database, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    ensure_bootstrap_key(no_admin, home, "")
    assert "bootstrap" in caplog.text
    assert key_in(home) not in caplog.text


def test_a_later_start_makes_no_second_key(no_admin: Database, home: Path) -> None:
    ensure_bootstrap_key(no_admin, home, "")
    key = key_in(home)
    ensure_bootstrap_key(no_admin, home, "another that is given now")
    assert key_in(home) == key
    assert live_admin_keys(no_admin) == ["bootstrap-admin"]


def test_a_key_that_is_given_is_taken_as_it_is(no_admin: Database, home: Path) -> None:
    given = "any string, with ünïcode"
    ensure_bootstrap_key(no_admin, home, given)
    assert key_in(home) == given
    assert opens_all(no_admin, given)


def test_a_given_key_may_be_given_again_after_its_revocation(
    no_admin: Database, home: Path
) -> None:
    ensure_bootstrap_key(no_admin, home, "given twice")
    revoke_as_the_guide_says(no_admin)
    assert not opens_all(no_admin, "given twice")
    ensure_bootstrap_key(no_admin, home, "given twice")
    assert opens_all(no_admin, "given twice")


def test_an_operator_who_lost_the_key_gets_a_new_one_and_tenants_keys_live_on(
    no_admin: Database, home: Path
) -> None:
    ensure_bootstrap_key(no_admin, home, "")
    lost = key_in(home)
    with no_admin.platform() as session:
        public = tenants.find(session, "public")
        tenants_key = keys.issue(session, "ci", WRITE, public).plaintext

    revoke_as_the_guide_says(no_admin)
    ensure_bootstrap_key(no_admin, home, "")

    assert not opens_all(no_admin, lost)
    assert opens_all(no_admin, key_in(home))
    assert verify(no_admin, tenants_key).tenant == public


def test_an_expired_admin_key_counts_as_none(no_admin: Database, home: Path) -> None:
    with no_admin.platform() as session:
        keys.issue(session, "short", "admin", None, expires_in_s=0, plaintext="short-lived")
    ensure_bootstrap_key(no_admin, home, "")
    assert opens_all(no_admin, key_in(home))


@pytest.mark.parametrize("tenants_own", [True, False])
def test_a_text_that_is_another_key_is_refused_and_nothing_is_written(
    no_admin: Database, home: Path, tenants_own: bool
) -> None:
    given = f"somebody else's, {tenants_own}"
    with no_admin.platform() as session:
        public = tenants.find(session, "public")
        # the platform's own, which has ended by itself
        ends = None if tenants_own else 0
        keys.issue(
            session,
            "ci",
            WRITE,
            public if tenants_own else None,
            plaintext=given,
            expires_in_s=ends,
        )
    with pytest.raises(ConfigurationError, match="is another key's already; choose another"):
        ensure_bootstrap_key(no_admin, home, given)
    assert not home.exists()
    assert not opens_all(no_admin, given)


def test_a_key_that_cannot_be_written_is_not_made(no_admin: Database, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(ConfigurationError, match="cannot be written"):
        ensure_bootstrap_key(no_admin, file / "home", "")
    assert live_admin_keys(no_admin) == []


def test_a_file_that_was_open_to_all_is_replaced_by_one_that_is_not(
    no_admin: Database, home: Path
) -> None:
    home.mkdir()
    file = home / "bootstrap-key"
    file.write_text("old")
    file.chmod(0o644)
    with file.open() as open_before:
        ensure_bootstrap_key(no_admin, home, "")
        assert open_before.read() == "old"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert opens_all(no_admin, key_in(home))


def test_several_servers_that_start_together_make_one_key(
    no_admin: Database, tmp_path: Path
) -> None:
    homes = [tmp_path / f"home-{number}" for number in range(6)]
    url = no_admin.engine.url.render_as_string(hide_password=False)
    start = Barrier(len(homes))

    def ensure(home: Path) -> None:
        database = Database(url, pool_size=1)
        start.wait(10)
        ensure_bootstrap_key(database, home, "")
        database.close()

    with ThreadPoolExecutor(len(homes)) as threads:
        list(threads.map(ensure, homes))

    written = [home for home in homes if home.exists()]
    assert len(written) == 1
    assert opens_all(no_admin, key_in(written[0]))
    assert live_admin_keys(no_admin) == ["bootstrap-admin"]
