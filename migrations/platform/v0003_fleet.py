"""Add the workers that tenants are to have of their own, and who sees to them."""

import sqlalchemy as sa
from alembic import op

from cloacina.db.clock import UtcDateTime

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "fleets",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("desired", sa.Integer(), nullable=False),
        sa.Column("raised", sa.Integer(), nullable=False),
        sa.Column("raised_at", UtcDateTime(), nullable=True),
        sa.Column("waited_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_fleets_tenant_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("pk_fleets")),
    )
    op.create_table(
        "fleet_posts",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("holder", sa.Uuid(), nullable=False),
        sa.Column("lease_until", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"],
            ["tenants.id"],
            name=op.f("fk_fleet_posts_tenant_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "number", name=op.f("pk_fleet_posts")),
    )
