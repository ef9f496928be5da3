"""What the shapes of all resources are made of."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from marshmallow import EXCLUDE, Schema, ValidationError, fields, validate

from cloacina.tenants.models import Tenant
from web.parsing import parse_since

MAX_PAGE = 1000
# PostgreSQL's bigint
_MOST = 2**63 - 1


class Answer(Schema):
    """A shape of answers: each of its keys is always there, null where there is no value."""

    def on_bind_field(self, field_name: str, field_obj: fields.Field[Any]) -> None:  # noqa: ARG002
        """Describe every field as present."""
        field_obj.required = True


class RequestBody(Schema):
    """A shape of JSON bodies; unknown fields are passed over."""

    error_messages = {"type": "must be a JSON object"}

    class Meta:
        """How marshmallow reads it."""

        unknown = EXCLUDE

    def on_bind_field(self, field_name: str, field_obj: fields.Field[Any]) -> None:  # noqa: ARG002
        """Word what every field may be refused for; the field's name stands before it."""
        field_obj.error_messages |= {"required": "is required", "null": "must not be null"}


class Timestamp(fields.DateTime):
    """A moment as RFC 3339, always with microseconds and offset."""

    def _serialize(self, value: datetime | None, *args: Any, **kwargs: Any) -> str | None:  # noqa: ARG002
        return None if value is None else value.isoformat(timespec="microseconds")


class ErrorBody(Schema):
    """Every error."""

    error = fields.String(required=True, metadata={"description": "What is wrong, for people."})
    code = fields.String(required=True, metadata={"description": "A stable name, for programs."})


class Text(fields.String):
    """A text that databases and terminals take: not empty, of printable characters.

    Parameters:
        longest: characters at most.
        options: marshmallow's own.
    """

    def __init__(self, longest: int = 255, **options: Any) -> None:
        super().__init__(validate=[validate.Length(1, longest), _refuse_unprintable], **options)


def _refuse_unprintable(value: str) -> None:
    if not value.replace("\n", " ").isprintable():
        raise ValidationError("must be of printable characters")


class Pagination(RequestBody):
    """The page of a list."""

    limit = fields.Integer(
        load_default=100,
        validate=validate.Range(1, MAX_PAGE, error=f"must be between 1 and {MAX_PAGE}"),
        error_messages={"invalid": f"must be a whole number between 1 and {MAX_PAGE}"},
    )
    offset = fields.Integer(
        load_default=0,
        validate=validate.Range(0, _MOST, error="must be 0 or more"),
        error_messages={"invalid": "must be a whole number, 0 or more"},
    )


class Moment(fields.Field[timedelta | datetime]):
    """An end of a time span, in a query: a duration back from now, or a moment; None: open."""

    def __init__(self) -> None:
        super().__init__(
            load_default=None,
            metadata={
                "type": "string",
                "description": "How long ago, such as `5m`, or a time as RFC 3339.",
            },
        )

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> timedelta | datetime:  # noqa: ARG002
        try:
            return parse_since(str(value))
        except ValueError as error:
            raise ValidationError(str(error)) from None


class Number(fields.Integer):
    """The number of a line, in a query, beside which others are asked for; None: of none.

    Parameters:
        description: which others.
    """

    def __init__(self, description: str) -> None:
        super().__init__(
            load_default=None,
            validate=validate.Range(0, _MOST, error="must be 0 or more"),
            error_messages={"invalid": "must be a whole number, 0 or more"},
            metadata={"description": description},
        )


@cache
def list_of(item: type[Schema]) -> type[Schema]:
    """Make the shape of a list that belongs to no tenant."""
    return Answer.from_dict(
        {"items": fields.List(fields.Nested(item)), "total": fields.Integer()},
        name=f"ListResponse_{item.__name__}",
    )


@cache
def tenant_list_of(item: type[Schema]) -> type[Schema]:
    """Make the shape of a tenant's list."""
    return Answer.from_dict(
        {
            "tenant_id": fields.String(),
            "items": fields.List(fields.Nested(item)),
            "total": fields.Integer(),
        },
        name=f"TenantListResponse_{item.__name__}",
    )


def items(found: Sequence[Any]) -> dict[str, Any]:
    """Give a page of a list; its total is the number of items in the page."""
    return {"items": found, "total": len(found)}


def tenant_items(tenant: Tenant, found: Sequence[Any]) -> dict[str, Any]:
    """Give a page of a tenant's list."""
    return {"tenant_id": tenant.name, **items(found)}
