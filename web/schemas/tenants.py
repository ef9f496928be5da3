"""Shapes of tenants."""

from marshmallow import fields, validate

from web.schemas.common import Answer, RequestBody, Text, Timestamp


class CreateTenantRequest(RequestBody):
    """A tenant to be made."""

    name = fields.String(
        required=True, metadata={"description": "Of a-z, 0-9 and _; 63 characters at most."}
    )
    description = Text(2000, load_default=None, allow_none=True)
    password = Text(
        1000,
        load_default=None,
        allow_none=True,
        metadata={"description": "Of the tenant's database login; it is never given back."},
    )


class TenantCreatedResponse(Answer):
    """A tenant that was just made."""

    name = fields.String()
    username = fields.String()
    description = fields.String(allow_none=True)


class TenantSummary(Answer):
    """A tenant."""

    name = fields.String()
    description = fields.String(allow_none=True)
    status = fields.String(validate=validate.OneOf(("active", "deleting")))
    created_at = Timestamp()
    schema_version = fields.String()


class TenantMigratedResponse(Answer):
    """What became of a tenant's tables."""

    name = fields.String()
    schema_version = fields.String(metadata={"description": "The revision that they are at."})
    migrated = fields.Boolean(metadata={"description": "They were behind, and are not any more."})


class TenantRemovedResponse(Answer):
    """What the removal of a tenant did."""

    status = fields.String()
    schema_name = fields.String()
    revoked_keys = fields.Integer()
    runner_evicted = fields.Boolean()
    db_cache_evicted = fields.Boolean()
