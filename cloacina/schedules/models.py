"""Tables of the schedules feature, in each tenant's schema."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index
from sqlalchemy.orm import Mapped, mapped_column

from cloacina.db.clock import UtcDateTime
from cloacina.db.models import TenantBase


class ScheduleRow(TenantBase):
    """What starts a workflow by itself: a cron expression or a trigger."""

    __tablename__ = "schedules"
    __table_args__ = (
        CheckConstraint("schedule_type IN ('cron', 'trigger')", name="schedule_type"),
        Index(None, "next_run_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    schedule_type: Mapped[str]
    workflow_name: Mapped[str]
    enabled: Mapped[bool]
    cron_expression: Mapped[str | None]
    timezone: Mapped[str | None]
    trigger_name: Mapped[str | None]
    poll_interval_ms: Mapped[int | None]
    next_run_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_run_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    paused: Mapped[bool]
    paused_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
