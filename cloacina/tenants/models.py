"""Tables of the tenants feature, and the value that stands for a tenant elsewhere."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from cloacina.db.clock import UtcDateTime
from cloacina.db.models import PlatformBase

ACTIVE = "active"
DELETING = "deleting"

PUBLIC_TENANT = "public"
PUBLIC_SCHEMA = "tenant_public"

HINT_KEY = "hints"


@dataclass(frozen=True)
class Tenant:
    """A tenant.

    Parameters:
        id: never used again; whatever points at a tenant holds it, so that a tenant created anew
            under an old name sees nothing of the old one.
        name: what people call it.
        schema: the schema of its tables.
        role: the database role that may use them.
        status: `active` or `deleting`.
        description: what its creator wrote.
        created_at: when.
        schema_version: revision of its tables.
    """

    id: UUID
    name: str
    schema: str
    role: str
    status: str
    description: str | None
    created_at: datetime
    schema_version: str


class TenantRow(PlatformBase):
    """A tenant of this server."""

    __tablename__ = "tenants"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    schema_name: Mapped[str]
    role_name: Mapped[str]
    status: Mapped[str]
    description: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    schema_version: Mapped[str]

    def value(self) -> Tenant:
        """Give the frozen value that other features work with."""
        return Tenant(
            id=self.id,
            name=self.name,
            schema=self.schema_name,
            role=self.role_name,
            status=self.status,
            description=self.description,
            created_at=self.created_at,
            schema_version=self.schema_version,
        )


class WakeupRow(PlatformBase):
    """When something is next due at a tenant; the scheduler looks at nothing else."""

    __tablename__ = "tenant_wakeups"
    __table_args__ = (Index(None, "due_at"),)

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    due_at: Mapped[datetime] = mapped_column(UtcDateTime)
    reconcile_at: Mapped[datetime] = mapped_column(UtcDateTime)


class ServerKeyRow(PlatformBase):
    """A random key of this installation, made at its first start."""

    __tablename__ = "server_keys"

    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[bytes]
