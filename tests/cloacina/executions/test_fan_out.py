"""A fan-out of a thousand: each end costs as much as in a fan-out of ten."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from cloacina.db import Call, Database, Row, Unit
from cloacina.db.sql_file import make_statement
from cloacina.executions import finishing
from cloacina.executions.claims import Claim, Completed
from cloacina.executions.finishing import Finished
from cloacina.lifecycle.tenants import create_tenant
from tests.cloacina.executions.runs import Runs, task

# of this session, as far as it has not told of them yet; a row that is changed is read before
TOUCHED_ROWS = """
SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0)::int AS written,
    coalesce(sum(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0)), 0)::int AS read
FROM pg_stat_xact_user_tables WHERE schemaname = current_schema()
"""
TOUCHED = Call(make_statement("touched", TOUCHED_ROWS, ""))


@dataclass
class Counted:
    """A unit that counts what it is asked.

    Parameters:
        unit: the one that does it.
    """

    unit: Unit
    round_trips: int = 0
    statements: int = 0
    written: int = 0
    read: int = 0
    before: Row = None
    opened: Sequence[Row] = ()

    def ask(self, *calls: Call) -> list[list[Row]]:
        self.round_trips += 1
        self.statements += len(calls)
        if self.before is None:
            ((self.before,), *rows) = self.unit.ask(TOUCHED, *calls)
            return rows
        return self.unit.ask(*calls)

    def commit(self, *calls: Call) -> list[list[Row]]:
        *rows, (touched,) = self.ask(*calls, TOUCHED)
        self.statements -= 1
        self.written = touched.written - self.before.written
        self.read = touched.read - self.before.read
        self.unit.commit()
        return rows

    @property
    def cost(self) -> tuple[int, int, int]:
        """Round trips, statements, rows written."""
        return self.round_trips, self.statements, self.written


class CountedRuns(Runs):
    """Runs whose ends are counted."""

    def end(self, claim: Claim, output: str, *, claim_more: bool) -> tuple[Finished, Counted]:
        with self.counted() as unit:
            finished = finishing.finish(
                unit,
                self.graphs,
                self.terms(),
                claim,
                Completed(output),
                tenant_id=self.tenant.id,
                claim_more=claim_more,
            )
        return finished, unit

    @contextmanager
    def counted(self) -> Iterator[Counted]:
        with self.unit() as unit:
            yield Counted(unit)


@pytest.fixture
def counted_runs(database: Database, tenant_name: str) -> CountedRuns:
    return CountedRuns(database, create_tenant(database, tenant_name))


def fan(runs: Runs, width: int) -> Any:
    names = [f"t{number}" for number in range(width)]
    package = runs.workflow(task("root"), *(task(n, "root") for n in names), task("join", *names))
    return runs.start(package)


@pytest.mark.parametrize("claim_more", [False, True])
def test_an_end_among_a_thousand_costs_what_one_among_ten_does(
    counted_runs: CountedRuns, claim_more: bool
) -> None:
    runs = counted_runs
    costs: dict[int, list[Counted]] = {}
    for width in (10, 1000):
        execution_id = fan(runs, width)
        runs.complete(runs.must_claim(execution_id))
        claim = runs.must_claim(execution_id)
        costs[width] = []
        for _ in range(8):
            finished, unit = runs.end(claim, "{}", claim_more=claim_more)
            costs[width].append(unit)
            claim = finished.following or runs.must_claim(execution_id)
        runs.cancel(execution_id)
    (few,) = {unit.cost for unit in costs[10]}
    (many,) = {unit.cost for unit in costs[1000]}
    assert many == few
    assert max(unit.read for unit in costs[1000]) <= 30, [unit.read for unit in costs[1000]]
    assert few[0] <= 2


def test_all_of_a_thousand_are_readied_with_as_many_statements_as_ten(
    counted_runs: CountedRuns,
) -> None:
    runs = counted_runs
    found = []
    for width in (10, 1000):
        execution_id = fan(runs, width)
        finished, unit = runs.end(runs.must_claim(execution_id), "{}", claim_more=False)
        assert finished.ready == width
        found.append((unit.round_trips, unit.statements))
        runs.cancel(execution_id)
    assert found[0] == found[1]


def test_a_thousand_tasks_and_their_join_run_to_the_end(counted_runs: CountedRuns) -> None:
    runs = counted_runs
    execution_id = fan(runs, 1000)
    claim: Claim | None = runs.must_claim(execution_id)
    statements: Counter[int] = Counter()
    while claim is not None:
        output = '{"%s": 1}' % claim.task.id  # noqa: UP031  # braces all over otherwise
        finished, unit = runs.end(claim, output, claim_more=True)
        statements[unit.statements] += 1
        claim = finished.following
    execution = runs.get(execution_id)
    assert execution.status == "Completed"
    assert execution.context == {"join": 1}
    assert runs.row(execution_id, "join").attempt == 1
    # all but the root, the last one before the join, and the join
    assert statements.most_common(1)[0][1] >= 997
