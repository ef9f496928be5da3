"""What tenants' code finds where it runs: nothing of the server."""

import os
import sys
from pathlib import Path

import pytest

from cloacina.sandbox import Sandbox
from tests.cloacina.sandbox.codes import finding, result, write_code

ENVIRONMENT = {"PATH", "LANG", "HOME", "TMPDIR", "USER", "OPENBLAS_NUM_THREADS"}
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


def test_the_environment_is_built_from_nothing(
    sandbox: Sandbox, root: Path, tmp_path: Path
) -> None:
    found = result(sandbox, write_code(tmp_path, finding("dict(os.environ)")))
    # Python itself adds LC_CTYPE where the locale is C
    assert found.keys() - {"LC_CTYPE"} == ENVIRONMENT | {"CLOACINA_VAR_REGION"}
    assert found["HOME"] == found["TMPDIR"]
    assert Path(found["HOME"]).parent == root
    assert "the-password" not in str(found)


@on_linux
def test_the_process_itself_was_started_with_no_more(sandbox: Sandbox, tmp_path: Path) -> None:
    # of the child, of its nanny, and of the host
    code = """
import os
@cloaca.task()
def it(context):
    found, pid = [], os.getpid()
    for _ in range(3):
        with open(f"/proc/{pid}/environ", "rb") as file:
            found.append(file.read().decode())
        with open(f"/proc/{pid}/stat") as file:
            pid = int(file.read().rpartition(")")[2].split()[1])
    context.set("found", found)
    return context
"""
    for environ in result(sandbox, write_code(tmp_path, code)):
        names = {line.partition("=")[0] for line in environ.split("\0") if line}
        assert names == {"PATH", "LANG"}


@on_linux
def test_no_file_of_the_server_is_open(sandbox: Sandbox, tmp_path: Path) -> None:
    with (tmp_path / "secret").open("w") as secret:
        os.set_inheritable(secret.fileno(), True)
        opened = "(f'/proc/self/fd/{fd}' for fd in range(256))"
        links = f"[os.readlink(path) for path in {opened} if os.path.lexists(path)]"
        found = result(sandbox, write_code(tmp_path, finding(links)))
    # its input, its output twice, its channel, and what it is lent through
    kinds = ["/dev/null"] + ["pipe"] * 4 + ["socket"] * 2
    assert sorted(link.partition(":")[0] for link in found) == kinds


@on_linux
def test_it_is_the_leader_of_a_session_of_its_own(sandbox: Sandbox, tmp_path: Path) -> None:
    ids = "[os.getpid(), os.getpgrp(), os.getsid(0)]"
    found = result(sandbox, write_code(tmp_path, finding(ids)))
    assert len(set(found)) == 1
    assert found[0] != os.getpgrp()


@pytest.mark.parametrize("module", ["cloacina", "web", "cli", "celery", "sqlalchemy", "tests"])
def test_none_of_the_servers_modules_can_be_imported(
    sandbox: Sandbox, tmp_path: Path, module: str
) -> None:
    spec = f"importlib.util.find_spec({module!r}) is not None"
    assert result(sandbox, write_code(tmp_path, finding(spec, "importlib.util"))) is False


@pytest.mark.parametrize("module", ["cloacina", "web", "cli", "workers", "_child", "_serve"])
def test_a_package_may_have_modules_of_the_servers_names(
    sandbox: Sandbox, tmp_path: Path, module: str
) -> None:
    code = write_code(tmp_path, finding(f"{module}.MINE", module), **{module: "MINE = 'my own'\n"})
    assert result(sandbox, code) == "my own"


def test_the_servers_variables_for_tenants_can_be_read(sandbox: Sandbox, tmp_path: Path) -> None:
    assert result(sandbox, write_code(tmp_path, finding("cloaca.var('REGION')"))) == "eu"


def test_it_works_in_its_scratch_folder(sandbox: Sandbox, tmp_path: Path) -> None:
    code = write_code(tmp_path, finding("[os.getcwd(), os.path.expanduser('~')]"))
    cwd, home = result(sandbox, code)
    assert os.path.realpath(cwd) == os.path.realpath(home)
