"""Idempotency keys: asking twice to start an execution starts it once (spec: execute)."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from cloacina.db import Call, Row
from cloacina.executions.errors import IdempotencyKeyReused
from cloacina.executions.transition import SQL

KEPT_S = 24 * 60 * 60
"""Seconds that a key is remembered."""


@dataclass(frozen=True)
class Idempotency:
    """A caller's key for one request.

    Parameters:
        key: the caller's text, unique among a tenant's requests of a day.
        request_hash: of the workflow's name and the context, as they were sent.
    """

    key: str
    request_hash: str

    @classmethod
    def of(cls, key: str, workflow: str, context: Mapping[str, Any]) -> "Idempotency":
        """Take down what is asked under a key."""
        request = json.dumps([workflow, context], sort_keys=True)
        return cls(key, hashlib.sha256(request.encode()).hexdigest())


def calls(idempotency: Idempotency) -> list[Call]:
    """Ask for the execution that a key has started; `started` reads the answer."""
    forget = Call(SQL.forget_key, {"key": idempotency.key, "ago_s": -KEPT_S})
    return [forget, Call(SQL.find_key, {"key": idempotency.key})]


def started(idempotency: Idempotency, rows: Sequence[Row]) -> tuple[UUID, str] | None:
    """Give the execution that this request has started already.

    Parameters:
        idempotency: of the request.
        rows: what the last of `calls` gave.

    Returns:
        The execution's id and its workflow's name, or None when the key is new or forgotten.

    Raises:
        IdempotencyKeyReused: the key came with another request.
    """
    if not rows:
        return None
    (row,) = rows
    if row.request_hash != idempotency.request_hash:
        raise IdempotencyKeyReused
    return row.id, row.workflow_name
