"""Keep what tasks write to stdout and stderr."""

import sqlalchemy as sa
from alembic import op

from cloacina.db.clock import UtcDateTime

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create the table; the schema's default privileges give it to the tenant's role."""
    op.create_table(
        "task_logs",
        sa.Column(
            "serial",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            sa.Identity(always=True),
            nullable=False,
        ),
        sa.Column("execution_id", sa.Uuid(), nullable=False),
        sa.Column("task_id", sa.String(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("stream", sa.String(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("line", sa.Text(), nullable=False),
        sa.CheckConstraint("stream IN ('stdout', 'stderr')", name=op.f("ck_task_logs_stream")),
        sa.ForeignKeyConstraint(
            ["execution_id"],
            ["workflow_executions.id"],
            name=op.f("fk_task_logs_execution_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("serial", name=op.f("pk_task_logs")),
    )
    op.create_index(
        op.f("ix_task_logs_execution_id_serial"), "task_logs", ["execution_id", "serial"]
    )
