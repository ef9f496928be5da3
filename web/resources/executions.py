"""Executions: what ran, what runs, and what happened in it."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloacina.db import after, as_tenant
from cloacina.executions import logs
from cloacina.executions import services as executions
from cloacina.tenants.models import Tenant
from web.blueprint import Blueprint
from web.parsing import parse_id
from web.schemas.common import tenant_items, tenant_list_of
from web.schemas.executions import (
    EventsQuery,
    ExecutionDetail,
    ExecutionEventsResponse,
    ExecutionLogsResponse,
    ExecutionsQuery,
    ExecutionSummary,
    ExecutionTasksResponse,
    LogsQuery,
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
            since=_moment(session, query["since"]),
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
        since = _moment(session, query.pop("since"))
        lines = logs.list_lines(session, execution_id, tenant.name, since=since, **query)
    return {"tenant_id": tenant.name, "execution_id": execution_id, "lines": lines}


def _moment(session: Session, since: timedelta | datetime | None) -> datetime | None:
    if isinstance(since, timedelta):
        # what is recorded bears the database's time, so that is what a duration counts back from
        return session.scalar(select(after(-since.total_seconds())))
    return since
