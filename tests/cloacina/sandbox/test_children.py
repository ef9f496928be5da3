"""Children: used again, killed with all that is theirs, told apart by tenant and version."""

import json
import os
import signal
from pathlib import Path

import pytest

from cloacina.processes import wait_until
from cloacina.sandbox import Host, Sandbox
from cloacina.sandbox.errors import ChildAbandoned, ChildDied, LoadFailed
from tests.cloacina.embedded.owners import is_running, wait_gone
from tests.cloacina.sandbox.codes import ACME, GLOBEX, finding, result, run, start, write_code
from tests.cloacina.sandbox.trees import nannies, parents

PID = finding("os.getpid()")
# tells its own process and one below it, then never ends
HANGS = """
import os, pathlib, subprocess, time
@cloaca.task()
def it(context):
    below = subprocess.Popen(["/bin/sleep", "1000"])
    pathlib.Path(context["pids"] + ".new").write_text(f"{os.getpid()} {below.pid}")
    os.rename(context["pids"] + ".new", context["pids"])
    time.sleep(1000)
"""


# finds the descriptor that answers go through
CHANNEL = """
def channel():
    import socket
    for fd in range(3, 256):
        try:
            with socket.socket(fileno=os.dup(fd)) as found:
                if found.type == socket.SOCK_STREAM:
                    return fd
        except OSError:
            pass
"""


def body(lines: str) -> str:
    """Declare a task `it` with these lines, and `pid` beside it."""
    indented = "".join(f"    {line}\n" for line in lines.strip().split("\n"))
    return (
        "import json, os, pathlib, shutil, signal, struct, sys, time\n"
        + CHANNEL
        + f"@cloaca.task()\ndef it(context):\n{indented}"
        + finding("os.getpid()", task_id="pid")
    )


def read_pids(pids: Path) -> list[int]:
    return [int(pid) for pid in pids.read_text().split()]


def test_a_child_runs_its_packages_next_tasks_too(sandbox: Sandbox, tmp_path: Path) -> None:
    code = write_code(tmp_path, "uses = []\n" + finding("(uses.append(1), len(uses))[1]"))
    assert [result(sandbox, code) for _ in range(3)] == [1, 2, 3]


def test_the_child_that_a_build_loaded_runs_the_first_task(
    sandbox: Sandbox, host: Host, tmp_path: Path
) -> None:
    code = write_code(tmp_path, PID)
    definition = sandbox.load(code)
    assert [task["id"] for task in definition["tasks"]] == ["it"]
    (nanny,) = nannies(host)
    assert parents()[result(sandbox, code)] == nanny


def test_tenants_and_versions_never_share_a_child(sandbox: Sandbox, tmp_path: Path) -> None:
    codes = [
        write_code(tmp_path / "a", PID, tenant_id=ACME),
        write_code(tmp_path / "b", PID, tenant_id=GLOBEX),
        write_code(tmp_path / "c", PID, tenant_id=ACME, content_hash="two"),
    ]
    first = [result(sandbox, code) for code in codes]
    assert len(set(first)) == 3
    assert [result(sandbox, code) for code in codes] == first


def test_a_task_that_raises_says_where_and_its_child_goes_on(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    code = write_code(tmp_path, body("raise KeyError('region')"))
    pid = result(sandbox, code, "pid")
    answer = run(sandbox, code)
    assert answer["ok"] is False
    assert answer["error"]["type"] == "KeyError"
    assert 'File "demo/tasks.py", line' in answer["error"]["traceback"]
    assert str(tmp_path) not in answer["error"]["traceback"]
    assert result(sandbox, code, "pid") == pid


def test_a_killed_task_is_gone_with_all_that_it_started(sandbox: Sandbox, tmp_path: Path) -> None:
    code, pids = write_code(tmp_path, HANGS), tmp_path / "pids"
    attempt = start(sandbox, code, pids=str(pids))
    assert wait_until(pids.exists, 20)
    assert attempt.wait(0.01) is None
    attempt.kill()
    assert not any(map(is_running, read_pids(pids)))
    attempt.kill()


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("os._exit(0)", "ended with exit code 0 before it answered"),
        ("os._exit(3)", "ended with exit code 3 before it answered"),
        ("os.abort()", "ended by SIGABRT before it answered"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "ended by SIGSEGV before it answered"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "by SIGKILL .* perhaps for want of memory"),
        ("os.closerange(3, 256); time.sleep(60)", "closed its channel"),
    ],
)
def test_a_process_that_ends_says_how_and_the_next_task_has_another(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, text: str
) -> None:
    monkeypatch.setattr("cloacina.sandbox.loan.LAST_BREATH_S", 0.5)
    code = write_code(tmp_path, body(line))
    pid = result(sandbox, code, "pid")
    with pytest.raises(ChildDied, match=text):
        run(sandbox, code)
    assert not is_running(pid)
    assert result(sandbox, code, "pid") != pid


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (r"b'\xff\xff\xff\xff'", "sent more than it may"),
        (r"struct.pack('>I', 3) + b'no!'", "wrong form"),
        (r"struct.pack('>I', 4) + b'null'", "wrong form"),
        (r"struct.pack('>I', 2) + b'\xff\xfe'", "wrong form"),
        (r"struct.pack('>I', 200_000) + b'[' * 200_000", "wrong form"),
        (r"struct.pack('>I', 0)", "wrong form"),
    ],
)
def test_garbage_on_the_channel_ends_the_child_and_no_more(
    sandbox: Sandbox, tmp_path: Path, data: str, text: str
) -> None:
    code = write_code(tmp_path, body(f"os.write(channel(), {data})\ntime.sleep(60)"))
    pid = result(sandbox, code, "pid")
    with pytest.raises(ChildDied, match=text):
        run(sandbox, code)
    assert not is_running(pid)
    assert result(sandbox, code, "pid") != pid


def test_half_an_answer_is_none(sandbox: Sandbox, tmp_path: Path) -> None:
    half = r"os.write(channel(), struct.pack('>I', 100) + b'{'); os._exit(0)"
    with pytest.raises(ChildDied, match="ended with exit code 0"):
        run(sandbox, write_code(tmp_path, body(half)))


def test_a_child_that_died_while_it_was_idle_is_replaced(sandbox: Sandbox, tmp_path: Path) -> None:
    code = write_code(tmp_path, PID)
    pid = result(sandbox, code)
    os.kill(pid, signal.SIGKILL)
    wait_gone(pid)
    assert result(sandbox, code) != pid


def test_nothing_stays_in_the_scratch_folder(sandbox: Sandbox, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").touch()
    leaves = f"""
pathlib.Path("file").touch()
pathlib.Path(".hidden").touch()
pathlib.Path("folder/below").mkdir(parents=True)
pathlib.Path("folder/below/file").touch()
os.symlink({str(outside)!r}, "link")
"""
    code = write_code(tmp_path, body(leaves) + finding("os.listdir('.')", task_id="left"))
    assert run(sandbox, code)["ok"]
    assert result(sandbox, code, "left") == []
    assert (outside / "precious").exists()


@pytest.mark.parametrize(
    "line",
    [
        "shutil.rmtree(os.getcwd())",
        "shutil.rmtree(os.getcwd()); open(os.environ['HOME'], 'w').close()",
        "shutil.rmtree(os.getcwd()); os.symlink(context['outside'], os.environ['HOME'])",
    ],
)
def test_a_task_that_spoils_its_scratch_folder_is_done_and_its_child_thrown_away(
    sandbox: Sandbox, tmp_path: Path, line: str
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").touch()
    code = write_code(tmp_path, body(line + "\ncontext.set('found', os.getpid())\nreturn context"))
    pid = result(sandbox, code, outside=str(outside))
    assert result(sandbox, code, "pid") != pid
    assert not is_running(pid)
    assert (outside / "precious").exists()


def test_code_that_cannot_be_imported_is_refused_with_its_own_lines(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    code = write_code(tmp_path, "import not_there\n")
    for refuse in (lambda: sandbox.load(code), lambda: run(sandbox, code)):
        with pytest.raises(LoadFailed, match="No module named 'not_there'") as caught:
            refuse()
        assert 'File "demo/tasks.py", line 2' in caught.value.traceback
        assert str(tmp_path) not in caught.value.traceback


def test_code_that_ends_the_process_while_it_is_imported_is_refused(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    with pytest.raises(ChildDied, match="exit code 7"):
        sandbox.load(write_code(tmp_path, "import os\nos._exit(7)\n"))


def test_code_that_takes_too_long_to_import_is_refused(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloacina.sandbox.pool.LOAD_TIMEOUT_S", 0.3)
    code = write_code(tmp_path, "import time\ntime.sleep(60)\n")
    for refuse in (lambda: sandbox.load(code), lambda: run(sandbox, code)):
        with pytest.raises(LoadFailed, match=r"importing demo.tasks took longer than 0.3 s"):
            refuse()


def test_a_claim_is_held_on_to_while_the_code_is_imported(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloacina.sandbox.pool.LOOK_EVERY_S", 0.05)
    slow = "import pathlib, time\nwhile not pathlib.Path('/nothing').exists(): time.sleep(0.01)\n"
    asked: list[int] = []

    def still_wanted() -> bool:
        asked.append(1)
        return len(asked) < 4

    with pytest.raises(ChildAbandoned):
        start(sandbox, write_code(tmp_path, slow), still_wanted=still_wanted)
    assert len(asked) == 4


def test_large_contexts_go_both_ways(sandbox: Sandbox, tmp_path: Path) -> None:
    text = "ünïcode ☃ " * 300_000
    code = write_code(tmp_path, finding("context['text'] * 2"))
    assert result(sandbox, code, text=text) == text * 2


def test_answers_are_json_as_the_child_wrote_it(sandbox: Sandbox, tmp_path: Path) -> None:
    code = write_code(tmp_path, body("context.set('z', 1); context.set('a', None)\nreturn context"))
    answer = run(sandbox, code, given=[1.5, "☃"])
    assert list(json.loads(answer["context"]).items()) == [
        ("given", [1.5, "☃"]),
        ("z", 1),
        ("a", None),
    ]
    assert run(sandbox, write_code(tmp_path / "x", body("return None"), content_hash="x")) == {
        "ok": True,
        "context": None,
    }


def test_a_tenant_that_is_gone_keeps_no_child_and_gets_none(
    sandbox: Sandbox, host: Host, tmp_path: Path
) -> None:
    mine = write_code(tmp_path / "a", body("time.sleep(1000)"), tenant_id=ACME)
    other = write_code(tmp_path / "b", PID, tenant_id=GLOBEX)
    ended, held, idle = (Sandbox(host) for _ in range(3))
    pids = [result(one, mine, "pid") for one in (ended, held, idle)]
    others = result(sandbox, other)
    idle.rest()
    running = start(ended, mine)

    host.evict(str(ACME))

    with pytest.raises(ChildDied):
        running.wait(20)
    # also the one that a slot keeps for the next task
    for pid in pids:
        wait_gone(pid)
    for one in (ended, held, idle):
        with pytest.raises(ChildDied, match="no process could be started"):
            result(one, mine, "pid")
    assert result(sandbox, other) == others
