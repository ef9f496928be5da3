"""Triggers and cron schedules, from the tenant's own tables."""

from typing import Any

from cloacina.schedules import services as schedules
from cloacina.tenants.models import Tenant
from web.blueprint import Blueprint
from web.schemas.common import Pagination, tenant_items, tenant_list_of
from web.schemas.triggers import TriggerDetailResponse, TriggerScheduleSummary
from web.state import state

_ALL = "/v1/tenants/<tenant_id>/triggers"

blueprint = Blueprint("triggers", "Triggers and schedules.")


@blueprint.operation("GET", _ALL, tenant_list_of(TriggerScheduleSummary), query=Pagination)
def list_triggers(query: dict[str, Any], tenant: Tenant) -> dict[str, Any]:
    """List triggers and schedules."""
    with state().database.tenant(tenant) as session:
        return tenant_items(tenant, schedules.list_schedules(session, **query))


@blueprint.operation("GET", f"{_ALL}/<name>", TriggerDetailResponse)
def get_trigger(tenant: Tenant, name: str) -> dict[str, Any]:
    """Show a trigger or schedule, by its or its workflow's name, and its last executions."""
    with state().database.tenant(tenant) as session:
        schedule = schedules.get_schedule(session, name)
        recent = schedules.recent_executions(session, schedule.id)
    return {"tenant_id": tenant.name, "schedule": schedule, "recent_executions": recent}
