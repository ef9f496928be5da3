"""What tenants may use at most: shown to them, set by the platform."""

from collections.abc import Mapping
from typing import Any

from cloacina.errors import Unavailable
from cloacina.lifecycle.usage import usage
from cloacina.tenants import limits
from cloacina.tenants.models import Limits, Tenant
from cloacina.tenants.services import LIMITS
from cloacina.tenants.versions import check_tables
from web.blueprint import Blueprint
from web.schemas.limits import SetTenantLimitsRequest, TenantLimitsResponse
from web.state import state

_PATH = "/v1/tenants/<tenant_id>/limits"
_AGENTS = "max_agents"

blueprint = Blueprint("limits", "What tenants may use at most.")


@blueprint.operation("GET", _PATH, TenantLimitsResponse)
def get_limits(tenant: Tenant) -> dict[str, Any]:
    """Show what the tenant may use at most, and what it uses."""
    return _shown(tenant, tenant.limits)


@blueprint.operation(
    "POST", _PATH, TenantLimitsResponse, body=SetTenantLimitsRequest, errors=(400, 404)
)
def set_limits(body: dict[str, int | None], tenant: Tenant) -> dict[str, Any]:
    """Set some of the tenant's limits; null puts one back to the default."""
    limits.keep_row(state().database, tenant.id)
    with state().database.platform() as session:
        own = limits.change(session, tenant, body)
    return _shown(tenant, own)


@blueprint.operation("DELETE", _PATH, TenantLimitsResponse, errors=(400, 404))
def clear_limits(tenant: Tenant) -> dict[str, Any]:
    """Put all of the tenant's limits back to the defaults."""
    limits.keep_row(state().database, tenant.id)
    with state().database.platform() as session:
        own = limits.clear(session, tenant)
    return _shown(tenant, own)


def _shown(tenant: Tenant, own: Limits) -> dict[str, Any]:
    used, slots = _used(tenant)
    default = limits.defaults(state().settings, slots)
    allowed = limits.allowed(own, default)
    return {
        "tenant_id": tenant.name,
        "default_max_agents": default.max_agents,
        "tenant_override": own.max_agents,
        "effective_limit": allowed.max_agents,
        **{
            name: {
                "effective_limit": getattr(allowed, name),
                "default_limit": getattr(default, name),
                "tenant_override": getattr(own, name),
                "used": used.get(name),
            }
            for name in LIMITS
            if name != _AGENTS
        },
    }


def _used(tenant: Tenant) -> tuple[Mapping[str, int], int]:
    """Say what the tenant uses, and its slots; nothing while its tables cannot be read."""
    try:
        check_tables(tenant)
    except Unavailable:
        return {}, 0
    return usage(state().database, tenant)
