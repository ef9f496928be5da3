"""Idempotency keys: asking twice to start an execution starts it once (spec: execute)."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from cloacina.db import after, rows_changed
from cloacina.executions.errors import IdempotencyKeyReused
from cloacina.executions.models import ExecutionRow

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


def find_started(session: Session, idempotency: Idempotency) -> tuple[UUID, str] | None:
    """Give the execution that this request has started already.

    Parameters:
        session: acts as the tenant.
        idempotency: of the request.

    Returns:
        The execution's id and its workflow's name, or None when the key is new or forgotten.

    Raises:
        IdempotencyKeyReused: the key came with another request.
    """
    forgotten = ExecutionRow.started_at < after(-KEPT_S)
    mine = ExecutionRow.idempotency_key == idempotency.key
    rows_changed(
        session,
        update(ExecutionRow).where(mine, forgotten).values(idempotency_key=None),
    )
    row = session.execute(
        select(ExecutionRow.id, ExecutionRow.workflow_name, ExecutionRow.request_hash).where(mine)
    ).one_or_none()
    if row is None:
        return None
    if row.request_hash != idempotency.request_hash:
        raise IdempotencyKeyReused
    return row.id, row.workflow_name
