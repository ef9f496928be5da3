"""Table of the audit feature: the service may add rows to it and read them, nothing else."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Identity, Index, Integer, Text
from sqlalchemy.orm import Mapped, mapped_column

from cloacina.db.clock import UtcDateTime
from cloacina.db.models import PlatformBase


@dataclass(frozen=True)
class Event:
    """A line of the audit log.

    Parameters:
        id: later events mostly have higher ones.
        at: when.
        action: what was done, as `noun.verb`; `access.refused` is what was not.
        outcome: `ok`, or the code of the error.
        subject: what it was done to: the id or the name of a key, a package, a limit; a route.
        tenant_name: whom it concerns; None: the platform.
        key_id, key_name: of the key that was presented; None: none, or the server acted by itself.
        request_id: the request that caused it, if one did.
        address: where that came from.
        details: more of it.
    """

    id: int
    at: datetime
    action: str
    outcome: str
    subject: str | None
    tenant_name: str | None
    key_id: UUID | None
    key_name: str | None
    request_id: str | None
    address: str | None
    details: dict[str, Any] | None


class AuditRow(PlatformBase):
    """A change, or a refused access. It outlives the tenant and the key that it names."""

    __tablename__ = "audit_log"
    # each question is answered from its newest row on
    __table_args__ = (
        Index(None, "at"),
        Index(None, "tenant_name", "at"),
        Index(None, "key_id", "at"),
        # finds the beginnings of actions too, whatever the database sorts by
        Index(None, "action", "at", postgresql_ops={"action": "text_pattern_ops"}),
        Index(None, "request_id"),
    )

    serial: Mapped[int] = mapped_column(
        # SQLite numbers rows by itself only where the type is INTEGER
        BigInteger().with_variant(Integer(), "sqlite"),
        Identity(always=True),
        primary_key=True,
    )
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    action: Mapped[str]
    outcome: Mapped[str]
    subject: Mapped[str | None]
    key_id: Mapped[UUID | None]
    key_name: Mapped[str | None]
    tenant_id: Mapped[UUID | None]
    tenant_name: Mapped[str | None]
    request_id: Mapped[str | None]
    address: Mapped[str | None]
    details: Mapped[str | None] = mapped_column(Text)

    def value(self) -> Event:
        """Give the frozen value that others see."""
        return Event(
            id=self.serial,
            at=self.at,
            action=self.action,
            outcome=self.outcome,
            subject=self.subject,
            tenant_name=self.tenant_name,
            key_id=self.key_id,
            key_name=self.key_name,
            request_id=self.request_id,
            address=self.address,
            details=json.loads(self.details) if self.details else None,
        )
