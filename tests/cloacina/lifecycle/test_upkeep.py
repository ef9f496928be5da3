"""What workers do besides running tasks: builds, lost claims, the next wake-up."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import func, select, update

from cloacina import logs
from cloacina.db import Database
from cloacina.dispatch import HINT_LOST_S
from cloacina.lifecycle import upkeep
from cloacina.packages import builds
from cloacina.packages import services as packages
from cloacina.packages.models import ArchiveChunkRow
from cloacina.processes import wait_until
from cloacina.tenants import services as tenants
from tests.cloacina.audit.lines import lines
from tests.cloacina.executions.runs import failed
from tests.cloacina.packages.archives import demo_archive
from tests.cloacina.slots import Desk, open_slot

ONE = "@cloaca.task()\ndef it(context):\n    return context\n"


def build_error(desk: Desk, tasks: str, **files: str) -> str:
    """Build what cannot be built; gives why."""
    package_id = desk.upload(tasks, **files)
    desk.build()
    package = desk.package(package_id)
    assert (package.build_status, package.active) == ("failed", False)
    assert package.build_error
    return package.build_error


def test_a_build_makes_the_package_active_with_what_its_code_declares(desk: Desk) -> None:
    package = desk.built(
        '"""Moves rows."""\n@cloaca.workflow_params(day=str)\n'
        "@cloaca.task()\ndef first(context):\n    pass\n"
        "@cloaca.task(dependencies=[first])\ndef second(context):\n    pass\n"
    )
    assert package.active
    assert package.definition is not None
    tasks = [(task["id"], task["dependencies"]) for task in package.definition["tasks"]]
    assert tasks == [("first", []), ("second", ["first"])]
    assert [slot["name"] for slot in package.definition["params"]] == ["day"]
    assert package.workflow_version is not None
    assert len(package.workflow_version) == 16


def test_all_that_waits_is_built_and_one_that_fails_delays_no_other(desk: Desk) -> None:
    ids = [desk.upload(tasks) for tasks in (ONE, "import not_there\n", ONE)]
    desk.build()
    states = [desk.package(package_id).build_status for package_id in ids]
    assert states == ["success", "failed", "success"]


def test_the_audit_log_says_how_each_build_ended_and_for_which_request(desk: Desk) -> None:
    for name, tasks in (("right", ONE), ("wrong", "import not_there\n")):
        desk.upload(tasks, name=name)
    token = logs.request_id.set("the-upload")
    try:
        desk.build()
    finally:
        logs.request_id.reset(token)
    events = lines(desk.slot.database, action="package.build", request_id="the-upload")
    assert [(event.subject, event.outcome) for event in reversed(events)] == [
        ("right", "ok"),
        ("wrong", "build_failed"),
    ]
    assert {event.tenant_name for event in events} == {desk.tenant.name}
    assert {event.key_id for event in events} == {None}


@pytest.mark.parametrize(
    ("tasks", "error"),
    [
        ("import not_there\n", "ModuleNotFoundError: No module named 'not_there'"),
        ("x = 1\n", "ValueError: Empty package: registered no tasks"),
        ("def broken(:\n", "SyntaxError: "),
        (ONE + ONE, "ValueError: "),
        (
            "@cloaca.task(dependencies=['b'])\ndef a(context): pass\n"
            "@cloaca.task(dependencies=['a'])\ndef b(context): pass\n",
            "Circular dependency detected: [a -> b -> a]",
        ),
        (
            "@cloaca.task(dependencies=['nope'])\ndef a(context): pass\n",
            "Missing dependency: task 'a' depends on 'nope' which is not registered",
        ),
        ("import os\nos._exit(4)\n", "the process that ran the code ended with exit code 4"),
        ("raise ValueError('nul \\x00 inside')\n", "ValueError: nul \\x00 inside"),
    ],
)
def test_what_cannot_be_built_says_why(desk: Desk, tasks: str, error: str) -> None:
    found = build_error(desk, tasks)
    assert found.startswith(error)
    assert str(desk.slot.settings.home) not in found


@pytest.mark.parametrize(
    "forged",
    [
        "'params': {}",
        "'params': [{'name': 'p'}]",
        "'tasks': 5",
        "'tasks': []",
        "'description': {}",
        "'triggers': [{'name': 't'}]",
    ],
)
def test_a_definition_that_a_packages_code_forged_is_refused(desk: Desk, forged: str) -> None:
    lines = (
        "import json, os, struct, sys\n"
        "definition = {'description': None, 'tasks': [{'id': 'a', 'dependencies': []}],"
        " 'params': [], 'triggers': []}\n"
        f"definition.update({{{forged}}})\n"
        "answer = json.dumps({'ok': True, 'definition': definition}).encode()\n"
        "os.write(int(sys.argv[1]), struct.pack('>I', len(answer)) + answer)\n"
    )
    build_error(desk, lines)


def test_a_failed_build_leaves_the_old_version_running(desk: Desk) -> None:
    package = desk.built(ONE, name="steady")
    desk.upload("import not_there\n", name="steady", version="2.0.0")
    desk.build()
    assert desk.run_all(desk.start(package)).status == "Completed"


def test_a_version_that_is_superseded_goes_on_for_its_executions(desk: Desk) -> None:
    old = desk.built(ONE.replace("it", "old"), name="two")
    execution_id = desk.start(old)
    newer = ONE.replace("it", "new")
    new = desk.built(newer, name="two", version="2.0.0")
    later = desk.start(new)
    for each, name in ((execution_id, "old"), (later, "new")):
        assert desk.run_all(each).status == "Completed"
        assert list(desk.runs.states(each)) == [name]


def count_chunks(desk: Desk) -> int:
    with desk.slot.database.tenant(desk.tenant) as session:
        return session.scalars(select(func.count()).select_from(ArchiveChunkRow)).one()


def test_what_is_stored_of_a_deleted_package_goes_with_its_last_execution(desk: Desk) -> None:
    package = desk.built(ONE)
    execution_id = desk.start(package)
    with desk.slot.database.tenant(desk.tenant) as session:
        packages.delete_version(session, package.package_name, "1.0.0")
    desk.build()
    assert count_chunks(desk) == 1
    assert desk.run_all(execution_id).status == "Completed"
    desk.build()
    assert count_chunks(desk) == 0
    # the package's row stays, since executions tell their package's name
    assert desk.runs.get(execution_id).package_name == package.package_name


def test_packages_that_may_want_it_are_looked_after_again_after_the_interval(desk: Desk) -> None:
    package = desk.built(ONE)
    desk.start(package)
    with desk.slot.database.tenant(desk.tenant) as session:
        # dropped once nothing runs it
        packages.delete_version(session, package.package_name, "1.0.0")
    desk.build(interval_s=40)
    due_s, reconcile_s = desk.due_in_s()
    assert reconcile_s == pytest.approx(40, abs=1)
    assert due_s <= 40


def test_a_build_that_somebody_else_has_is_looked_after_again(desk: Desk) -> None:
    desk.upload(ONE)
    with desk.slot.database.tenant(desk.tenant) as session:
        builds.claim_next(session)
    desk.build(interval_s=40)
    assert desk.due_in_s()[1] == pytest.approx(40, abs=1)


def test_a_tenant_that_wants_nothing_is_left_alone_for_long(desk: Desk) -> None:
    desk.built(ONE)
    desk.sweep()
    assert min(desk.due_in_s()) > tenants.IDLE_S / 2 - 1


def test_a_look_that_an_upload_would_leave_as_it_is_is_not_put_off(desk: Desk) -> None:
    desk.build(interval_s=HINT_LOST_S)
    assert desk.due_in_s()[1] <= HINT_LOST_S


def test_a_moment_near_enough_for_whoever_had_work_is_not_put_off(desk: Desk) -> None:
    desk.built(ONE)
    desk.sweep(due_in_s=HINT_LOST_S)
    assert desk.due_in_s()[0] <= HINT_LOST_S


def test_a_tenant_with_an_open_execution_is_swept_regularly(desk: Desk) -> None:
    execution_id = desk.start(desk.built(ONE))
    desk.runs.must_claim(execution_id)
    desk.sweep()
    assert desk.due_in_s()[0] == pytest.approx(upkeep.SWEEP_S, abs=1)


def test_a_tenant_whose_tasks_wait_is_due_again_lest_their_hints_were_lost(desk: Desk) -> None:
    desk.start(desk.built(ONE))
    desk.sweep()
    assert desk.due_in_s()[0] == pytest.approx(HINT_LOST_S, abs=1)


def test_a_tenant_with_a_retry_is_due_at_its_moment(desk: Desk) -> None:
    execution_id = desk.start(desk.built(ONE))
    desk.runs.finish(desk.runs.must_claim(execution_id), failed(retryable=True))
    for seconds, due_s in ((1.5, 1.5), (600, upkeep.SWEEP_S)):
        desk.runs.set_task(execution_id, "it", ready_at=seconds)
        desk.sweep()
        assert desk.due_in_s()[0] == pytest.approx(due_s, abs=1)


def test_lost_claims_are_given_back_and_their_tasks_run(desk: Desk) -> None:
    execution_id = desk.start(desk.built(ONE))
    desk.runs.must_claim(execution_id, worker="gone")
    desk.sweep()
    assert desk.run(execution_id) == 0
    desk.runs.set_task(execution_id, "it", lease_until=-0.01)

    def is_given_back() -> bool:
        # nobody is held to a lease in the first seconds of a database
        desk.sweep()
        return desk.run(None) == 1

    assert wait_until(is_given_back, 30)
    kinds = desk.runs.kinds(execution_id)
    assert kinds.count("task_reset it") == 1
    assert kinds[-1] == "workflow_completed"


def test_a_sweep_does_not_undo_a_wake_up_that_came_meanwhile(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_back_lost = upkeep.finishing.give_back_lost
    woken = threading.Event()

    def meanwhile(*arguments: Any) -> int:
        # on SQLite writers wait for one another, so nothing can come between
        if not desk.slot.database.is_sqlite:
            with desk.slot.database.platform() as session:
                tenants.wake(session, desk.tenant.id, 1)
            woken.set()
        return give_back_lost(*arguments)

    monkeypatch.setattr("cloacina.executions.finishing.give_back_lost", meanwhile)
    desk.sweep()
    assert (desk.due_in_s()[0] <= 1) is woken.is_set()


def test_several_slots_that_look_after_a_tenant_build_each_package_once(
    desk: Desk, either_database: Database, broker_url: str, tmp_path
) -> None:
    ids = [desk.upload(ONE) for _ in range(6)]
    with (
        open_slot(either_database, broker_url, tmp_path / "home") as second,
        ThreadPoolExecutor(2) as threads,
    ):
        desks = [desk, Desk(second, desk.tenant, broker_url)]
        list(threads.map(lambda each: each.build(), desks))
    assert {desk.package(package_id).build_status for package_id in ids} == {"success"}


def test_an_archive_whose_bytes_are_damaged_fails_its_build(desk: Desk) -> None:
    package_id = desk.upload(ONE)
    with desk.slot.database.tenant(desk.tenant) as session:
        session.execute(
            update(ArchiveChunkRow)
            .where(ArchiveChunkRow.package_id == package_id)
            .values(data=demo_archive().getvalue()[:-20])
        )
    desk.build()
    package = desk.package(package_id)
    assert package.build_status == "failed"
    assert package.build_error
