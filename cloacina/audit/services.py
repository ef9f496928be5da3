"""Adds to the audit log, in the transaction of what it tells about, and reads it."""

import json
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import ColumnElement, select, tuple_
from sqlalchemy.orm import Session

from cloacina import logs
from cloacina.audit.models import AuditRow, Event
from cloacina.db import instant

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
            # a transaction's beginning may be long ago, and its lines are read in their order
            at=instant(),
            action=action,
            outcome=outcome,
            subject=None if subject is None else str(subject),
            key_id=who.key_id,
            key_name=who.key_name,
            tenant_id=tenant.id if tenant else None,
            tenant_name=tenant.name if tenant else None,
            request_id=logs.request_id.get(),
            address=who.address,
            details=json.dumps(details, ensure_ascii=False, default=_text) if details else None,
        )
    )
    session.flush()


def _text(value: object) -> str:
    """Write what JSON has no form for; a moment as the API writes it."""
    return value.isoformat(timespec="microseconds") if isinstance(value, datetime) else str(value)


@dataclass(frozen=True)
class Wanted:
    """Which lines to give; None: whatever it is.

    Parameters:
        tenant_name: of whichever tenants have borne this name.
        tenant_id: of this tenant alone.
        action: this one; with a dot at its end, all that begin so.
        outcome: `ok`, or the code of an error.
        key_id: of the key that was presented.
        request_id: the request that caused it.
        since, until: no earlier than the one, earlier than the other.
        before: the id of a line, such as the last of a page; only what stands behind it.
    """

    tenant_name: str | None = None
    tenant_id: UUID | None = None
    action: str | None = None
    outcome: str | None = None
    key_id: UUID | None = None
    request_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    before: int | None = None


def list_events(session: Session, wanted: Wanted, *, limit: int, offset: int) -> Sequence[Event]:
    """Give lines of the log, the newest first.

    Parameters:
        session: acts as the platform.
        wanted: which.
        limit: how many at most.
        offset: how many to pass over.
    """
    query = (
        select(AuditRow)
        .where(*_conditions(wanted))
        .order_by(AuditRow.at.desc(), AuditRow.serial.desc())
        .limit(limit)
        .offset(offset)
    )
    return [row.value() for row in session.scalars(query)]


def _conditions(wanted: Wanted) -> Iterator[ColumnElement[bool]]:
    for name in ("tenant_name", "tenant_id", "outcome", "key_id", "request_id"):
        value = getattr(wanted, name)
        if value is not None:
            yield getattr(AuditRow, name) == value
    if wanted.action is not None:
        is_beginning = wanted.action.endswith(".")
        yield (
            AuditRow.action.startswith(wanted.action, autoescape=True)
            if is_beginning
            else AuditRow.action == wanted.action
        )
    if wanted.since is not None:
        yield AuditRow.at >= wanted.since
    if wanted.until is not None:
        yield AuditRow.at < wanted.until
    if wanted.before is not None:
        at = select(AuditRow.at).where(AuditRow.serial == wanted.before).scalar_subquery()
        yield tuple_(AuditRow.at, AuditRow.serial) < tuple_(at, wanted.before)
