"""Executions: what ran, what runs, and what happened in it."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any
from uuid import UUID

from cloacina.dag.states import ExecutionState
from cloacina.db import as_tenant
from cloacina.executions import logs
from cloacina.executions import services as executions
from cloacina.lifecycle.control import Steering
from cloacina.tenants.models import Tenant
from web.blueprint import Blueprint
from web.parsing import as_moment, parse_id
from web.schemas.common import tenant_items, tenant_list_of
from web.schemas.executions import (
    EventsQuery,
    ExecutionDetail,
    ExecutionEventsResponse,
    ExecutionLogsResponse,
    ExecutionsQuery,
    ExecutionStatus,
    ExecutionSummary,
    ExecutionTasksResponse,
    LogsQuery,
    RerunRequest,
    RerunResponse,
)
from web.state import state

_ALL = "/v1/tenants/<tenant_id>/executions"
_ONE = f"{_ALL}/<exec_id>"
_KIND = "an execution"

blueprint = Blueprint("executions", "Executions of workflows.")


@blueprint.operation("GET", _ALL, tenant_list_of(ExecutionSummary), query=ExecutionsQuery)
def list_executions(query: dict[str, Any], tenant: Tenant) -> dict[str, Any]:
    """List executions, the newest first."""
    with state().database.tenant(tenant) as session:
        return tenant_items(tenant, executions.list_executions(session, **query))


@blueprint.operation("GET", _ONE, ExecutionDetail)
def get_execution(tenant: Tenant, exec_id: str) -> dict[str, Any]:
    """Show an execution: its state and its context."""
    execution_id = parse_id(exec_id, _KIND)
    with state().database.unit(as_tenant(tenant)) as unit:
        found = executions.get(unit, execution_id)
    return vars(found) | {"tenant_id": tenant.name}


@blueprint.operation("GET", f"{_ONE}/events", ExecutionEventsResponse, query=EventsQuery)
def get_execution_events(query: dict[str, Any], tenant: Tenant, exec_id: str) -> dict[str, Any]:
    """Show what happened in an execution; nothing, for an unknown one."""
    execution_id = parse_id(exec_id, _KIND)
    with state().database.tenant(tenant) as session:
        events = executions.list_events(
            session,
            execution_id,
            tenant.name,
            since=as_moment(session, query["since"]),
            after_sequence=query["after"],
        )
    return {"tenant_id": tenant.name, "execution_id": execution_id, "events": events}


@blueprint.operation("GET", f"{_ONE}/tasks", ExecutionTasksResponse)
def get_execution_tasks(tenant: Tenant, exec_id: str) -> dict[str, Any]:
    """Show an execution's tasks, in the order of their declaration."""
    execution_id = parse_id(exec_id, _KIND)
    with state().database.tenant(tenant) as session:
        tasks = executions.list_tasks(session, execution_id, tenant.name)
    return {"tenant_id": tenant.name, "execution_id": execution_id, "tasks": tasks}


@blueprint.operation("GET", f"{_ONE}/logs", ExecutionLogsResponse, query=LogsQuery)
def get_execution_logs(query: dict[str, Any], tenant: Tenant, exec_id: str) -> dict[str, Any]:
    """Show a page of what an execution's tasks wrote; nothing, for an unknown one."""
    execution_id = parse_id(exec_id, _KIND)
    with state().database.tenant(tenant) as session:
        since = as_moment(session, query.pop("since"))
        lines = logs.list_lines(session, execution_id, tenant.name, since=since, **query)
    return {"tenant_id": tenant.name, "execution_id": execution_id, "lines": lines}


@blueprint.operation("POST", f"{_ONE}/cancel", ExecutionStatus, errors=(409,))
def cancel_execution(tenant: Tenant, exec_id: str) -> dict[str, Any]:
    """End an execution: nothing of it starts any more, and what runs is killed."""
    return _steered(tenant, exec_id, Steering.cancel)


@blueprint.operation("POST", f"{_ONE}/pause", ExecutionStatus, errors=(409,))
def pause_execution(tenant: Tenant, exec_id: str) -> dict[str, Any]:
    """Start no further task of an execution; those that run go on to their end."""
    return _steered(tenant, exec_id, Steering.pause)


@blueprint.operation("POST", f"{_ONE}/resume", ExecutionStatus, errors=(409,))
def resume_execution(tenant: Tenant, exec_id: str) -> dict[str, Any]:
    """Let a paused execution go on."""
    return _steered(tenant, exec_id, Steering.resume)


@blueprint.operation(
    "POST", f"{_ONE}/rerun", RerunResponse, status=202, body=RerunRequest, errors=(409,)
)
def rerun_execution(body: dict[str, Any], tenant: Tenant, exec_id: str) -> dict[str, Any]:
    """Run an execution again, as a new one, with what it began with."""
    execution_id = parse_id(exec_id, _KIND)
    started = _steering().rerun(tenant, execution_id, body["start_from"])
    return asdict(started) | {
        "tenant_id": tenant.name,
        "status": "scheduled",
        "rerun_of": execution_id,
    }


def _steering() -> Steering:
    parts = state()
    return Steering(
        parts.database,
        parts.dispatcher,
        parts.graphs,
        parts.settings.max_context_bytes,
        parts.defaults,
    )


def _steered(
    tenant: Tenant, exec_id: str, steer: Callable[[Steering, Tenant, UUID], ExecutionState]
) -> dict[str, Any]:
    execution_id = parse_id(exec_id, _KIND)
    status = steer(_steering(), tenant, execution_id)
    return {"tenant_id": tenant.name, "execution_id": execution_id, "status": str(status)}
