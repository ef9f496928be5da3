"""Tables of the keys feature, and the value that stands for whoever presents a key."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from cloacina.db.clock import UtcDateTime
from cloacina.db.models import PlatformBase
from cloacina.tenants.models import Tenant

READ, WRITE, ADMIN = "read", "write", "admin"
ROLES = (READ, WRITE, ADMIN)
"""The roles of a key, each of which may do all that those before it may."""


@dataclass(frozen=True)
class KeyInfo:
    """A key as others may see it: all but the key itself.

    Parameters:
        id: names the key in the API.
        name: what people call it.
        role: `read`, `write` or `admin`.
        is_admin: passes every check, on every tenant.
        tenant_name: its tenant; None for a key of the whole platform.
        revoked: it opens nothing any more.
        created_at: when.
        expires_at: when it ends by itself, if ever.
        last_used_at: to the minute.
    """

    id: UUID
    name: str
    role: str
    is_admin: bool
    tenant_name: str | None
    revoked: bool
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


@dataclass(frozen=True)
class Principal:
    """Whoever presented a valid key.

    Parameters:
        key: the key.
        tenant: the key's tenant, None for a key of the whole platform.
    """

    key: KeyInfo
    tenant: Tenant | None

    def has_role(self, role: str) -> bool:
        """Say whether the key's role is at least `role`."""
        return self.key.is_admin or ROLES.index(self.key.role) >= ROLES.index(role)


class ApiKeyRow(PlatformBase):
    """An API key; rows are revoked and never deleted, because others refer to them."""

    __tablename__ = "api_keys"
    __table_args__ = (
        # a given bootstrap key may be given again once its first row is revoked
        Index(
            "uq_api_keys_live_hash",
            "key_hash",
            unique=True,
            postgresql_where=text("NOT revoked"),
            sqlite_where=text("NOT revoked"),
        ),
        Index(None, "tenant_id"),
        CheckConstraint("role IN ('read', 'write', 'admin')", name="role"),
        # a key is the platform's or a tenant's: a row that is neither would open nothing, or all
        CheckConstraint("is_admin = (tenant_id IS NULL)", name="scope"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    key_hash: Mapped[str]
    role: Mapped[str]
    is_admin: Mapped[bool]
    # the tenant's row goes when the tenant goes, its revoked keys stay: hence no foreign key
    tenant_id: Mapped[UUID | None]
    tenant_name: Mapped[str | None]
    revoked: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    def value(self) -> KeyInfo:
        """Give the frozen value that others see."""
        return KeyInfo(
            id=self.id,
            name=self.name,
            role=self.role,
            is_admin=self.is_admin,
            tenant_name=self.tenant_name,
            revoked=self.revoked,
            created_at=self.created_at,
            expires_at=self.expires_at,
            last_used_at=self.last_used_at,
        )


class PackageSignatureRow(PlatformBase):
    """Who vouched for which archive, by the key that brought the signature."""

    __tablename__ = "package_signatures"
    __table_args__ = (
        Index("uq_package_signatures_subject", "content_hash", "key_id", unique=True),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    content_hash: Mapped[str]
    signature: Mapped[bytes]
    key_id: Mapped[UUID] = mapped_column(ForeignKey("api_keys.id"))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
