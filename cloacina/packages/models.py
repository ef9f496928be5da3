"""Tables of the packages feature, in each tenant's schema."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, Integer, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from cloacina.db.clock import UtcDateTime
from cloacina.db.models import TenantBase

PENDING, BUILDING, SUCCESS, FAILED = "pending", "building", "success", "failed"

_LIVE = text("deleted_at IS NULL AND build_status <> 'failed'")
_ACTIVE = text("active")


class PackageRow(TenantBase):
    """One version of a package, from its upload on."""

    __tablename__ = "packages"
    __table_args__ = (
        # a version that failed or was deleted may be uploaded again
        Index(
            "uq_packages_live_version",
            "package_name",
            "version",
            unique=True,
            postgresql_where=_LIVE,
            sqlite_where=_LIVE,
        ),
        Index(
            "uq_packages_active_name",
            "package_name",
            unique=True,
            postgresql_where=_ACTIVE,
            sqlite_where=_ACTIVE,
        ),
        Index(
            "uq_packages_active_workflow",
            "workflow_name",
            unique=True,
            postgresql_where=_ACTIVE,
            sqlite_where=_ACTIVE,
        ),
        Index(None, "content_hash"),
        CheckConstraint(
            "build_status IN ('pending', 'building', 'success', 'failed')", name="build_status"
        ),
    )

    # the order of uploads decides which version is active, not the order in which builds end
    upload_order: Mapped[int] = mapped_column(
        # SQLite numbers rows by itself only where the type is INTEGER
        BigInteger().with_variant(Integer(), "sqlite"),
        Identity(always=True),
        primary_key=True,
    )
    id: Mapped[UUID] = mapped_column(unique=True)
    package_name: Mapped[str]
    version: Mapped[str]
    workflow_name: Mapped[str]
    entry_module: Mapped[str]
    description: Mapped[str | None]
    content_hash: Mapped[str]
    source_hash: Mapped[str]
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    build_status: Mapped[str]
    build_error: Mapped[str | None] = mapped_column(Text)
    build_token: Mapped[UUID | None]
    build_lease_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    active: Mapped[bool] = mapped_column(default=False)
    paused: Mapped[bool] = mapped_column(default=False)
    definition: Mapped[str | None] = mapped_column(Text)
    workflow_version: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    deleted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class ArchiveChunkRow(TenantBase):
    """A piece of an archive, so that no process ever holds the whole."""

    __tablename__ = "archive_chunks"

    package_id: Mapped[UUID] = mapped_column(
        ForeignKey("packages.id", ondelete="CASCADE"), primary_key=True
    )
    position: Mapped[int] = mapped_column(primary_key=True)
    data: Mapped[bytes]
