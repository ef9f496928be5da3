"""Tables of the fleet feature: the workers on duty, and those that tenants are to have."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index
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


class FleetRow(PlatformBase):
    """How many workers of its own a tenant is to have; a tenant without a row has none."""

    __tablename__ = "fleets"

    tenant_id: Mapped[UUID] = mapped_column(
        ForeignKey("tenants.id", ondelete="CASCADE"), primary_key=True
    )
    desired: Mapped[int]
    # what the server has added by itself, when it last changed that, and when it last had a reason
    raised: Mapped[int]
    raised_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    waited_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class PostRow(PlatformBase):
    """One of these workers, and the supervisor that sees to it that it runs."""

    __tablename__ = "fleet_posts"

    tenant_id: Mapped[UUID] = mapped_column(
        ForeignKey("tenants.id", ondelete="CASCADE"), primary_key=True
    )
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    holder: Mapped[UUID]
    lease_until: Mapped[datetime] = mapped_column(UtcDateTime)
