"""Workers of a tenant's own: how many there are, and how many there are to be."""

from typing import Any

from sqlalchemy.orm import Session

from cloacina.fleet import demand
from cloacina.fleet import services as fleet
from cloacina.fleet.demand import Demand
from cloacina.fleet.errors import AtCapacity
from cloacina.tenants import limits
from cloacina.tenants.models import Tenant
from web.blueprint import Blueprint
from web.schemas.fleet import FleetRequest, FleetResponse
from web.state import state

_PATH = "/v1/tenants/<tenant_id>/fleet"

blueprint = Blueprint("fleet", "Workers of tenants' own.")


@blueprint.operation("GET", _PATH, FleetResponse)
def get_fleet(tenant: Tenant) -> dict[str, Any]:
    """Show how many workers of its own the tenant has, and how many it is to have."""
    with state().database.platform() as session:
        return _shown(session, tenant, demand.of_tenant(session, tenant.id))


@blueprint.operation(
    "POST", f"{_PATH}/provision", FleetResponse, body=FleetRequest, errors=(404, 409)
)
def provision_workers(body: dict[str, int], tenant: Tenant) -> dict[str, Any]:
    """Ask for more workers of the tenant's own; they are there within seconds."""
    return _change(tenant, body["count"])


@blueprint.operation(
    "POST", f"{_PATH}/deprovision", FleetResponse, body=FleetRequest, errors=(404, 409)
)
def deprovision_workers(body: dict[str, int], tenant: Tenant) -> dict[str, Any]:
    """Ask for fewer of them, none at least; what they run comes to its end."""
    return _change(tenant, -body["count"])


def _change(tenant: Tenant, by: int) -> dict[str, Any]:
    if state().database.is_sqlite:
        raise AtCapacity("a server on SQLite has one worker; tenants' own workers need PostgreSQL")
    with state().database.platform() as session:
        changed = demand.change(session, tenant, by, _most(tenant))
        return _shown(session, tenant, changed)


def _shown(session: Session, tenant: Tenant, wanted: Demand) -> dict[str, Any]:
    return {
        "tenant_id": tenant.name,
        "desired_count": wanted.desired,
        "raised_count": wanted.raised,
        "actual_count": fleet.count_own(session, tenant.name),
        "effective_limit": _most(tenant),
        "default_max_agents": state().defaults.max_agents,
    }


def _most(tenant: Tenant) -> int:
    return limits.allowed(tenant.limits, state().defaults).max_agents
