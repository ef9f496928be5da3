"""The audit log: the platform's view of all of it, and each tenant's of its own part."""

from collections.abc import Sequence
from typing import Any

from cloacina.audit import services as audit
from cloacina.audit.models import Event
from cloacina.audit.services import Wanted
from cloacina.tenants.models import Tenant
from web.blueprint import Blueprint
from web.parsing import as_moment
from web.schemas.audit import AuditEvent, AuditQuery, TenantAuditQuery
from web.schemas.common import items, list_of, tenant_items, tenant_list_of
from web.state import state

blueprint = Blueprint("audit", "The audit log.")


@blueprint.operation("GET", "/v1/audit", list_of(AuditEvent), query=AuditQuery, errors=(400,))
def list_audit(query: dict[str, Any]) -> dict[str, Any]:
    """List what was changed and what was refused, the newest first."""
    return items(_events(query, tenant_name=query.pop("tenant")))


@blueprint.operation(
    "GET",
    "/v1/tenants/<tenant_id>/audit",
    tenant_list_of(AuditEvent),
    query=TenantAuditQuery,
)
def list_tenant_audit(query: dict[str, Any], tenant: Tenant) -> dict[str, Any]:
    """List what was changed at the tenant and what was refused, the newest first."""
    return tenant_items(tenant, _events(query, tenant_name=tenant.name, tenant_id=tenant.id))


def _events(query: dict[str, Any], **whose: Any) -> Sequence[Event]:
    page = {name: query.pop(name) for name in ("limit", "offset")}
    with state().database.platform() as session:
        for end in ("since", "until"):
            query[end] = as_moment(session, query[end])
        return audit.list_events(session, Wanted(**query, **whose), **page)
