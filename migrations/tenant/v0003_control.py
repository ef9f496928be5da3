"""Time limits, pauses and reruns of executions, and counts of how their tasks ended."""

import sqlalchemy as sa
from alembic import op

from cloacina.db.clock import UtcDateTime

revision = "0003"
down_revision = "0002"

_RUNNING = sa.text("status = 'Running'")


def upgrade() -> None:
    """Add the columns; executions that are open get their counts from their tasks."""
    for column in (
        sa.Column("rerun_of", sa.Uuid(), nullable=True),
        sa.Column("failed_tasks", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.Column("skipped_tasks", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.Column("deadline_at", UtcDateTime(), nullable=True),
        sa.Column("paused_at", UtcDateTime(), nullable=True),
    ):
        op.add_column("workflow_executions", column)
    op.create_index(
        "ix_workflow_executions_deadline",
        "workflow_executions",
        ["deadline_at"],
        postgresql_where=_RUNNING,
        sqlite_where=_RUNNING,
    )
    for count, state in (("failed_tasks", "Failed"), ("skipped_tasks", "Skipped")):
        op.execute(
            f"UPDATE workflow_executions SET {count} = (SELECT count(*) FROM task_executions t"  # noqa: S608  # constants
            f" WHERE t.execution_id = workflow_executions.id AND t.status = '{state}')"
        )
