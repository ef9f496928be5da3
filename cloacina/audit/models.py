"""Table of the audit feature: the service may add rows to it and read them, nothing else."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, Identity, Index, Integer, Text
from sqlalchemy.orm import Mapped, mapped_column

from cloacina.db.clock import UtcDateTime
from cloacina.db.models import PlatformBase


class AuditRow(PlatformBase):
    """A change, or a refused access. It outlives the tenant and the key that it names."""

    __tablename__ = "audit_log"
    __table_args__ = (Index(None, "tenant_id", "serial"), Index(None, "at"))

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
