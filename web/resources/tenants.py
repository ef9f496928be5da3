"""Tenants, as the platform manages them."""

from typing import Any

from cloacina.lifecycle import migration
from cloacina.lifecycle import tenants as lifecycle
from cloacina.tenants import services as tenants
from cloacina.tenants.models import PUBLIC_TENANT
from web.blueprint import Blueprint
from web.schemas.common import items, list_of
from web.schemas.tenants import (
    CreateTenantRequest,
    TenantCreatedResponse,
    TenantMigratedResponse,
    TenantRemovedResponse,
    TenantSummary,
)
from web.state import state

_PATH = "/v1/tenants"

blueprint = Blueprint("tenants", "Tenants.")


@blueprint.operation("POST", _PATH, TenantCreatedResponse, status=201, body=CreateTenantRequest)
def create_tenant(body: dict[str, Any]) -> dict[str, Any]:
    """Create a tenant with its schema, database role, grants and tables."""
    tenant = lifecycle.create_tenant(
        state().database,
        body["name"],
        description=body["description"],
        password=body["password"],
    )
    return {"name": tenant.name, "username": tenant.role, "description": tenant.description}


@blueprint.operation("GET", _PATH, list_of(TenantSummary))
def list_tenants() -> dict[str, Any]:
    """List the tenants, without the one that always exists."""
    with state().database.platform() as session:
        return items([each for each in tenants.list_all(session) if each.name != PUBLIC_TENANT])


@blueprint.operation(
    "POST", f"{_PATH}/<schema_name>/migrate", TenantMigratedResponse, errors=(404, 409)
)
def migrate_tenant(schema_name: str) -> dict[str, Any]:
    """Bring a tenant's tables to this server's version."""
    database = state().database
    with database.platform() as session:
        tenant = tenants.find(session, schema_name)
    version = migration.migrate_tenant(database, tenant)
    return {
        "name": tenant.name,
        "schema_version": version,
        "migrated": version != tenant.schema_version,
    }


@blueprint.operation("DELETE", f"{_PATH}/<schema_name>", TenantRemovedResponse, errors=(400,))
def remove_tenant(schema_name: str) -> dict[str, Any]:
    """Delete a tenant with all that it has; an unknown one is no error."""
    removal = lifecycle.delete_tenant(state().database, schema_name)
    return {
        "status": "removed",
        "schema_name": schema_name,
        "revoked_keys": removal.revoked_keys,
        # there is one runner and one pool for all: what the tenant had of them went with it
        "runner_evicted": removal.removed,
        "db_cache_evicted": removal.removed,
    }
