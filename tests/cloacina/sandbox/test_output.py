"""What tasks write and log: passed on as it comes, and whole before the answer."""

import time
from pathlib import Path

import pytest

from cloacina.sandbox import Sandbox
from cloacina.sandbox.errors import ChildDied
from tests.cloacina.sandbox.codes import Output, result, run, start, write_code

MANY = 100_000_000

WRITES = f"""
import logging, os, subprocess, sys, time

print("while it is imported")

@cloaca.task()
def it(context):
    print("to stdout ✓", end="")
    sys.stderr.write("to stderr \\udc80\\n")
    logging.getLogger("etl").info("%d rows", 3)
    logging.debug("nobody wants to know")
    return context

@cloaca.task()
def much(context):
    line = "x" * 99 + "\\n"
    for _ in range({MANY} // 1_000_000):
        sys.stdout.write(line * 10_000)

@cloaca.task()
def reads_state(context):
    same = os.fstat(1).st_mode == os.fstat(2).st_mode
    return cloaca.Context({{"found": [sys.stdout.closed, same]}})

@cloaca.task()
def dies(context):
    print("the last words")
    sys.stdout.flush()
    os._exit(3)

@cloaca.task()
def leaves_a_writer(context):
    subprocess.Popen(["/bin/sh", "-c", "while :; do echo nobody asked; done"])

@cloaca.task()
def own_configuration(context):
    logging.basicConfig(level=logging.DEBUG, format="own %(message)s", force=context["force"])
    logging.getLogger("etl").info("hello")
"""


@pytest.fixture
def output() -> Output:
    return Output()


def test_output_and_logs_come_before_the_answer(
    sandbox: Sandbox, output: Output, tmp_path: Path
) -> None:
    code = write_code(tmp_path, WRITES)
    run(sandbox, code, on_output=output)
    assert output.out == "while it is imported\nto stdout ✓"
    assert output.err == "to stderr \\udc80\nINFO etl: 3 rows\n"


def test_each_task_has_its_own_output(sandbox: Sandbox, tmp_path: Path) -> None:
    code = write_code(tmp_path, WRITES)
    for lends in range(2):
        for uses in range(2):
            output = Output()
            run(sandbox, code, on_output=output)
            assert output.out.endswith("to stdout ✓")
            assert output.out.startswith("while") is (lends == uses == 0)
        sandbox.rest()


def test_a_hundred_megabytes_are_read_quickly(sandbox: Sandbox, tmp_path: Path) -> None:
    code = write_code(tmp_path, WRITES)
    run(sandbox, code)
    sizes: list[int] = []
    began = time.monotonic()
    run(sandbox, code, "much", on_output=lambda _, data: sizes.append(len(data)), timeout_s=60)
    assert sum(sizes) == MANY
    assert time.monotonic() - began < 20
    # never more at once than a pipe holds
    assert max(sizes) <= 1024 * 1024
    run(sandbox, code)


def test_a_task_that_writes_more_than_is_read_waits(sandbox: Sandbox, tmp_path: Path) -> None:
    attempt = start(sandbox, write_code(tmp_path, WRITES), "much")
    assert attempt.wait(0) is None
    attempt.kill()


def test_what_a_process_wrote_before_it_ended_is_not_lost(
    sandbox: Sandbox, output: Output, tmp_path: Path
) -> None:
    with pytest.raises(ChildDied, match="exit code 3"):
        run(sandbox, write_code(tmp_path, WRITES), "dies", on_output=output)
    assert output.out.endswith("the last words\n")


def test_what_a_left_process_writes_is_not_the_next_tasks(sandbox: Sandbox, tmp_path: Path) -> None:
    code = write_code(tmp_path, WRITES)
    run(sandbox, code, "leaves_a_writer")
    for _ in range(2):
        output = Output()
        run(sandbox, code, on_output=output)
        assert output.out == "to stdout ✓"


def test_a_task_may_close_its_output(sandbox: Sandbox, tmp_path: Path) -> None:
    closes = "\n@cloaca.task()\ndef closes(context):\n    CLOSE\n    return None\n"
    for number, way in enumerate(("os.closerange(0, 3)", "sys.stdout.close(); sys.stderr.close()")):
        code = write_code(tmp_path, WRITES + closes.replace("CLOSE", way), content_hash=f"{number}")
        run(sandbox, code, "closes")
        output = Output()
        run(sandbox, code, on_output=output)
        assert "to stdout ✓" in output.out
        assert result(sandbox, code, "reads_state") == [False, True]


def test_only_force_replaces_the_servers_logging(sandbox: Sandbox, tmp_path: Path) -> None:
    code = write_code(tmp_path, WRITES)
    for force, line in ((False, "INFO etl: hello\n"), (True, "own hello\n")):
        output = Output()
        run(sandbox, code, "own_configuration", on_output=output, force=force)
        assert output.err == line
