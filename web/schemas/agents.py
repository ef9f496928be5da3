"""Shapes of workers, which the reference calls agents."""

from marshmallow import fields

from web.schemas.common import Answer


class AgentInfo(Answer):
    """A worker on duty."""

    agent_id = fields.UUID()
    tenant_id = fields.String(allow_none=True)
    target_triple = fields.String()
    capabilities = fields.List(fields.String())
    max_concurrency = fields.Integer()
    in_flight = fields.Integer()
    available_capacity = fields.Integer()
    seconds_since_heartbeat = fields.Integer()
