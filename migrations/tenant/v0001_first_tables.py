"""Create the tenant's first tables."""

import sqlalchemy as sa
from alembic import op

from cloacina.db.clock import UtcDateTime

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "packages",
        sa.Column(
            "upload_order",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            sa.Identity(always=True),
            nullable=False,
        ),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("package_name", sa.String(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("workflow_name", sa.String(), nullable=False),
        sa.Column("entry_module", sa.String(), nullable=False),
        sa.Column("description", sa.String(), nullable=True),
        sa.Column("content_hash", sa.String(), nullable=False),
        sa.Column("source_hash", sa.String(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("build_status", sa.String(), nullable=False),
        sa.Column("build_error", sa.Text(), nullable=True),
        sa.Column("build_token", sa.Uuid(), nullable=True),
        sa.Column("build_lease_until", UtcDateTime(), nullable=True),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.Column("definition", sa.Text(), nullable=True),
        sa.Column("workflow_version", sa.String(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("deleted_at", UtcDateTime(), nullable=True),
        sa.CheckConstraint(
            "build_status IN ('pending', 'building', 'success', 'failed')",
            name=op.f("ck_packages_build_status"),
        ),
        sa.PrimaryKeyConstraint("upload_order", name=op.f("pk_packages")),
        sa.UniqueConstraint("id", name=op.f("uq_packages_id")),
    )
    op.create_index(op.f("ix_packages_content_hash"), "packages", ["content_hash"], unique=False)
    op.create_index(
        "uq_packages_active_name",
        "packages",
        ["package_name"],
        unique=True,
        postgresql_where=sa.text("active"),
        sqlite_where=sa.text("active"),
    )
    op.create_index(
        "uq_packages_active_workflow",
        "packages",
        ["workflow_name"],
        unique=True,
        postgresql_where=sa.text("active"),
        sqlite_where=sa.text("active"),
    )
    op.create_index(
        "uq_packages_live_version",
        "packages",
        ["package_name", "version"],
        unique=True,
        postgresql_where=sa.text("deleted_at IS NULL AND build_status <> 'failed'"),
        sqlite_where=sa.text("deleted_at IS NULL AND build_status <> 'failed'"),
    )
    op.create_table(
        "schedules",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("schedule_type", sa.String(), nullable=False),
        sa.Column("workflow_name", sa.String(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("cron_expression", sa.String(), nullable=True),
        sa.Column("timezone", sa.String(), nullable=True),
        sa.Column("trigger_name", sa.String(), nullable=True),
        sa.Column("poll_interval_ms", sa.Integer(), nullable=True),
        sa.Column("next_run_at", UtcDateTime(), nullable=True),
        sa.Column("last_run_at", UtcDateTime(), nullable=True),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.Column("paused_at", UtcDateTime(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "schedule_type IN ('cron', 'trigger')", name=op.f("ck_schedules_schedule_type")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_schedules")),
    )
    op.create_index(op.f("ix_schedules_next_run_at"), "schedules", ["next_run_at"], unique=False)
    op.create_table(
        "archive_chunks",
        sa.Column("package_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["package_id"],
            ["packages.id"],
            name=op.f("fk_archive_chunks_package_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("package_id", "position", name=op.f("pk_archive_chunks")),
    )
    op.create_table(
        "workflow_executions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("package_id", sa.Uuid(), nullable=False),
        sa.Column("workflow_name", sa.String(), nullable=False),
        sa.Column("workflow_version", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("trigger_origin", sa.String(), nullable=True),
        sa.Column("schedule_id", sa.Uuid(), nullable=True),
        sa.Column("scheduled_time", UtcDateTime(), nullable=True),
        sa.Column("request_id", sa.String(), nullable=True),
        sa.Column("idempotency_key", sa.String(), nullable=True),
        sa.Column("request_hash", sa.String(), nullable=True),
        sa.Column("input_context", sa.Text(), nullable=False),
        sa.Column("final_context", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("open_tasks", sa.Integer(), nullable=False),
        sa.Column("last_event", sa.Integer(), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("completed_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["package_id"], ["packages.id"], name=op.f("fk_workflow_executions_package_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workflow_executions")),
        sa.UniqueConstraint("idempotency_key", name=op.f("uq_workflow_executions_idempotency_key")),
        sa.UniqueConstraint(
            "schedule_id",
            "scheduled_time",
            name=op.f("uq_workflow_executions_schedule_id_scheduled_time"),
        ),
    )
    op.create_index(
        "ix_workflow_executions_open",
        "workflow_executions",
        ["id"],
        unique=False,
        postgresql_where=sa.text("status IN ('Pending', 'Running', 'Paused')"),
        sqlite_where=sa.text("status IN ('Pending', 'Running', 'Paused')"),
    )
    op.create_index(
        op.f("ix_workflow_executions_started_at"),
        "workflow_executions",
        ["started_at"],
        unique=False,
    )
    op.create_table(
        "execution_events",
        sa.Column(
            "serial",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            sa.Identity(always=True),
            nullable=False,
        ),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("execution_id", sa.Uuid(), nullable=False),
        sa.Column("sequence_num", sa.Integer(), nullable=False),
        sa.Column("event_type", sa.String(), nullable=False),
        sa.Column("event_data", sa.Text(), nullable=True),
        sa.Column("task_id", sa.String(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["execution_id"],
            ["workflow_executions.id"],
            name=op.f("fk_execution_events_execution_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("serial", name=op.f("pk_execution_events")),
        sa.UniqueConstraint(
            "execution_id",
            "sequence_num",
            name=op.f("uq_execution_events_execution_id_sequence_num"),
        ),
    )
    op.create_table(
        "task_executions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("execution_id", sa.Uuid(), nullable=False),
        sa.Column("task_id", sa.String(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("sub_status", sa.String(), nullable=True),
        sa.Column("open_dependencies", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("max_attempts", sa.Integer(), nullable=False),
        sa.Column("resets", sa.Integer(), nullable=False),
        sa.Column("ready_at", UtcDateTime(), nullable=True),
        sa.Column("claim_token", sa.Uuid(), nullable=True),
        sa.Column("worker", sa.String(), nullable=True),
        sa.Column("lease_until", UtcDateTime(), nullable=True),
        sa.Column("output_context", sa.Text(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("error_details", sa.Text(), nullable=True),
        sa.Column("started_at", UtcDateTime(), nullable=True),
        sa.Column("completed_at", UtcDateTime(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["execution_id"],
            ["workflow_executions.id"],
            name=op.f("fk_task_executions_execution_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_task_executions")),
        sa.UniqueConstraint(
            "execution_id", "task_id", name=op.f("uq_task_executions_execution_id_task_id")
        ),
    )
    op.create_index(
        "ix_task_executions_ready",
        "task_executions",
        ["execution_id", "position"],
        unique=False,
        postgresql_where=sa.text("status = 'Ready'"),
        sqlite_where=sa.text("status = 'Ready'"),
    )
    op.create_index(
        "ix_task_executions_ready_at",
        "task_executions",
        ["ready_at"],
        unique=False,
        postgresql_where=sa.text("status = 'Ready'"),
        sqlite_where=sa.text("status = 'Ready'"),
    )
    op.create_index(
        "ix_task_executions_running",
        "task_executions",
        ["lease_until"],
        unique=False,
        postgresql_where=sa.text("status = 'Running'"),
        sqlite_where=sa.text("status = 'Running'"),
    )
