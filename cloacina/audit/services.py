"""Adds to the audit log, in the transaction of what it tells about."""

import json
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy.orm import Session

from cloacina import logs
from cloacina.audit.models import AuditRow
from cloacina.db import now

OK = "ok"
"""The outcome of what succeeded; else it is the error's code."""


@dataclass(frozen=True)
class Actor:
    """Whoever causes what happens now.

    Parameters:
        key_id: of the key that was presented; None: none, or the server acts by itself.
        key_name: what people call it.
        address: where the request came from.
    """

    key_id: UUID | None = None
    key_name: str | None = None
    address: str | None = None


class Named(Protocol):
    """A tenant, as far as the log knows it."""

    @property
    def id(self) -> UUID:
        """Its id."""

    @property
    def name(self) -> str:
        """Its name at that time."""


actor: ContextVar[Actor] = ContextVar("actor", default=Actor())  # noqa: B039  # it is frozen
"""On whose behalf the running code works."""


def record(
    session: Session,
    action: str,
    tenant: Named | None = None,
    *,
    subject: object = None,
    outcome: str = OK,
    **details: Any,
) -> None:
    """Add a line to the log; it is committed with the change that it tells of, or not at all.

    Parameters:
        session: acts as the platform, so in a tenant's transaction it comes last.
        action: what was done, as `noun.verb`.
        tenant: whom it concerns; None: the platform.
        subject: what it was done to: the id or the name of a key, a package, a limit.
        outcome: `ok`, or the code of the error.
        details: more of it, as JSON; never a secret.
    """
    who = actor.get()
    session.add(
        AuditRow(
            at=now(),
            action=action,
            outcome=outcome,
            subject=None if subject is None else str(subject),
            key_id=who.key_id,
            key_name=who.key_name,
            tenant_id=tenant.id if tenant else None,
            tenant_name=tenant.name if tenant else None,
            request_id=logs.request_id.get(),
            address=who.address,
            details=json.dumps(details, ensure_ascii=False, default=str) if details else None,
        )
    )
    session.flush()
