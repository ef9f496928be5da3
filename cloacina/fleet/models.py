"""Tables of the fleet feature: the workers that are on duty."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from cloacina.db.clock import UtcDateTime
from cloacina.db.models import PlatformBase


class WorkerRow(PlatformBase):
    """A worker that reports for duty; a stale row is a worker that is gone."""

    __tablename__ = "workers"
    __table_args__ = (Index(None, "heartbeat_at"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    # the tenants that it serves alone, with commas; None: it serves all
    tenant_names: Mapped[str | None]
    concurrency: Mapped[int]
    in_flight: Mapped[int]
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    heartbeat_at: Mapped[datetime] = mapped_column(UtcDateTime)
