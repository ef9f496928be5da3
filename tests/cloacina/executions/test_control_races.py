"""Two things at the same moment: whichever comes first, what is stored makes sense.

On PostgreSQL, where they do meet; each many times, since a race that is lost once proves nothing.
"""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from uuid import UUID

import pytest

from cloacina.db import Call, Database
from cloacina.errors import CloacinaError, Conflict
from cloacina.executions import claims
from cloacina.executions.claims import Claim, Completed
from cloacina.executions.errors import LostClaim
from cloacina.executions.transition import SQL
from cloacina.lifecycle.tenants import create_tenant
from tests.cloacina.executions.runs import Runs, chain, failed, task
from tests.cloacina.executions.test_logs import happens, waits_for_a_lock
from tests.cloacina.executions.test_races import together

TIMES = 15
ENDS = frozenset({"workflow_completed", "workflow_failed", "workflow_cancelled"})


@pytest.fixture
def runs(database: Database, tenant_name: str) -> Runs:
    return Runs(database, create_tenant(database, tenant_name))


def at_once(*works: Callable[[], object]) -> list[object]:
    """Do things at the same moment; gives what each gave, or how it was refused."""

    def work(number: int) -> object:
        try:
            return works[number]()
        except CloacinaError as refusal:
            return refusal

    return together(work, len(works))


def check(runs: Runs, execution_id: UUID) -> None:
    """Hold an execution to what is always so."""
    row = runs.execution_row(execution_id)
    states = Counter(runs.states(execution_id).values())
    assert row.open_tasks == sum(states[each] for each in ("NotStarted", "Ready", "Running"))
    assert (row.failed_tasks, row.skipped_tasks) == (states["Failed"], states["Skipped"])
    kinds = [kind for kind, _, _ in runs.events(execution_id)]
    ended = [kind for kind in kinds if kind in ENDS]
    if row.open_tasks:
        assert (ended, row.completed_at) == ([], None)
    else:
        assert ended == [kinds[-1]] == [f"workflow_{row.status.lower()}"]
        assert row.completed_at is not None
    counted = Counter(kinds)
    opened = counted["task_started"] - states["Running"]
    closed = ("task_completed", "task_failed", "task_retry_scheduled", "task_reset")
    assert sum(counted[each] for each in closed) <= opened


@pytest.mark.parametrize("claim_more", [False, True])
def test_a_cancel_and_a_finish(runs: Runs, claim_more: bool) -> None:
    package = runs.workflow(*chain("a", "b"))
    for _ in range(TIMES):
        execution_id = runs.start(package)
        claim = runs.must_claim(execution_id)
        done, cancelled = at_once(
            lambda own=claim: runs.finish(own, Completed("{}"), claim_more=claim_more),
            lambda own=execution_id: runs.cancel(own),
        )
        check(runs, execution_id)
        assert cancelled is None
        assert runs.get(execution_id).status == "Cancelled"
        first = "Skipped" if isinstance(done, LostClaim) else "Completed"
        assert runs.states(execution_id) == {"a": first, "b": "Skipped"}
        assert runs.claim() is None


def test_a_cancel_and_the_finish_of_the_last_task(runs: Runs) -> None:
    package = runs.workflow(*chain("a"))
    for _ in range(TIMES):
        execution_id = runs.start(package)
        claim = runs.must_claim(execution_id)
        done, cancelled = at_once(
            lambda own=claim: runs.complete(own), lambda own=execution_id: runs.cancel(own)
        )
        check(runs, execution_id)
        # one of the two was refused
        assert isinstance(done, LostClaim) != isinstance(cancelled, Conflict)
        expected = "Cancelled" if cancelled is None else "Completed"
        assert runs.get(execution_id).status == expected


def test_a_pause_and_claims(runs: Runs) -> None:
    package = runs.workflow(*(task(f"t{number}") for number in range(4)))
    for _ in range(TIMES):
        execution_id = runs.start(package)
        paused, *claimed = at_once(
            lambda own=execution_id: runs.pause(own),
            lambda own=execution_id: runs.claim(own),
            runs.claim,
            lambda own=execution_id: runs.claim(own),
        )
        check(runs, execution_id)
        assert paused is None
        assert runs.get(execution_id).status == "Paused"
        assert runs.claim() is None
        kinds = runs.kinds(execution_id)
        after = kinds[kinds.index("workflow_paused") :]
        assert not [kind for kind in after if kind.startswith("task_started")]
        assert kinds.count("workflow_paused") == 1
        held = [claim for claim in claimed if isinstance(claim, Claim)]
        assert len(held) == sum(kind.startswith("task_started") for kind in kinds)
        runs.cancel(execution_id)


def test_a_pause_and_a_finish_that_claims_more(runs: Runs) -> None:
    package = runs.workflow(*chain("a", "b"))
    for _ in range(TIMES):
        execution_id = runs.start(package)
        claim = runs.must_claim(execution_id)
        finished, _ = at_once(
            lambda own=claim: runs.finish(own, Completed("{}"), claim_more=True),
            lambda own=execution_id: runs.pause(own),
        )
        check(runs, execution_id)
        kinds = runs.kinds(execution_id)
        was_first = kinds.index("workflow_paused") < kinds.index("task_completed a")
        assert (finished.following is None) == was_first
        assert runs.states(execution_id)["b"] == ("Ready" if was_first else "Running")
        runs.cancel(execution_id)


def test_a_resume_and_a_finish_leave_nothing_waiting(runs: Runs) -> None:
    package = runs.workflow(*chain("a", "b"))
    for _ in range(TIMES):
        execution_id = runs.start(package)
        claim = runs.must_claim(execution_id)
        runs.pause(execution_id)
        at_once(lambda own=claim: runs.complete(own), lambda own=execution_id: runs.resume(own))
        check(runs, execution_id)
        assert runs.must_claim(execution_id).task.id == "b"
        runs.cancel(execution_id)


@pytest.mark.parametrize("claim_more", [False, True])
def test_two_finishers_of_a_join(runs: Runs, claim_more: bool) -> None:
    package = runs.workflow(task("a"), task("b"), task("join", "a", "b"))
    for _ in range(TIMES):
        execution_id = runs.start(package)
        held = [runs.must_claim(execution_id) for _ in range(2)]
        finished = at_once(
            *(
                lambda own=claim: runs.finish(own, Completed("{}"), claim_more=claim_more)
                for claim in held
            )
        )
        check(runs, execution_id)
        assert sorted(each.ready for each in finished) == [0, 1]
        following = [each.following for each in finished if each.following is not None]
        if not claim_more:
            following = [runs.must_claim(execution_id)]
        assert [claim.task.id for claim in following] == ["join"]
        runs.complete(following[0])
        assert runs.get(execution_id).status == "Completed"


def test_ends_that_claim_more_and_claims_from_elsewhere(runs: Runs) -> None:
    package = runs.workflow(*chain("a", "b", "c"))
    taken: list[Claim] = []
    lock = Lock()

    def work(number: int) -> None:
        claim = runs.claim(None, f"w{number}")
        while claim is not None:
            with lock:
                taken.append(claim)
            claim = runs.finish(claim, Completed("{}"), claim_more=True).following

    for _ in range(3):
        executions = [runs.start(package) for _ in range(12)]
        taken.clear()
        while any(runs.get(each).completed_at is None for each in executions):
            together(work)
        assert len({claim.token for claim in taken}) == len(taken)
        names = Counter((claim.execution_id, claim.task.id) for claim in taken)
        assert names == {(each, name): 1 for each in executions for name in "abc"}
        for each in executions:
            check(runs, each)


def test_an_end_that_claims_more_and_another_that_claims_the_same(runs: Runs) -> None:
    package = runs.workflow(*chain("a"))
    for _ in range(TIMES):
        first, second = runs.start(package), runs.start(package)
        claim = runs.must_claim(first)
        finished, other = at_once(
            lambda own=claim: runs.finish(own, Completed("{}"), claim_more=True),
            runs.claim,
        )
        got = [each for each in (finished.following, other) if each is not None]
        # each may have found the other just looking at it, but never both got it
        assert len(got) <= 1
        runs.run(second)
        for each in got:
            runs.complete(each)
        for each in (first, second):
            check(runs, each)
            assert runs.get(each).status == "Completed"


def test_the_end_of_its_time_and_a_finish(runs: Runs) -> None:
    package = runs.workflow(*chain("a", "b"))
    for _ in range(TIMES):
        execution_id = runs.start(package)
        claim = runs.must_claim(execution_id)
        runs.set_execution(execution_id, deadline_at=-1)
        done, ended = at_once(lambda own=claim: runs.complete(own), runs.end_overdue)
        check(runs, execution_id)
        assert ended == 1
        assert runs.get(execution_id).status == "Failed"
        states = runs.states(execution_id)
        first = "Failed" if isinstance(done, LostClaim) else "Completed"
        assert states == {"a": first, "b": "Skipped"}


def test_the_end_of_a_lease_a_finish_and_a_cancel(runs: Runs) -> None:
    package = runs.workflow(*chain("a", "b"))
    for _ in range(TIMES):
        execution_id = runs.start(package)
        claim = runs.must_claim(execution_id)
        runs.set_task(execution_id, "a", lease_until=-1)
        at_once(
            lambda own=claim: runs.finish(own, failed()),
            runs.give_back,
            lambda own=execution_id: runs.cancel(own),
        )
        check(runs, execution_id)
        assert runs.get(execution_id).status == "Cancelled"


def test_of_several_that_do_the_same_one_does_it(runs: Runs) -> None:
    package = runs.workflow(*chain("a"))
    for _ in range(5):
        execution_id = runs.start(package)
        for act, kind in (
            (runs.pause, "workflow_paused"),
            (runs.resume, "workflow_resumed"),
            (runs.cancel, "workflow_cancelled"),
        ):
            done = at_once(*[lambda own=execution_id, act=act: act(own)] * 4)
            assert sum(each is None for each in done) == 1
            assert runs.kinds(execution_id).count(kind) == 1
        check(runs, execution_id)


def test_the_renewal_of_several_claims_waits_for_whoever_holds_their_execution(
    runs: Runs,
) -> None:
    # each taking tasks in an order of its own, the two would wait for each other
    execution_id = runs.start(runs.workflow(task("a"), task("b")))
    held = [runs.must_claim(execution_id) for _ in range(2)]

    def renew() -> set[UUID]:
        with runs.unit() as unit:
            return claims.renew(unit, held)

    with ThreadPoolExecutor(1) as threads:
        with runs.unit() as holder:
            holder.ask(Call(SQL.lock_execution, {"execution_id": execution_id}))
            renewal = threads.submit(renew)
            assert happens(lambda: renewal.done() or waits_for_a_lock(runs.database))
            assert not renewal.done()
        assert renewal.result(20) == {claim.token for claim in held}
