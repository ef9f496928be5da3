"""Shapes of the audit log."""

from marshmallow import fields, validate

from web.schemas.common import Answer, Moment, Number, Pagination, Text, Timestamp

_ACTION = r"[a-z_]+\.([a-z_]+)?"
_OUTCOME = r"[a-z0-9_]+"


class TenantAuditQuery(Pagination):
    """Which lines of a tenant's audit log to give."""

    action = fields.String(
        load_default=None,
        validate=validate.Regexp(
            f"(?:{_ACTION})\\Z", error="must be an action such as key.create, or all of key."
        ),
        metadata={"description": "Only of this action, such as `key.create`, or of all of `key.`."},
    )
    outcome = fields.String(
        load_default=None,
        validate=validate.Regexp(f"(?:{_OUTCOME})\\Z", error="must be ok, or the code of an error"),
        metadata={"description": "Only with this one: `ok`, or the code of an error."},
    )
    key_id = fields.UUID(
        load_default=None,
        error_messages={"invalid_uuid": "must be the id of a key: ids are UUIDs"},
        metadata={"description": "Only what this key was presented for."},
    )
    request_id = Text(
        128, load_default=None, metadata={"description": "Only what this request caused."}
    )
    since = Moment()
    until = Moment()
    before = Number(
        "Only what stands behind the line of this id: the last one's, to go on with the next page"
        " while lines are added. `offset` counts from there."
    )


class AuditQuery(TenantAuditQuery):
    """Which lines of the audit log to give."""

    tenant = Text(
        load_default=None,
        metadata={"description": "Only of tenants that have borne this name, deleted ones too."},
    )


class AuditEvent(Answer):
    """A change, or a refused access."""

    id = fields.Integer(metadata={"format": "int64"})
    at = Timestamp()
    action = fields.String()
    outcome = fields.String(metadata={"description": "`ok`, or the code of the error."})
    subject = fields.String(allow_none=True)
    tenant_id = fields.String(attribute="tenant_name", allow_none=True)
    key_id = fields.UUID(allow_none=True)
    key_name = fields.String(allow_none=True)
    request_id = fields.String(allow_none=True)
    address = fields.String(allow_none=True)
    details = fields.Dict(keys=fields.String(), allow_none=True)
