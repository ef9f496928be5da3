"""Tables of the executions feature, in each tenant's schema."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from cloacina.db.clock import UtcDateTime
from cloacina.db.models import TenantBase

_SERIAL = BigInteger().with_variant(Integer(), "sqlite")
_READY = text("status = 'Ready'")
_RUNNING = text("status = 'Running'")
_OPEN = text("status IN ('Pending', 'Running', 'Paused')")
_NONE = text("0")


class ExecutionRow(TenantBase):
    """One run of a workflow."""

    __tablename__ = "workflow_executions"
    __table_args__ = (
        Index(None, "started_at"),
        Index("ix_workflow_executions_open", "id", postgresql_where=_OPEN, sqlite_where=_OPEN),
        Index(
            "ix_workflow_executions_deadline",
            "deadline_at",
            postgresql_where=_RUNNING,
            sqlite_where=_RUNNING,
        ),
        UniqueConstraint("schedule_id", "scheduled_time"),
        UniqueConstraint("idempotency_key"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    package_id: Mapped[UUID] = mapped_column(ForeignKey("packages.id"))
    workflow_name: Mapped[str]
    workflow_version: Mapped[str]
    status: Mapped[str]
    trigger_origin: Mapped[str | None]
    schedule_id: Mapped[UUID | None]
    scheduled_time: Mapped[datetime | None] = mapped_column(UtcDateTime)
    request_id: Mapped[str | None]
    # what the caller gave to be safe in asking twice, and a hash of what was asked
    idempotency_key: Mapped[str | None]
    request_hash: Mapped[str | None]
    input_context: Mapped[str] = mapped_column(Text)
    final_context: Mapped[str | None] = mapped_column(Text)
    error: Mapped[str | None] = mapped_column(Text)
    # tasks that have not ended; the execution ends with the last of them
    open_tasks: Mapped[int]
    last_event: Mapped[int] = mapped_column(default=0)
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    completed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    # the execution whose rerun this is
    rerun_of: Mapped[UUID | None]
    failed_tasks: Mapped[int] = mapped_column(server_default=_NONE)
    skipped_tasks: Mapped[int] = mapped_column(server_default=_NONE)
    # of its time limit, set by the first claim and put off by pauses
    deadline_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    paused_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class TaskRow(TenantBase):
    """One task of an execution, over all its attempts."""

    __tablename__ = "task_executions"
    __table_args__ = (
        UniqueConstraint("execution_id", "task_id"),
        # one for the next task of an execution, one for the next task of a tenant
        Index(
            "ix_task_executions_ready",
            "execution_id",
            "position",
            postgresql_where=_READY,
            sqlite_where=_READY,
        ),
        Index(
            "ix_task_executions_ready_at", "ready_at", postgresql_where=_READY, sqlite_where=_READY
        ),
        Index(
            "ix_task_executions_running",
            "lease_until",
            postgresql_where=_RUNNING,
            sqlite_where=_RUNNING,
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    execution_id: Mapped[UUID] = mapped_column(
        ForeignKey("workflow_executions.id", ondelete="CASCADE")
    )
    task_id: Mapped[str]
    position: Mapped[int]
    status: Mapped[str]
    sub_status: Mapped[str | None]
    # dependencies that have not ended; at zero the task's rules are looked at, once
    open_dependencies: Mapped[int]
    attempt: Mapped[int] = mapped_column(default=0)
    max_attempts: Mapped[int]
    resets: Mapped[int] = mapped_column(default=0)
    # when it may be claimed: at once, or after the wait before a retry; none while it is paused
    ready_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    claim_token: Mapped[UUID | None]
    worker: Mapped[str | None]
    lease_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    output_context: Mapped[str | None] = mapped_column(Text)
    last_error: Mapped[str | None] = mapped_column(Text)
    error_details: Mapped[str | None] = mapped_column(Text)
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    completed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)


class EventRow(TenantBase):
    """Something that happened in an execution, numbered without gaps."""

    __tablename__ = "execution_events"
    __table_args__ = (UniqueConstraint("execution_id", "sequence_num"),)

    serial: Mapped[int] = mapped_column(_SERIAL, Identity(always=True), primary_key=True)
    id: Mapped[UUID]
    execution_id: Mapped[UUID] = mapped_column(
        ForeignKey("workflow_executions.id", ondelete="CASCADE")
    )
    sequence_num: Mapped[int]
    event_type: Mapped[str]
    event_data: Mapped[str | None] = mapped_column(Text)
    task_id: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class LogLineRow(TenantBase):
    """A line that a task wrote; an execution's serials grow in the order of its commits."""

    __tablename__ = "task_logs"
    __table_args__ = (
        CheckConstraint("stream IN ('stdout', 'stderr')", name="stream"),
        Index(None, "execution_id", "serial"),
    )

    serial: Mapped[int] = mapped_column(_SERIAL, Identity(always=True), primary_key=True)
    execution_id: Mapped[UUID] = mapped_column(
        ForeignKey("workflow_executions.id", ondelete="CASCADE")
    )
    task_id: Mapped[str]
    attempt: Mapped[int]
    stream: Mapped[str]
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    line: Mapped[str] = mapped_column(Text)
