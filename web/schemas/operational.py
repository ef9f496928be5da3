"""Shapes of the operational routes."""

from marshmallow import Schema, fields, validate

from web.schemas.common import Answer


class HealthResponse(Answer):
    """The process is there."""

    status = fields.String(validate=validate.Equal("ok"))


class ReadyResponse(Schema):
    """Requests can be served."""

    status = fields.String(required=True, validate=validate.Equal("ready"))
    degraded = fields.List(
        fields.String(), metadata={"description": "What is away without stopping the service."}
    )


class NotReadyResponse(Answer):
    """No request can be served."""

    status = fields.String(validate=validate.Equal("not ready"))
    reason = fields.String()
