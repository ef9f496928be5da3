"""Shapes of tenants."""

from flask_smorest.fields import Upload
from marshmallow import Schema, fields, validate

from cloacina.tenants.models import STATUSES
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


class TenantImportForm(Schema):
    """An export of a tenant, as a file of a form."""

    file = Upload(required=True)
    name = fields.String(
        metadata={"description": "The tenant's name here; without it the one that it had."}
    )


class TenantImportedResponse(TenantCreatedResponse):
    """A tenant that was made of an export, and what came along."""

    packages = fields.Integer()
    schedules = fields.Integer()
    executions = fields.Integer()
    tasks = fields.Integer()
    events = fields.Integer()
    log_lines = fields.Integer()
    paused_executions = fields.Integer(
        metadata={"description": "Those that had not ended; resume them to let them go on."}
    )


class TenantSummary(Answer):
    """A tenant."""

    name = fields.String()
    description = fields.String(allow_none=True)
    status = fields.String(validate=validate.OneOf(STATUSES))
    created_at = Timestamp()
    schema_version = fields.String()


_UNREAD = "Null while its tables cannot be read."


class TenantDetail(TenantSummary):
    """A tenant, and how it stands."""

    id = fields.UUID()
    username = fields.String(metadata={"description": "Of its database login."})
    live_keys = fields.Integer(metadata={"description": "Keys of its own that open something."})
    workers = fields.List(
        fields.String(), metadata={"description": "Names of the workers that serve it."}
    )
    packages = fields.Integer(
        allow_none=True, metadata={"description": f"Versions of packages. {_UNREAD}"}
    )
    storage_bytes = fields.Integer(
        allow_none=True, metadata={"description": f"Of its packages' archives. {_UNREAD}"}
    )
    executions = fields.Dict(
        keys=fields.String(),
        values=fields.Integer(),
        allow_none=True,
        metadata={"description": f"How many, by status. {_UNREAD}"},
    )


class TenantStatusResponse(Answer):
    """What state a tenant is in now."""

    name = fields.String()
    status = fields.String(validate=validate.OneOf(STATUSES))


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
