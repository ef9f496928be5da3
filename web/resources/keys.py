"""API keys: the platform's own view of all, and each tenant's of its own."""

from dataclasses import asdict
from typing import Any
from uuid import UUID

from cloacina.keys import services as keys
from cloacina.keys.errors import InvalidKeyId
from cloacina.tenants import services as tenants
from cloacina.tenants.models import PUBLIC_TENANT, Tenant
from web.blueprint import Blueprint
from web.parsing import parse_id
from web.schemas.common import items, list_of
from web.schemas.keys import (
    CreateKeyRequest,
    CreatePlatformKeyRequest,
    KeyCreatedResponse,
    KeyInfo,
    KeyRevokedResponse,
)
from web.state import state

_ALL = "/v1/auth/keys"
_TENANTS = "/v1/tenants/<tenant_id>/keys"

blueprint = Blueprint("keys", "API keys.")


@blueprint.operation("POST", _ALL, KeyCreatedResponse, status=201, body=CreatePlatformKeyRequest)
def create_key(body: dict[str, Any]) -> dict[str, Any]:
    """Make a key of the tenant `public`, or one of the whole platform."""
    with state().database.platform() as session:
        tenant = None if body["is_admin"] else tenants.find(session, PUBLIC_TENANT)
        issued = keys.issue(
            session, body["name"], body["role"], tenant, expires_in_s=body["expires_in_s"]
        )
    return _created(issued)


@blueprint.operation("GET", _ALL, list_of(KeyInfo))
def list_keys() -> dict[str, Any]:
    """List the keys of all tenants, revoked ones too."""
    with state().database.platform() as session:
        return items(keys.list_keys(session, None))


@blueprint.operation("DELETE", f"{_ALL}/<key_id>", KeyRevokedResponse, errors=(400, 404))
def revoke_key(key_id: str) -> dict[str, Any]:
    """Revoke any key; it opens nothing from now on, on every replica."""
    return _revoke(key_id, None)


@blueprint.operation("POST", _TENANTS, KeyCreatedResponse, status=201, body=CreateKeyRequest)
def create_tenant_key(body: dict[str, Any], tenant: Tenant) -> dict[str, Any]:
    """Make a key of the tenant."""
    with state().database.platform() as session:
        issued = keys.issue(
            session, body["name"], body["role"], tenant, expires_in_s=body["expires_in_s"]
        )
    return _created(issued)


@blueprint.operation("GET", _TENANTS, list_of(KeyInfo))
def list_tenant_keys(tenant: Tenant) -> dict[str, Any]:
    """List the tenant's keys, revoked ones too."""
    with state().database.platform() as session:
        return items(keys.list_keys(session, tenant))


@blueprint.operation("DELETE", f"{_TENANTS}/<key_id>", KeyRevokedResponse)
def revoke_tenant_key(tenant: Tenant, key_id: str) -> dict[str, Any]:
    """Revoke a key of the tenant."""
    return _revoke(key_id, tenant)


def _created(issued: keys.IssuedKey) -> dict[str, Any]:
    return asdict(issued.info) | {"key": issued.plaintext}


def _revoke(key_id: str, tenant: Tenant | None) -> dict[str, Any]:
    wanted: UUID = parse_id(key_id, "a key", InvalidKeyId)
    with state().database.platform() as session:
        keys.revoke(session, wanted, tenant)
    return {"status": "revoked", "id": wanted}
