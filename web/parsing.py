"""Reads requests' parameters: bodies as strict JSON, queries, ids in paths."""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, NoReturn
from uuid import UUID

from flask import Request, g
from marshmallow import Schema, ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session
from webargs.flaskparser import FlaskParser, is_json_request
from werkzeug.exceptions import UnsupportedMediaType

from cloacina.dag.values import load_json
from cloacina.db import after
from cloacina.errors import InvalidInput, Unprocessable
from web.errors import InvalidJson, InvalidPagination

_PAGINATION = frozenset({"limit", "offset"})

_DURATION = re.compile(r"(\d{1,12})(ms|s|m|h|d)")
_UNITS = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
}
# an unquoted + of an offset arrives as a space
_LOST_PLUS = re.compile(r" (?=\d\d:\d\d$)")


class RequestParser(FlaskParser):
    """Reads what routes declare with `Blueprint.operation`."""

    def load_json(self, req: Request, schema: Schema) -> Any:  # noqa: ARG002  # webargs' signature
        """Read a JSON body; none at all is read as an empty object.

        Raises:
            InvalidJson: the body is not JSON.
            UnsupportedMediaType: the body is not said to be JSON.
        """
        body = req.get_data()
        if not body:
            return {}
        if not is_json_request(req):
            raise UnsupportedMediaType("send the body as 'Content-Type: application/json'")
        try:
            g.sent = load_json(body.decode())
        except UnicodeDecodeError:
            raise InvalidJson("the request's body is not UTF-8") from None
        except ValueError as error:
            raise InvalidJson(f"the request's body {error}") from None
        return g.sent

    def handle_error(
        self,
        error: ValidationError,
        req: Request,  # noqa: ARG002  # webargs' signature, here and below
        schema: Schema,  # noqa: ARG002
        *,
        error_status_code: int | None,  # noqa: ARG002
        error_headers: Mapping[str, str] | None,  # noqa: ARG002
    ) -> NoReturn:
        """Refuse parameters that do not fit their schema, naming each."""
        # by the place that was read, then by field
        messages = dict(error.messages_dict)
        query = messages.pop("query", None)
        if query is None:
            raise Unprocessable(_join(messages.get("json", messages)))
        if _PAGINATION & query.keys():
            raise InvalidPagination(_join(query))
        raise InvalidInput(_join(query))


def _join(messages: Mapping[str, Any]) -> str:
    return "; ".join(_flatten(messages, ""))


def _flatten(messages: Any, path: str) -> Iterator[str]:
    if isinstance(messages, Mapping):
        for key, inner in messages.items():
            yield from _flatten(inner, path if key == "_schema" else f"{path}.{key}".lstrip("."))
        return
    for message in messages if isinstance(messages, list) else [messages]:
        yield f"{path or 'the request body'}: {message}"


def parse_id(text: str, what: str, error: type[InvalidInput] = InvalidInput) -> UUID:
    """Read an id out of a path.

    Parameters:
        text: the id.
        what: whose id it is, for the message.
        error: what to raise.

    Raises:
        InvalidInput: it is no UUID.
    """
    try:
        return UUID(text)
    except ValueError:
        raise error(f"'{text[:80]}' is not the id of {what}: ids are UUIDs") from None


def parse_since(text: str) -> timedelta | datetime:
    """Read the beginning of a time span: a duration back from now, or a moment.

    Parameters:
        text: such as `100ms`, `5m`, `1h`, or RFC 3339 with its offset.

    Raises:
        ValueError: it is neither.
    """
    if found := _DURATION.fullmatch(text):
        try:
            return int(found[1]) * _UNITS[found[2]]
        except OverflowError:
            raise ValueError("is too long ago") from None
    with suppress(ValueError):
        moment = datetime.fromisoformat(_LOST_PLUS.sub("+", text))
        if moment.tzinfo is not None:
            return moment
    raise ValueError("must be a duration such as 5m, or a time such as 2026-01-02T03:04:05Z")


def as_moment(session: Session, given: timedelta | datetime | None) -> datetime | None:
    """Turn what `parse_since` has read into a moment.

    Parameters:
        session: what is recorded bears the database's time, so a duration counts back from that.
        given: None stays None.
    """
    if isinstance(given, timedelta):
        return session.scalar(select(after(-given.total_seconds())))
    return given
