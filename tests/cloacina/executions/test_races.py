"""Many workers at one execution: nothing twice, nothing missed, no gap."""

import json
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from uuid import UUID

from cloacina.executions.claims import Claim, Completed
from cloacina.executions.errors import LostClaim
from tests.cloacina.executions.runs import Runs, chain, failed, task

WORKERS = 6


def together(work: Callable[[int], object], count: int = WORKERS) -> list[object]:
    """Do something in several threads that start at the same moment."""
    start = Barrier(count)

    def begin(number: int) -> object:
        start.wait(10)
        return work(number)

    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(begin, range(count)))


def work_off(runs: Runs, execution_id: UUID | None, taken: list[Claim]) -> Callable[[int], None]:
    """Claim and finish until the execution has ended."""

    def work(number: int) -> None:
        while execution_id is None or runs.get(execution_id).status in ("Pending", "Running"):
            claim = runs.claim(execution_id, f"worker-{number}")
            if claim is not None:
                taken.append(claim)
                runs.complete(claim, **{claim.task.id: number})
            elif execution_id is None:
                return

    return work


def test_a_fan_out_is_worked_off_by_many_with_no_task_twice(runs: Runs) -> None:
    names = [f"t{number}" for number in range(50)]
    package = runs.workflow(task("root"), *(task(n, "root") for n in names), task("join", *names))
    execution_id = runs.start(package)
    taken: list[Claim] = []

    together(work_off(runs, execution_id, taken))

    assert Counter(claim.task.id for claim in taken) == Counter(["root", *names, "join"])
    assert len({claim.token for claim in taken}) == 52
    execution = runs.get(execution_id)
    assert execution.status == "Completed"
    assert execution.context.keys() == {"root", *names, "join"}
    kinds = Counter(kind for kind, _, _ in runs.events(execution_id))
    assert kinds == {
        "workflow_started": 1,
        "task_marked_ready": 52,
        "task_started": 52,
        "task_completed": 52,
        "workflow_completed": 1,
    }


def test_joins_whose_dependencies_end_at_once_become_ready_once(runs: Runs) -> None:
    names = [f"t{number}" for number in range(WORKERS)]
    package = runs.workflow(*(task(n) for n in names), task("one", *names), task("two", *names))
    for _ in range(5):
        execution_id = runs.start(package)
        claimed = [runs.must_claim(execution_id) for _ in names]
        ready = together(lambda n, own=claimed: runs.complete(own[n], **{names[n]: n}).ready)
        assert sorted(ready) == [0] * (WORKERS - 1) + [2]
        kinds = runs.kinds(execution_id)
        assert kinds.count("task_marked_ready one") == kinds.count("task_marked_ready two") == 1
        for _ in range(2):
            merged = json.loads(runs.must_claim(execution_id).input_context)
            assert merged == {name: number for number, name in enumerate(names)}


def test_the_last_tasks_that_end_at_once_end_the_execution_once(runs: Runs) -> None:
    names = [f"t{number}" for number in range(WORKERS)]
    package = runs.workflow(*(task(name) for name in names))
    for _ in range(5):
        execution_id = runs.start(package)
        claimed = [runs.must_claim(execution_id) for _ in names]

        def end(number: int, claimed: list[Claim] = claimed) -> bool:
            outcome = failed() if number % 2 else Completed("{}")
            return runs.finish(claimed[number], outcome).ended

        assert sorted(together(end)) == [False] * (WORKERS - 1) + [True]
        execution = runs.get(execution_id)
        assert execution.error == "3 task(s) failed, 3 completed, 0 skipped"
        assert runs.kinds(execution_id).count("workflow_failed") == 1


def test_of_several_that_claim_one_task_one_gets_it(runs: Runs) -> None:
    package = runs.workflow(*chain("a"))
    for _ in range(5):
        execution_id = runs.start(package)
        claimed = together(lambda n, own=execution_id: runs.claim(own, f"w{n}"))
        assert sum(claim is not None for claim in claimed) == 1


def test_of_a_result_that_is_brought_several_times_one_is_stored(runs: Runs) -> None:
    package = runs.workflow(*chain("a", "b"))
    for _ in range(5):
        execution_id = runs.start(package)
        claim = runs.must_claim(execution_id)

        def bring(number: int, claim: Claim = claim) -> bool:
            try:
                runs.complete(claim, by=number)
            except LostClaim:
                return False
            return True

        stored = together(bring)
        assert stored.count(True) == 1
        after = runs.must_claim(execution_id)
        assert json.loads(after.input_context) == {"by": stored.index(True)}


def test_a_result_and_a_sweep_at_the_same_moment_agree(runs: Runs) -> None:
    package = runs.workflow(*chain("a", "b"))
    for _ in range(8):
        execution_id = runs.start(package)
        claim = runs.must_claim(execution_id)
        runs.set_task(execution_id, "a", lease_until=-1)

        def at_once(number: int, claim: Claim = claim) -> bool:
            if number % 2:
                return runs.give_back() == 1
            try:
                runs.complete(claim)
            except LostClaim:
                return False
            return True

        stored, given_back = together(at_once, 2)
        assert stored != given_back
        expected = ("Completed", "Ready") if stored else ("Ready", "NotStarted")
        assert tuple(runs.states(execution_id).values()) == expected
        assert runs.kinds(execution_id).count("task_reset a") == int(bool(given_back))


def test_many_executions_are_worked_off_by_many_with_no_task_twice(runs: Runs) -> None:
    package = runs.workflow(*chain("a", "b"))
    executions = [runs.start(package) for _ in range(25)]
    taken: list[Claim] = []

    together(work_off(runs, None, taken))

    assert len({claim.id for claim in taken}) == len(taken)
    # what nobody saw, since another was just at it, is found with the next look
    work_off(runs, None, taken)(0)
    assert Counter(claim.execution_id for claim in taken) == dict.fromkeys(executions, 2)
    assert {runs.get(each).status for each in executions} == {"Completed"}
