"""What must hold between rows, so that the engine can go on with them; looked at once all are in.

What it finds wrong is wrong in the file: what the engine writes never is.
"""

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from functools import lru_cache
from itertools import groupby
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, select, text
from sqlalchemy.orm import Session

from cloacina.dag.graph import Graph
from cloacina.dag.states import TERMINAL_TASK_STATES, TaskState
from cloacina.dag.values import load_json
from cloacina.executions.models import ExecutionRow, TaskRow
from cloacina.packages.models import PackageRow
from cloacina.transfer.errors import TenantImportFailed

# each gives one thing that is wrong; what it is follows
_WRONG: Final = (
    (
        """
        SELECT p.package_name FROM packages p
        WHERE NOT EXISTS (SELECT 1 FROM archive_chunks c WHERE c.package_id = p.id)
            AND (p.deleted_at IS NULL OR EXISTS (
                SELECT 1 FROM workflow_executions e
                WHERE e.package_id = p.id AND e.status IN ('Pending', 'Running', 'Paused')))
        LIMIT 1
        """,
        "the archive of the package {} is missing",
    ),
    (
        """
        SELECT e.id FROM workflow_executions e JOIN packages p ON p.id = e.package_id
        WHERE p.build_status <> 'success' LIMIT 1
        """,
        "the package of the execution {} was never built",
    ),
    (
        """
        SELECT e.id FROM workflow_executions e LEFT JOIN (
            SELECT execution_id, count(*) AS events, max(sequence_num) AS last
            FROM execution_events GROUP BY execution_id) v ON v.execution_id = e.id
        WHERE e.last_event <> COALESCE(v.events, 0) OR e.last_event <> COALESCE(v.last, 0)
        LIMIT 1
        """,
        "the events of the execution {} are not numbered without gaps",
    ),
)


def check_all(session: Session) -> None:
    """Look at all that was put in.

    Parameters:
        session: acts as the tenant.

    Raises:
        TenantImportFailed: says what is wrong.
    """
    for query, wrong in _WRONG:
        found = session.execute(text(query)).first()
        if found is not None:
            raise TenantImportFailed(wrong.format(found[0]))
    graph_of = _graphs(session)
    with closing(_by_execution(session)) as executions:
        for tasks in executions:
            problem = _problem(graph_of(tasks[0].package_id), tasks)
            if problem:
                raise TenantImportFailed(f"the execution {tasks[0].id} {problem}")


def _by_execution(session: Session) -> Generator[Sequence[Row[Any]]]:
    """Give each execution's tasks; of one without any there is one row without a task."""
    query = (
        select(
            ExecutionRow.id,
            ExecutionRow.package_id,
            ExecutionRow.open_tasks,
            ExecutionRow.failed_tasks,
            ExecutionRow.skipped_tasks,
            TaskRow.task_id,
            TaskRow.position,
            TaskRow.status,
            TaskRow.open_dependencies,
        )
        .join(TaskRow, TaskRow.execution_id == ExecutionRow.id, isouter=True)
        .order_by(ExecutionRow.id, TaskRow.position)
    )
    found: Any = session.execute(query, execution_options={"yield_per": 1000})
    with found as rows:
        for _, tasks in groupby(rows, lambda row: row.id):
            yield list(tasks)


def _graphs(session: Session) -> Callable[[UUID], Graph]:
    @lru_cache(maxsize=64)
    def graph_of(package_id: UUID) -> Graph:
        definition = select(PackageRow.definition).where(PackageRow.id == package_id)
        return Graph.from_definition(load_json(session.scalars(definition).one() or "{}"))

    return graph_of


def _problem(graph: Graph, tasks: Sequence[Row[Any]]) -> str | None:
    """Say what is wrong with an execution's tasks, as a predicate."""
    places = [(task.position, task.task_id) for task in tasks]
    if places != list(enumerate(task.id for task in graph.tasks)):
        return "has other tasks than its workflow"
    (execution, *_), states = tasks, [task.status for task in tasks]
    counts = (execution.open_tasks, execution.failed_tasks, execution.skipped_tasks)
    number_open = sum(state not in TERMINAL_TASK_STATES for state in states)
    if counts != (number_open, states.count(TaskState.FAILED), states.count(TaskState.SKIPPED)):
        return "counts its tasks wrongly"
    if number_open and not all(_waits_rightly(graph, tasks, task) for task in tasks):
        return "has a task that waits for others than its workflow says"
    return None


def _waits_rightly(graph: Graph, tasks: Sequence[Row[Any]], task: Row[Any]) -> bool:
    """Say whether a task that has not ended waits for exactly those that it depends on."""
    if task.status in TERMINAL_TASK_STATES:
        return True
    before = graph.task(task.task_id).dependencies
    waits_for = sum(
        tasks[graph.position(name)].status not in TERMINAL_TASK_STATES for name in before
    )
    if task.status == TaskState.NOT_STARTED:
        return waits_for > 0 and bool(waits_for == task.open_dependencies)
    return waits_for == 0
