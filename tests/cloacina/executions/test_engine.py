"""A slot at work: real packages, built and run in real children."""

import os
import signal
from uuid import uuid4

import pytest
from sqlalchemy import delete

from cloacina.db import Database
from cloacina.dispatch import Dispatcher
from cloacina.errors import DatabaseUnavailable
from cloacina.executions import claims, finishing
from cloacina.packages.archive import remove_unpacked
from cloacina.packages.models import ArchiveChunkRow
from tests.cloacina.embedded.owners import wait_gone
from tests.cloacina.slots import Desk, open_slot

CHAIN = """
@cloaca.task()
def extract(context):
    context.set("rows", [3, 1, 2])
    return context

@cloaca.task(dependencies=["extract"])
def transform(context):
    context["rows"] = sorted(context["rows"])
    return context

@cloaca.task(dependencies=["transform"])
def load(context):
    context.set("sum", sum(context["rows"]))
    return context
"""
# four tasks side by side
FAN = """
def part(number):
    @cloaca.task(id=f"part{number}", dependencies=["root"])
    def run(context):
        return cloaca.Context({"parts": [number]})

@cloaca.task()
def root(context):
    return None

for number in range(4):
    part(number)

@cloaca.task(dependencies=[f"part{number}" for number in range(4)])
def join(context):
    return context
"""


def one(lines: str, arguments: str = "retry_attempts=1") -> str:
    """Declare one task."""
    body = "".join(f"    {line}\n" for line in lines.strip().split("\n"))
    return f"import os, signal, time\n@cloaca.task({arguments})\ndef it(context):\n{body}"


def fate(desk: Desk, tasks: str) -> tuple[str, str | None]:
    """Run a workflow of one task; gives its state and its error."""
    execution_id = desk.start(desk.built(tasks))
    desk.run_all(execution_id)
    row = desk.runs.row(execution_id, "it")
    return row.status, row.last_error


def test_a_workflow_runs_in_a_slot_to_its_end(desk: Desk) -> None:
    execution_id = desk.start(desk.built(CHAIN), day="monday")
    execution = desk.run_all(execution_id)
    assert execution.status == "Completed"
    assert execution.context == {"day": "monday", "rows": [1, 2, 3], "sum": 6}
    started = [data for kind, _, data in desk.runs.events(execution_id) if kind == "task_started"]
    assert started == [{"attempt": 1, "worker": "worker-1"}] * 3


def test_a_task_that_gives_nothing_hands_its_input_on(desk: Desk) -> None:
    execution = desk.run_all(desk.start(desk.built(one("return None")), given=[1, {"a": "ü"}]))
    assert execution.context == {"given": [1, {"a": "ü"}]}


def test_a_fan_out_asks_other_slots_to_help_and_is_joined(desk: Desk) -> None:
    execution_id = desk.start(desk.built(FAN))
    desk.hints()
    execution = desk.run_all(execution_id)
    assert execution.context == {"parts": [0, 1, 2, 3]}
    # this slot took one of the four itself; a slice that ended adds one for what was left
    assert desk.hints() >= 3


def test_a_chain_asks_nobody_for_help(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloacina.executions.engine.SLICE_S", 60)
    execution_id = desk.start(desk.built(CHAIN))
    desk.hints()
    assert desk.run(execution_id) == 3
    assert desk.hints() == 0


def test_after_its_time_slice_a_slot_hints_once_at_what_is_left(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloacina.executions.engine.SLICE_S", 0)
    monkeypatch.setattr("cloacina.executions.engine.LONGEST_SLICE_S", 0)
    package = desk.built(CHAIN)
    first, second = desk.start(package), desk.start(package)
    desk.hints()
    assert desk.run(first) == 1
    assert desk.hints() == 1
    assert desk.runs.states(first) == {
        "extract": "Completed",
        "transform": "Ready",
        "load": "NotStarted",
    }
    for _ in range(5):
        assert desk.run(None) == 1
    assert [desk.runs.get(each).status for each in (first, second)] == ["Completed"] * 2
    # nothing was left after the last one
    assert desk.hints() == 4


def test_a_slot_goes_on_with_other_executions_of_the_tenant(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloacina.executions.engine.SLICE_S", 60)
    package = desk.built(CHAIN)
    executions = [desk.start(package) for _ in range(3)]
    assert desk.run(executions[1]) == 9
    assert {desk.runs.get(each).status for each in executions} == {"Completed"}


def test_a_hint_for_an_execution_that_is_done_leads_to_another(desk: Desk) -> None:
    package = desk.built(one("return None"))
    done, waiting = desk.start(package), desk.start(package)
    desk.runs.run(done)
    assert desk.run(done) == 1
    assert desk.runs.get(waiting).status == "Completed"
    assert desk.run(uuid4()) == 0


def test_a_task_that_raises_fails_with_its_error_and_its_own_lines(desk: Desk) -> None:
    execution_id = desk.start(desk.built(one("raise KeyError('region')")))
    execution = desk.run_all(execution_id)
    assert (execution.status, execution.error) == (
        "Failed",
        "1 task(s) failed, 0 completed, 0 skipped",
    )
    row = desk.runs.row(execution_id, "it")
    assert row.last_error == "KeyError: 'region'"
    assert row.error_details is not None
    assert 'File "demo/tasks.py", line' in row.error_details
    assert str(desk.slot.settings.home) not in row.error_details


@pytest.mark.parametrize(
    ("lines", "error"),
    [
        ("time.sleep(60)", "timeout: the task took longer than 0.3 s and was killed"),
        ("os._exit(9)", "process_died: the process that ran the code ended with exit code 9"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "process_died: the process that ran the code"),
        ("return 5", "TypeError: Task 'it' returned int"),
        ("return {'a': 1}", "TypeError: Task 'it' returned dict"),
        ("context.set('a', object())", "TypeError: unsupported type"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("raise ValueError('nul \\x00 and \\ud800')", "ValueError: nul \\x00 and \\ud800"),
        ("context.set('t', 'x' * 1_100_000); return context", "context_too_large: the context is"),
    ],
)
def test_a_task_that_cannot_end_well_says_why(desk: Desk, lines: str, error: str) -> None:
    status, found = fate(desk, one(lines, "retry_attempts=1, timeout_s=0.3"))
    assert status == "Failed"
    assert found is not None
    assert found.startswith(error)


def test_an_input_that_has_become_too_large_by_merging_fails_its_task(desk: Desk) -> None:
    package = desk.built("""
def half(name):
    @cloaca.task(id=name)
    def run(context):
        return cloaca.Context({name: "x" * 600_000})

half("a")
half("b")

@cloaca.task(dependencies=["a", "b"])
def it(context):
    return None
""")
    execution_id = desk.start(package)
    desk.run_all(execution_id)
    row = desk.runs.row(execution_id, "it")
    assert (row.status, row.attempt) == ("Failed", 1)
    assert row.last_error is not None
    assert row.last_error.startswith("context_too_large: the context is 1200")
    assert "over the limit of 1048576 bytes" in row.last_error


def test_a_failed_attempt_is_tried_again_when_the_tenant_is_next_due(desk: Desk) -> None:
    package = desk.built(
        "tries = []\n"
        "@cloaca.task(retry_attempts=2, retry_backoff='fixed', retry_delay_ms=2000,"
        " retry_jitter=False)\n"
        "def it(context):\n"
        "    tries.append(1)\n"
        "    if len(tries) == 1:\n"
        "        raise OSError('net')\n"
        "    context.set('done', True)\n"
        "    return context\n"
    )
    execution_id = desk.start(package)
    desk.sweep()
    assert desk.run(execution_id) == 1
    assert desk.run(execution_id) == 0
    due_s, _ = desk.due_in_s()
    assert due_s == pytest.approx(2, abs=1)
    desk.runs.set_task(execution_id, "it", ready_at=-0.01)
    assert desk.run(None) == 1
    assert desk.runs.get(execution_id).context == {"done": True}


def test_an_error_that_no_attempt_would_help_is_not_tried_again(desk: Desk) -> None:
    never = one("raise ValueError('no')", "retry_condition='never'")
    execution_id = desk.start(desk.built(never))
    assert desk.run(execution_id) == 1
    assert desk.runs.row(execution_id, "it").status == "Failed"


def test_no_attempt_follows_a_timeout_where_the_author_wants_none(desk: Desk) -> None:
    never = one("time.sleep(60)", "retry_condition='never', timeout_s=0.2")
    execution_id = desk.start(desk.built(never))
    assert desk.run(execution_id) == 1
    assert desk.runs.row(execution_id, "it").status == "Failed"


def test_a_claim_is_renewed_while_its_task_runs(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloacina.executions.attempts.RENEW_S", 0.05)
    monkeypatch.setattr("cloacina.executions.attempts.LOOK_S", 0.05)
    renewed: list[bool] = []
    renew = claims.renew

    def counted(unit, held):
        tokens = renew(unit, held)
        renewed.append(tokens == {claim.token for claim in held})
        return tokens

    monkeypatch.setattr("cloacina.executions.claims.renew", counted)
    execution_id = desk.start(desk.built(one("time.sleep(0.5)\nreturn context")))
    assert desk.run_all(execution_id).status == "Completed"
    assert len(renewed) >= 3
    assert all(renewed)


def test_a_task_whose_claim_is_lost_is_killed_and_nothing_of_it_is_stored(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("cloacina.executions.attempts.RENEW_S", 0.05)
    monkeypatch.setattr("cloacina.executions.attempts.LOOK_S", 0.05)
    package = desk.built(one("print('it runs', flush=True)\ntime.sleep(60)"))
    execution_id = desk.start(package)
    renew = claims.renew

    def lost_before(unit, held):
        desk.runs.set_task(execution_id, "it", lease_until=-0.01)
        assert desk.runs.give_back() == 1
        return renew(unit, held)

    monkeypatch.setattr("cloacina.executions.claims.renew", lost_before)
    monkeypatch.setattr("cloacina.executions.engine.SLICE_S", 0)
    monkeypatch.setattr("cloacina.executions.engine.LONGEST_SLICE_S", 0)
    assert desk.run(execution_id) == 1
    assert "the claim was lost, its result is not stored" in caplog.text
    # it was given back while it ran, and costs no attempt
    row = desk.runs.row(execution_id, "it")
    assert (row.status, row.attempt, row.claim_token) == ("Ready", 0, None)
    assert desk.runs.kinds(execution_id)[-1] == "task_reset it"


def test_a_package_that_is_not_unpacked_here_any_more_is_unpacked_again(desk: Desk) -> None:
    package = desk.built(one("return None"))
    (folder,) = desk.slot.settings.home.glob(f"cache/*/{package.content_hash}")
    remove_unpacked(folder)
    assert desk.run_all(desk.start(package)).status == "Completed"


def test_an_archive_that_is_gone_fails_the_task_in_words(desk: Desk) -> None:
    package = desk.built(one("return None"))
    (folder,) = desk.slot.settings.home.glob(f"cache/*/{package.content_hash}")
    remove_unpacked(folder)
    with desk.slot.database.tenant(desk.tenant) as session:
        session.execute(delete(ArchiveChunkRow))
    execution_id = desk.start(package)
    desk.run_all(execution_id)
    error = desk.runs.row(execution_id, "it").last_error
    assert error is not None
    assert error.startswith("the package cannot be unpacked: ")


def test_code_that_can_be_imported_no_more_fails_the_task_in_words(desk: Desk) -> None:
    # a module that the build imported well, and that a later import does not
    package = desk.built(
        "import os\nif os.path.exists('/proc/self') and os.environ.get('CLOACINA_VAR_X'):\n"
        "    raise RuntimeError('changed')\n" + one("return None")
    )
    # code is kept in memory by variables, too
    desk.slot.sandbox.variables["CLOACINA_VAR_X"] = "1"
    try:
        execution_id = desk.start(package)
        desk.run_all(execution_id)
    finally:
        del desk.slot.sandbox.variables["CLOACINA_VAR_X"]
    row = desk.runs.row(execution_id, "it")
    assert row.last_error == "the package cannot be loaded: RuntimeError: changed"
    assert row.error_details is not None
    assert 'File "demo/tasks.py", line 4' in row.error_details


def test_a_child_that_dies_between_two_tasks_is_replaced(desk: Desk) -> None:
    package = desk.built(one("context.set('pid', os.getpid())\nreturn context"))
    pid = desk.run_all(desk.start(package)).context["pid"]
    os.kill(pid, signal.SIGKILL)
    wait_gone(pid)
    execution = desk.run_all(desk.start(package))
    assert execution.status == "Completed"
    assert execution.context["pid"] != pid


def test_a_result_is_stored_once_the_database_is_back(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloacina.executions.engine.TRY_AGAIN_S", 0.01)
    away = [True, True, False]
    finish = finishing.finish

    def flaky(*arguments, **more):
        if away.pop(0):
            raise DatabaseUnavailable
        return finish(*arguments, **more)

    execution_id = desk.start(desk.built(one("return None")))
    monkeypatch.setattr("cloacina.executions.finishing.finish", flaky)
    assert desk.run(execution_id) == 1
    assert desk.runs.get(execution_id).status == "Completed"


def test_a_slot_without_a_broker_runs_tasks_all_the_same(
    desk: Desk, either_database: Database, tmp_path
) -> None:
    execution_id = desk.start(desk.built(FAN))
    with open_slot(either_database, "redis://127.0.0.1:1", tmp_path / "home") as alone:
        assert isinstance(alone.dispatcher, Dispatcher)
        while alone.engine.run(desk.tenant.id, execution_id):
            pass
    assert desk.runs.get(execution_id).status == "Completed"
