"""Add the audit log, tenants' own limits, and what tenants go through."""

import sqlalchemy as sa
from alembic import op

from cloacina.db.clock import UtcDateTime

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create the tables and add the columns."""
    op.add_column("tenants", sa.Column("migrating_until", UtcDateTime(), nullable=True))
    op.add_column("tenants", sa.Column("suspended_at", UtcDateTime(), nullable=True))
    op.add_column("tenants", sa.Column("drain_until", UtcDateTime(), nullable=True))
    op.add_column("tenants", sa.Column("deletion_step", sa.String(), nullable=True))
    op.create_table(
        "audit_log",
        sa.Column(
            "serial",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            sa.Identity(always=True),
            nullable=False,
        ),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=True),
        sa.Column("key_id", sa.Uuid(), nullable=True),
        sa.Column("key_name", sa.String(), nullable=True),
        sa.Column("tenant_id", sa.Uuid(), nullable=True),
        sa.Column("tenant_name", sa.String(), nullable=True),
        sa.Column("request_id", sa.String(), nullable=True),
        sa.Column("address", sa.String(), nullable=True),
        sa.Column("details", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("serial", name=op.f("pk_audit_log")),
    )
    op.create_index(op.f("ix_audit_log_at"), "audit_log", ["at"])
    op.create_index(op.f("ix_audit_log_tenant_name_at"), "audit_log", ["tenant_name", "at"])
    op.create_index(op.f("ix_audit_log_key_id_at"), "audit_log", ["key_id", "at"])
    op.create_index(
        op.f("ix_audit_log_action_at"),
        "audit_log",
        ["action", "at"],
        postgresql_ops={"action": "text_pattern_ops"},
    )
    op.create_index(op.f("ix_audit_log_request_id"), "audit_log", ["request_id"])
    op.create_table(
        "limits",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("max_agents", sa.Integer(), nullable=True),
        sa.Column("max_concurrent_tasks", sa.Integer(), nullable=True),
        sa.Column("max_queued_executions", sa.Integer(), nullable=True),
        sa.Column("max_packages", sa.Integer(), nullable=True),
        sa.Column("max_storage_bytes", sa.BigInteger(), nullable=True),
        sa.Column("max_requests_per_s", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_limits_tenant_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("pk_limits")),
    )
