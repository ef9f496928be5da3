"""How a child process lives and ends."""

import os
import select
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cloaca.children import DEADLINE_S

ECHO = "import cloaca\ncloaca.task(id='job')(lambda context: context)"


def ends_within_deadline(pid):
    """Wait for a process that is not a child of this one; tell whether it ended."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([pidfd], [], [], DEADLINE_S)[0])
    finally:
        os.close(pidfd)


def test_a_child_ends_when_its_socket_is_closed(loaded):
    child = loaded(ECHO)
    child.socket.close()
    assert child.wait() == 0
    assert child.stderr == ""


def test_threads_and_exit_handlers_do_not_keep_a_child(loaded):
    child = loaded("""
        import atexit, threading
        import cloaca

        @cloaca.task()
        def job(context):
            atexit.register(threading.Event().wait)
            threading.Thread(target=threading.Event().wait).start()
            return context
    """)
    assert child.run("job", {"a": 1}) == {"a": 1}
    child.socket.close()
    assert child.wait() == 0


@pytest.mark.parametrize(
    "sent",
    [
        (64 * 1024 * 1024 + 1).to_bytes(4, "big"),
        b"GET / HTTP/1.1\r\n",
        b"\0\0\0\3{no",
        b"\0\0\0\2[]",
        b"\0\0\0\x0d" + b'{"op":"exit"}',
    ],
)
def test_a_child_ends_when_it_is_sent_what_is_no_request(start_child, sent):
    child = start_child()
    child.socket.sendall(sent)
    assert child.wait() == 1
    assert child.stderr.startswith("This is not a request: ")


def test_a_child_ends_when_a_request_breaks_off(start_child):
    child = start_child()
    child.socket.sendall(b"\0\0\0\x09{}")
    child.socket.close()
    assert child.wait() == 1


def test_a_child_that_nobody_listens_to_ends(loaded):
    child = loaded("""
        import os, time
        import cloaca

        @cloaca.task()
        def job(context):
            os.read(os.open(context["fifo"], os.O_RDONLY), 1)
            return context
    """)
    fifo = str(child.folder / "fifo")
    os.mkfifo(fifo)
    child.send(b'{"op":"run","task":"job","context":"{\\"fifo\\":\\"%s\\"}"}' % fifo.encode())
    with open(fifo, "w"):  # noqa: PTH123 - opens when the task reads
        child.socket.close()
    assert child.wait() == 0


def test_a_child_whose_answer_nobody_reads_ends(loaded):
    child = loaded(ECHO)
    child.send(b'{"op":"run","task":"job","context":"{}"}')
    assert select.select([child.socket], [], [], DEADLINE_S)[0]
    child.socket.close()
    assert child.wait() == 0
    assert child.stderr == ""


def test_a_request_may_come_in_pieces(start_child, write_package):
    child = start_child()
    child.load(write_package(ECHO))
    body = b'{"op":"run","task":"job","context":"{}"}'
    for byte in len(body).to_bytes(4, "big") + body:
        child.socket.sendall(bytes([byte]))
    assert child.receive() == {"ok": True, "context": "{}"}


def test_a_long_context_goes_both_ways(loaded):
    child = loaded(ECHO)
    context = {"rows": ["x" * 1000] * 8000}
    assert child.run("job", context) == context


@pytest.mark.skipif(sys.platform != "linux", reason="processes are looked up in /proc")
def test_what_a_task_starts_does_not_keep_the_socket(loaded):
    child = loaded("""
        import os, subprocess
        import cloaca

        def sockets(folder):
            links = [os.readlink(entry.path) for entry in os.scandir(folder)
                     if os.path.islink(entry.path)]
            return [link for link in links if link.startswith("socket:")]

        @cloaca.task()
        def job(context):
            process = subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE, close_fds=False)
            context["program"] = sockets(f"/proc/{process.pid}/fd")
            process.communicate()
            reader, writer = os.pipe()
            if os.fork() == 0:
                os.write(writer, repr(sockets("/proc/self/fd")).encode())
                os._exit(0)
            os.wait()
            context["fork"] = os.read(reader, 1000).decode()
            context["own"] = len(sockets("/proc/self/fd"))
            return context
    """)
    assert child.run("job") == {"program": [], "fork": "[]", "own": 1}


def test_a_forked_copy_that_comes_back_from_a_task_ends_without_an_answer(loaded):
    child = loaded("""
        import os
        import cloaca

        @cloaca.task()
        def job(context):
            pid = os.fork()
            if pid == 0:
                context["who"] = "copy"
                return context
            os.waitpid(pid, 0)
            context["who"] = "task"
            return context
    """)
    for _ in range(2):
        assert child.run("job") == {"who": "task"}


PARENT = """
import json, sys
from pathlib import Path

sys.path.insert(0, sys.argv[1])
from tests.cloaca.children import Child

sdk, package, folder = map(Path, sys.argv[2:])
child = Child(sdk, folder)
assert child.load(package)["ok"]
child.send(json.dumps({"op": "run", "task": "job", "context": "{}"}).encode())
sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells of a parent's death")
def test_a_busy_child_dies_with_its_parent(sdk, write_package, tmp_path):
    package = write_package("""
        import os, threading
        import cloaca

        @cloaca.task()
        def job(context):
            with open("pid", "w") as fifo:
                fifo.write(str(os.getpid()))
            threading.Event().wait()
    """)
    os.mkfifo(tmp_path / "pid")
    reader = os.open(tmp_path / "pid", os.O_RDONLY | os.O_NONBLOCK)
    project = Path(__file__).parents[2]
    command = [sys.executable, "-c", PARENT, project, sdk, package, tmp_path]
    try:
        with subprocess.Popen(command, stdin=subprocess.PIPE) as parent:
            assert select.select([reader], [], [], DEADLINE_S)[0]
            child = int(os.read(reader, 20))
            parent.kill()
            assert ends_within_deadline(child)
    finally:
        os.close(reader)
