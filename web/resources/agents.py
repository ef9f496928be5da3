"""Workers on duty, under the name that the reference has for them."""

from typing import Any

from cloacina.fleet import services as fleet
from cloacina.fleet.services import Worker
from cloacina.tenants.models import Tenant
from web.authz import principal
from web.blueprint import Blueprint
from web.schemas.agents import AgentInfo
from web.schemas.common import items, list_of
from web.state import state

# packages are Python source: any machine runs them
_ANY_MACHINE = "any"
_CAPABILITIES = ["python"]

blueprint = Blueprint("agents", "Workers.")


@blueprint.operation("GET", "/v1/agents", list_of(AgentInfo))
def list_agents() -> dict[str, Any]:
    """List the workers; a tenant's key sees the shared ones and the tenant's own."""
    tenant = principal().tenant
    with state().database.platform() as session:
        workers = fleet.list_live(session)
    return items([_agent(worker, tenant) for worker in workers if _may_see(tenant, worker)])


def _may_see(tenant: Tenant | None, worker: Worker) -> bool:
    return tenant is None or not worker.tenant_names or tenant.name in worker.tenant_names


def _agent(worker: Worker, tenant: Tenant | None) -> dict[str, Any]:
    # whom else it serves is no tenant's business
    names = (tenant.name,) if tenant and worker.tenant_names else worker.tenant_names
    return {
        "agent_id": worker.id,
        "tenant_id": ",".join(names) or None,
        "target_triple": _ANY_MACHINE,
        "capabilities": _CAPABILITIES,
        "max_concurrency": worker.concurrency,
        "in_flight": worker.in_flight,
        "available_capacity": max(0, worker.concurrency - worker.in_flight),
        "seconds_since_heartbeat": int(worker.seconds_since_heartbeat),
    }
