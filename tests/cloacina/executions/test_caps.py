"""A tenant runs no more tasks at once than it may, however many ask."""

from cloacina.db import Call, Database
from cloacina.executions import claiming, claims
from cloacina.executions.claims import Claim, Completed
from cloacina.executions.transition import SQL
from cloacina.lifecycle.tenants import create_tenant
from tests.cloacina.executions.runs import Runs, task
from tests.cloacina.executions.test_races import WORKERS, together

CAP = 3


def claim(runs: Runs, most: int, number: int = 0) -> tuple[Claim | None, bool]:
    with runs.unit() as unit:
        return claiming.claim_next(unit, runs.graphs, runs.terms(f"w{number}"), None, lambda: most)


def test_at_its_cap_a_tenant_claims_nothing_until_a_task_ends(runs: Runs) -> None:
    runs.start(runs.workflow(*(task(f"t{number}") for number in range(5))))
    held = [claim(runs, CAP) for _ in range(CAP)]
    assert all(found is not None and not is_full for found, is_full in held)
    assert claim(runs, CAP) == (None, True)
    assert claim(runs, CAP + 1)[0] is not None
    for found, _ in held[:2]:
        assert found is not None
        runs.complete(found)
    found, is_full = claim(runs, CAP)
    assert (found is not None, is_full) == (True, False)
    assert claim(runs, CAP) == (None, True)


def test_with_nothing_to_claim_no_cap_is_told(runs: Runs) -> None:
    assert claim(runs, CAP) == (None, False)


def test_a_task_that_waits_without_a_slot_does_not_count(runs: Runs) -> None:
    runs.start(runs.workflow(task("a"), task("b")))
    waits, _ = claim(runs, 1)
    assert waits is not None
    with runs.unit() as unit:
        claims.set_deferred(unit, waits, runs.terms(), deferred=True)
    found, is_full = claim(runs, 1)
    assert (found is not None, is_full) == (True, False)


def test_an_end_that_claims_the_next_stays_at_the_cap(runs: Runs) -> None:
    runs.start(runs.workflow(*(task(f"t{number}") for number in range(6))))
    held = [claim(runs, CAP)[0] for _ in range(CAP)]
    for each in held:
        assert each is not None
        assert runs.finish(each, Completed("{}"), claim_more=True).following is not None
    assert running(runs) == CAP
    assert claim(runs, CAP) == (None, True)


def running(runs: Runs) -> int:
    with runs.unit() as unit:
        return unit.ask(Call(SQL.count_running))[0][0].running


def test_many_that_ask_at_once_get_no_more_than_the_cap_and_no_less(runs: Runs) -> None:
    package = runs.workflow(*(task(f"t{number}") for number in range(4)))
    for _ in range(4):
        runs.start(package)
    for _ in range(5):
        found = [each for each, _ in together(lambda n: claim(runs, CAP, n))]
        held = [each for each in found if each is not None]
        assert len(held) == CAP
        for each in held:
            runs.finish(each, claims.GivenBack())


def test_while_many_claim_and_finish_there_are_never_more_than_the_cap(
    database: Database, tenant_name: str
) -> None:
    runs = Runs(database, create_tenant(database, tenant_name))
    package = runs.workflow(*(task(f"t{number}") for number in range(30)))
    executions = [runs.start(package) for _ in range(3)]
    counted: list[int] = []

    def work(number: int) -> None:
        while any(runs.get(each).completed_at is None for each in executions):
            found, _ = claim(runs, CAP, number)
            while found is not None:
                counted.append(running(runs))
                # as a slot does, that goes on for a while and then does not
                goes_on = len(counted) % 3 != 0
                found = runs.finish(found, Completed("{}"), claim_more=goes_on).following

    together(work, WORKERS)

    assert {runs.get(each).status for each in executions} == {"Completed"}
    assert max(counted) == CAP
