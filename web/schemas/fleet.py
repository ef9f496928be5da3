"""Shapes of tenants' own workers."""

from marshmallow import fields, validate

from cloacina.settings import HIGHEST_LIMITS
from web.schemas.common import Answer, RequestBody

_MOST = HIGHEST_LIMITS["max_agents"]
_SAID = f"must be a whole number from 1 to {_MOST}"


class FleetRequest(RequestBody):
    """By how many workers."""

    count = fields.Integer(
        strict=True,
        load_default=1,
        validate=validate.Range(1, _MOST, error=_SAID),
        error_messages={"invalid": _SAID, "too_large": _SAID},
        metadata={"description": "How many more, or fewer."},
    )


class FleetResponse(Answer):
    """The workers of a tenant's own."""

    tenant_id = fields.String()
    desired_count = fields.Integer(metadata={"description": "That were asked for."})
    raised_count = fields.Integer(
        metadata={"description": "That the server has added by itself, because tasks wait."}
    )
    actual_count = fields.Integer(metadata={"description": "That are there now."})
    effective_limit = fields.Integer(metadata={"description": "That there may be."})
    default_max_agents = fields.Integer(
        metadata={"description": "That a tenant may have by default."}
    )
