"""What a key is, as its holder may ask."""

from typing import Any

from web.authz import principal
from web.blueprint import Blueprint
from web.schemas.keys import WhoamiResponse

blueprint = Blueprint("session", "The key in use.")


@blueprint.operation("GET", "/v1/auth/whoami", WhoamiResponse)
def whoami() -> dict[str, Any]:
    """Say what the presented key is."""
    key = principal().key
    return {
        "tenant_id": key.tenant_name,
        "role": key.role,
        "is_admin": key.is_admin,
        "name": key.name,
    }
