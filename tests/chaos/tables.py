"""Reads what the tables say of all tenants, as the database's superuser."""

import json
from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg import Connection
from psycopg.sql import SQL, Identifier

from tests.chaos.evidence import Event, Execution, Lease, Sample, Task

_EXECUTIONS = SQL("SELECT id, coalesce(idempotency_key, ''), workflow_name, status FROM {}")
_TASKS = SQL(
    "SELECT execution_id, task_id, status, attempt, max_attempts, resets,"
    " coalesce(last_error, ''), output_context FROM {}"
)
_EVENTS = SQL(
    "SELECT execution_id, sequence_num, event_type, task_id, extract(epoch FROM created_at),"
    " event_data FROM {}"
)
_LEASES = SQL(
    "SELECT extract(epoch FROM statement_timestamp()), execution_id, task_id, worker,"
    " extract(epoch FROM lease_until), coalesce(sub_status, '') = 'Deferred' FROM {}"
    " WHERE status = 'Running' AND lease_until IS NOT NULL"
)
_BLOCKED = SQL(
    "SELECT extract(epoch FROM now()), count(*) FILTER (WHERE wait_event_type = 'Lock'"
    " AND state = 'active' AND query_start < now() - interval '1 second') FROM pg_stat_activity"
)
_OPEN = SQL(
    "SELECT count(*) AS open FROM {} WHERE status NOT IN ('Completed','Failed','Cancelled')"
)
_RUNNING = SQL("SELECT count(*) AS open FROM {} WHERE status = 'Running'")


def connect(url: str) -> "Connection[Any]":
    """Connect in autocommit, with little patience."""
    return psycopg.connect(url, autocommit=True, connect_timeout=2)


def read(
    connection: "Connection[Any]", tenants: Sequence[str]
) -> tuple[list[Execution], list[Task], list[Event]]:
    """Read all executions, tasks and events of these tenants."""
    executions, tasks, events = [], [], []
    for tenant in tenants:
        for id_, key, workflow, status in connection.execute(
            _EXECUTIONS.format(Identifier(tenant, "workflow_executions"))
        ):
            executions.append(Execution(str(id_), key, tenant, workflow, status))
        for id_, *rest, output in connection.execute(
            _TASKS.format(Identifier(tenant, "task_executions"))
        ):
            tokens = json.loads(output).get("tokens", {}) if output else {}
            tasks.append(Task(str(id_), *rest, tokens))
        for id_, number, kind, task_id, at, data in connection.execute(
            _EVENTS.format(Identifier(tenant, "execution_events"))
        ):
            details = json.loads(data) if data else {}
            events.append(Event(str(id_), number, kind, task_id, float(at), details))
    return executions, tasks, events


def sample(connection: "Connection[Any]", tenants: Sequence[str]) -> Sample:
    """See which leases there are, in all tenants' tables at one moment."""
    query = SQL(" UNION ALL ").join(
        _LEASES.format(Identifier(tenant, "task_executions")) for tenant in tenants
    )
    rows = connection.execute(query).fetchall()
    leases = [
        Lease(str(id_), task_id, int(worker.rpartition("-")[2]), float(until), deferred)
        for _, id_, task_id, worker, until, deferred in rows
    ]
    at, blocked = connection.execute(_BLOCKED).fetchall()[0]
    return Sample(float(rows[0][0] if rows else at), leases, blocked)


def open_executions(connection: "Connection[Any]", tenants: Sequence[str]) -> int:
    """Count the executions that have not ended."""
    return _count(connection, tenants, _OPEN, "workflow_executions")


def running_tasks(connection: "Connection[Any]", tenants: Sequence[str]) -> int:
    """Count the tasks that are Running."""
    return _count(connection, tenants, _RUNNING, "task_executions")


def _count(connection: "Connection[Any]", tenants: Sequence[str], query: SQL, table: str) -> int:
    parts = SQL(" UNION ALL ").join(query.format(Identifier(tenant, table)) for tenant in tenants)
    row = connection.execute(SQL("SELECT sum(open) FROM ({}) counted").format(parts)).fetchone()
    assert row is not None
    return int(row[0])
