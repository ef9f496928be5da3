"""Shapes of API keys."""

from marshmallow import fields, validate

from cloacina.keys.models import ADMIN, ROLES
from web.schemas.common import Answer, RequestBody, Text, Timestamp

_CENTURY_S = 100 * 366 * 86_400


class CreateKeyRequest(RequestBody):
    """A key to be made."""

    name = Text(required=True)
    role = fields.String(
        load_default=ADMIN,
        validate=validate.OneOf(ROLES, error="must be one of: {choices}"),
    )
    expires_in_s = fields.Integer(
        strict=True,
        load_default=None,
        allow_none=True,
        validate=validate.Range(1, _CENTURY_S),
        metadata={"description": "Seconds until it ends by itself; null: never."},
    )


class CreatePlatformKeyRequest(CreateKeyRequest):
    """A key to be made, perhaps one of the whole platform."""

    is_admin = fields.Boolean(
        truthy={True},
        falsy={False},
        load_default=False,
        metadata={"description": "Passes every check, on every tenant."},
    )


class _KeyBase(Answer):
    id = fields.UUID()
    name = fields.String()
    permissions = fields.String(attribute="role", validate=validate.OneOf(ROLES))
    tenant_id = fields.String(attribute="tenant_name", allow_none=True)
    is_admin = fields.Boolean()
    created_at = Timestamp()
    expires_at = Timestamp(allow_none=True)


class KeyInfo(_KeyBase):
    """A key as others may see it."""

    revoked = fields.Boolean()
    last_used_at = Timestamp(allow_none=True)


class KeyCreatedResponse(_KeyBase):
    """A key that was just made; the key itself is shown this once."""

    key = fields.String()


class KeyRevokedResponse(Answer):
    """A key that opens nothing any more."""

    status = fields.String()
    id = fields.UUID()


class WhoamiResponse(Answer):
    """What a key is."""

    tenant_id = fields.String(allow_none=True)
    role = fields.String(validate=validate.OneOf(ROLES))
    is_admin = fields.Boolean()
    name = fields.String()
