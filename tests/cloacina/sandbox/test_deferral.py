"""Tasks that wait without their slot, also when another process goes on with them."""

import json
import time
from pathlib import Path

import pytest

from cloacina.sandbox import Answer, Attempt, Deferred, Resumable, Sandbox
from cloacina.sandbox.errors import ChildDied
from tests.cloacina.sandbox.codes import Output, finding, result, start, write_code

WAITS = """
import os
import time
@cloaca.task()
def it(context, handle):
    print("before")
    handle.defer_until(lambda: os.path.exists(context["file"]), 20)
    print("after")
    context["pid"] = os.getpid()
    return context
""" + finding("os.getpid()", task_id="pid")


def test_a_task_waits_until_its_condition_holds_and_it_is_told_to_go_on(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    code, file, output = write_code(tmp_path, WAITS), tmp_path / "file", Output()
    attempt = start(sandbox, code, file=str(file), on_output=output)
    assert attempt.wait(20) == Deferred(20)
    assert attempt.wait(0.1) is None
    file.touch()
    assert attempt.wait(20) == Resumable()
    assert attempt.wait(0.1) is None
    assert output.out == "before\n"
    attempt.resume()
    assert isinstance(attempt.wait(20), Answer)
    assert output.out == "before\nafter\n"


def test_another_process_of_the_worker_goes_on_with_a_task_that_waits(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    code, file, output = write_code(tmp_path, WAITS), tmp_path / "file", Output()
    attempt = start(sandbox, code, file=str(file))
    assert attempt.wait(20) == Deferred(20)
    state, fds = attempt.detach()
    # the slot goes on with another child meanwhile
    assert result(sandbox, code, "pid") != attempt.pid
    sandbox.rest()

    moved = Attempt.attach(json.loads(json.dumps(state)), fds, output)
    moved.extend(time.monotonic() + 30)
    file.touch()
    assert moved.wait(20) == Resumable()
    moved.resume()
    answer = moved.wait(20)
    assert isinstance(answer, Answer)
    assert json.loads(answer.content["context"])["pid"] == attempt.pid
    assert output.out == "after\n"


def test_a_slot_may_run_other_tasks_beside_one_that_waits(sandbox: Sandbox, tmp_path: Path) -> None:
    code, file = write_code(tmp_path, WAITS), tmp_path / "file"
    attempt = start(sandbox, code, file=str(file))
    assert attempt.wait(20) == Deferred(20)
    assert result(sandbox, code, "pid") != attempt.pid
    file.touch()
    assert attempt.wait(20) == Resumable()
    attempt.resume()
    assert isinstance(attempt.wait(20), Answer)


@pytest.mark.parametrize(
    "frames",
    ['{"resume": true}', '{"defer": -1}', '{"defer": true}', '{"defer": 1}{"defer": 1}'],
)
def test_frames_out_of_turn_end_the_child(sandbox: Sandbox, tmp_path: Path, frames: str) -> None:
    forges = f"""
import os, socket, time
@cloaca.task()
def it(context, handle):
    channel = handle._slot._channel._fd
    for frame in {frames.replace("}{", "}|{").split("|")!r}:
        os.write(channel, len(frame).to_bytes(4, "big") + frame.encode())
    time.sleep(1000)
"""
    attempt = start(sandbox, write_code(tmp_path, forges))
    if frames.count("defer") == 2:
        assert attempt.wait(20) == Deferred(1)
    with pytest.raises(ChildDied, match="an answer of a wrong form"):
        attempt.wait(20)
