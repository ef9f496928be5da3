"""Where data and binaries lie when we are root, and who the servers run as."""

import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import redis

from cloacina.embedded import EmbeddedValkey, folder, programs
from cloacina.embedded.programs import find_valkey
from cloacina.errors import ConfigurationError
from cloacina.processes.accounts import CANDIDATES, choose_account

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root changes to another user")


@pytest.fixture
def shared_root(data_root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = data_root / "shared"
    monkeypatch.setattr(folder, "SHARED_ROOT", root)
    monkeypatch.setattr(programs, "COPIES", root / "programs")
    return root


@pytest.fixture
def closed(data_root: Path) -> Path:
    path = data_root / "closed"
    path.mkdir(mode=0o700)
    return path


def test_a_folder_that_the_servers_user_can_reach_holds_the_data_itself(
    data_root: Path, shared_root: Path
) -> None:
    with EmbeddedValkey(data_root) as server:
        assert server.folder.path == data_root / "valkey"
    assert not shared_root.exists()


@as_root
def test_a_closed_home_is_linked_to_data_in_a_place_that_the_servers_user_can_reach(
    closed: Path, shared_root: Path
) -> None:
    with EmbeddedValkey(closed) as server, redis.Redis.from_url(server.url) as client:
        client.set("kept", "1")
        place = server.folder.path
    assert place.is_relative_to(shared_root)
    assert (closed / "valkey").resolve() == place
    assert (place.parent / "belongs-to").read_text() == f"{closed}\n"

    closed.chmod(0o755)
    with EmbeddedValkey(closed) as server, redis.Redis.from_url(server.url) as client:
        assert server.folder.path == place
        assert client.get("kept") == b"1"


@as_root
def test_data_in_a_home_that_was_closed_since_is_not_left_behind_silently(
    closed: Path, shared_root: Path
) -> None:
    closed.chmod(0o755)
    with EmbeddedValkey(closed):
        pass
    closed.chmod(0o700)
    with pytest.raises(ConfigurationError, match=r"cannot enter .*: open the folders"):
        EmbeddedValkey(closed).start()


@as_root
def test_root_runs_servers_as_another_user(data_root: Path) -> None:
    account = choose_account()
    assert account is not None
    assert account.name in CANDIDATES
    with EmbeddedValkey(data_root) as server:
        assert server.process is not None
        shown = subprocess.run(
            ["ps", "-o", "uid=,gid=", "-p", str(server.process.pid)],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.split()
        assert shown == [str(account.uid), str(account.gid)]
        assert server.folder.data.stat().st_uid == account.uid
        assert server.folder.path.stat().st_uid == 0


@as_root
def test_binaries_in_a_closed_folder_are_copied_once(closed: Path, shared_root: Path) -> None:
    program = find_valkey()
    shutil.copy2(program.path, closed)
    account = choose_account()
    assert account is not None
    hidden = programs.Program("valkey-test", closed, "valkey-server", ("valkey-server",))
    copy = hidden.usable_by(account)
    assert copy.path == shared_root / "programs" / "valkey-test" / "valkey-server"
    made = copy.path.stat().st_mtime_ns
    assert hidden.usable_by(account).path.stat().st_mtime_ns == made


@as_root
def test_a_program_that_nobody_else_can_run_nor_copy_is_a_clear_error(closed: Path) -> None:
    shutil.copy2(find_valkey().path, closed)
    hidden = programs.Program("system-test", closed, "valkey-server")
    with pytest.raises(ConfigurationError, match="cannot run"):
        hidden.usable_by(choose_account())


@as_root
def test_a_user_id_without_a_name_is_told_so() -> None:
    script = (
        "import os; from cloacina.processes.accounts import choose_account; "
        "os.setuid(54321); choose_account()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], check=False, capture_output=True, text=True
    )
    assert "user id 54321 has no name on this machine" in done.stderr


@as_root
def test_an_ordinary_user_keeps_everything_closed_to_others(data_root: Path) -> None:
    user = pwd.getpwnam("nobody")
    home = data_root / "home"
    home.mkdir()
    os.chown(home, user.pw_uid, user.pw_gid)
    # all is imported before the change of user, whom the interpreter's folder may be closed to
    script = """
import encodings.idna, os, sys, psycopg
from pathlib import Path
from cloacina.embedded import EmbeddedPostgres, EmbeddedValkey
os.setgroups([]); os.setgid(int(sys.argv[2])); os.setuid(int(sys.argv[3]))
root = Path(sys.argv[1])
with EmbeddedPostgres(root) as one, EmbeddedValkey(root) as two:
    psycopg.connect(one.url).close()
    print([oct(path.stat().st_mode & 0o777) for path in (root, one.folder.path, two.folder.path)])
"""
    arguments = [str(home / "data"), str(user.pw_gid), str(user.pw_uid)]
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], check=False, capture_output=True, text=True
    )
    assert done.stdout == "['0o700', '0o700', '0o700']\n", done.stderr
