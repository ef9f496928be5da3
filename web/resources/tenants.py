"""Tenants, as the platform manages them."""

from dataclasses import asdict
from typing import Any

from flask import Response, request

from cloacina.errors import InvalidInput
from cloacina.lifecycle import deletion, inspection, migration, suspension
from cloacina.lifecycle import tenants as lifecycle
from cloacina.tenants import services as tenants
from cloacina.tenants.models import PUBLIC_TENANT, Tenant
from cloacina.transfer import export
from cloacina.transfer import services as transfer
from web.blueprint import Blueprint
from web.schemas.common import items, list_of
from web.schemas.tenants import (
    CreateTenantRequest,
    TenantCreatedResponse,
    TenantDetail,
    TenantImportedResponse,
    TenantImportForm,
    TenantMigratedResponse,
    TenantRemovedResponse,
    TenantStatusResponse,
    TenantSummary,
)
from web.state import state
from web.uploads import FORM, uploaded_file

_PATH = "/v1/tenants"
_EXPORT = "application/zstd"

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
    return _created(tenant)


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


@blueprint.operation("GET", f"{_PATH}/<schema_name>", TenantDetail, errors=(404,))
def inspect_tenant(schema_name: str) -> dict[str, Any]:
    """Show how a tenant stands."""
    standing = inspection.inspect(state().database, schema_name)
    tenant, stock = standing.tenant, standing.stock
    return {
        "name": tenant.name,
        "description": tenant.description,
        "status": tenant.status,
        "created_at": tenant.created_at,
        "schema_version": tenant.schema_version,
        "id": tenant.id,
        "username": tenant.role,
        "live_keys": standing.live_keys,
        "workers": standing.workers,
        "packages": stock and stock.packages,
        "storage_bytes": stock and stock.storage_bytes,
        "executions": stock and stock.executions,
    }


@blueprint.operation("POST", f"{_PATH}/<schema_name>/suspend", TenantStatusResponse, errors=(404,))
def suspend_tenant(schema_name: str) -> Tenant:
    """Start nothing more at a tenant; what runs goes on to its end."""
    return suspension.suspend(state().database, schema_name)


@blueprint.operation("POST", f"{_PATH}/<schema_name>/resume", TenantStatusResponse, errors=(404,))
def resume_tenant(schema_name: str) -> Tenant:
    """Let a suspended tenant go on, at once."""
    return suspension.resume(state().database, state().dispatcher, schema_name)


@blueprint.operation("DELETE", f"{_PATH}/<schema_name>", TenantRemovedResponse, errors=(400,))
def remove_tenant(schema_name: str) -> dict[str, Any]:
    """Delete a tenant with all that it has, once its tasks have ended or had the time for it.

    An unknown one is no error. Who does not wait for the answer finds it gone a little later.
    """
    removal = deletion.delete_tenant(
        state().database,
        state().dispatcher,
        schema_name,
        drain_timeout_s=state().settings.tenant_deletion_drain_timeout_s,
    )
    return {
        "status": "removed",
        "schema_name": schema_name,
        "revoked_keys": removal.revoked_keys,
        # there is one runner and one pool for all: what the tenant had of them went with it
        "runner_evicted": removal.removed,
        "db_cache_evicted": removal.removed,
    }


@blueprint.operation(
    "GET",
    f"{_PATH}/<schema_name>/export",
    errors=(404, 409),
    responses={
        200: {
            "description": "A tar, compressed with zstd",
            "content": {_EXPORT: {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
def export_tenant(schema_name: str) -> Response:
    """Give all that a tenant has as one file, without keys and passwords."""
    made = export.export_tenant(state().database, schema_name)
    answer = Response(made.pieces(), mimetype=_EXPORT)
    answer.content_length = made.size
    answer.call_on_close(made.close)
    return answer


@blueprint.operation(
    "POST",
    f"{_PATH}/import",
    TenantImportedResponse,
    status=201,
    errors=(400, 413, 415),
    requestBody={"required": True, "content": {FORM: {"schema": TenantImportForm}}},
)
def import_tenant() -> dict[str, Any]:
    """Make a tenant of an export; executions that had not ended are paused."""
    with uploaded_file("the export") as file:
        made = transfer.import_tenant(state().database, state().dispatcher, file, _given_name())
    return _created(made.tenant) | asdict(made.counts)


def _given_name() -> str | None:
    name = request.form.get("name")
    if name == "":
        raise InvalidInput("the name is empty: leave it out to keep the tenant's own")
    return name


def _created(tenant: Tenant) -> dict[str, Any]:
    return {"name": tenant.name, "username": tenant.role, "description": tenant.description}
