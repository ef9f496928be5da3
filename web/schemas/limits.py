"""Shapes of tenants' limits."""

from typing import Any

from marshmallow import ValidationError, fields, validate, validates_schema

from cloacina.settings import HIGHEST_LIMITS
from cloacina.tenants.services import LIMITS
from web.schemas.common import Answer, RequestBody

_TOLD = {
    "max_agents": "Workers of its own.",
    "max_concurrent_tasks": "Tasks that run at once.",
    "max_queued_executions": "Executions that were accepted and have not ended.",
    "max_packages": "Versions of packages that are stored.",
    "max_storage_bytes": "Bytes of the packages that are stored.",
    "max_requests_per_s": "Requests a second.",
}


def _limit(name: str) -> fields.Integer:
    highest = HIGHEST_LIMITS[name]
    said = f"must be a whole number from 1 to {highest}"
    return fields.Integer(
        strict=True,
        allow_none=True,
        validate=validate.Range(1, highest, error=said),
        error_messages={"invalid": said, "too_large": said},
        metadata={"description": f"{_TOLD[name]} Null: as the settings say."},
    )


class _LimitsRequest(RequestBody):
    """What a tenant may use; what is left out stays as it is."""

    @validates_schema
    def _refuse_none(self, data: dict[str, Any], **_: Any) -> None:
        if not data:
            raise ValidationError(f"must have one of {', '.join(LIMITS)}")


SetTenantLimitsRequest = _LimitsRequest.from_dict(
    {name: _limit(name) for name in LIMITS}, name="SetTenantLimitsRequest"
)


class TenantLimit(Answer):
    """One limit of a tenant."""

    effective_limit = fields.Integer(metadata={"description": "What holds."})
    default_limit = fields.Integer(metadata={"description": "What the settings give to all."})
    tenant_override = fields.Integer(
        allow_none=True, metadata={"description": "What was set for this tenant."}
    )
    used = fields.Integer(
        allow_none=True,
        metadata={"description": "What is used of it now, where that is known."},
    )


class TenantLimitsResponse(Answer):
    """What a tenant may use at most."""

    tenant_id = fields.String()
    default_max_agents = fields.Integer(
        metadata={"description": "Workers of its own that a tenant may have by default."}
    )
    tenant_override = fields.Integer(
        allow_none=True, metadata={"description": "What was set of them for this tenant."}
    )
    effective_limit = fields.Integer(metadata={"description": "What holds of these two."})
    max_concurrent_tasks = fields.Nested(TenantLimit)
    max_queued_executions = fields.Nested(TenantLimit)
    max_packages = fields.Nested(TenantLimit)
    max_storage_bytes = fields.Nested(TenantLimit)
    max_requests_per_s = fields.Nested(TenantLimit)
