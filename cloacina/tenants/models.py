"""Tables of the tenants feature, and the value that stands for a tenant elsewhere."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from cloacina.db.clock import UtcDateTime
from cloacina.db.models import PlatformBase

ACTIVE, SUSPENDED, DELETING = "active", "suspended", "deleting"
STATUSES = (ACTIVE, SUSPENDED, DELETING)

DELETION_STEPS = ("drain", "logins", "sessions", "kill", "caches", "schema", "queue", "role")
"""What is done to a tenant that is being deleted, in this order; its row goes with the last."""

PUBLIC_TENANT = "public"
PUBLIC_SCHEMA = "tenant_public"

HINT_KEY = "hints"


@dataclass(frozen=True)
class Limits:
    """What a tenant may use at most, where that differs from what the settings give to all.

    Parameters:
        max_agents: workers of its own.
        max_concurrent_tasks: tasks that run at once.
        max_queued_executions: executions that were accepted and have not ended.
        max_packages: stored versions of packages.
        max_storage_bytes: bytes of the archives that are stored.
        max_requests_per_s: requests a second.

    None: as the settings say.
    """

    max_agents: int | None = None
    max_concurrent_tasks: int | None = None
    max_queued_executions: int | None = None
    max_packages: int | None = None
    max_storage_bytes: int | None = None
    max_requests_per_s: int | None = None


@dataclass(frozen=True)
class Tenant:
    """A tenant.

    Parameters:
        id: never used again; whatever points at a tenant holds it, so that a tenant created anew
            under an old name sees nothing of the old one.
        name: what people call it.
        schema: the schema of its tables.
        role: the database role that may use them.
        status: `active`, `suspended` (nothing new starts) or `deleting`.
        description: what its creator wrote.
        created_at: when.
        schema_version: revision of its tables.
        is_migrating: its tables are being changed right now.
        limits: what differs from the settings.
    """

    id: UUID
    name: str
    schema: str
    role: str
    status: str
    description: str | None
    created_at: datetime
    schema_version: str
    is_migrating: bool
    limits: Limits


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
    # somebody changes its tables until then at the latest
    migrating_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    # of a suspended tenant: its executions' time limits do not count what comes after
    suspended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    # of a tenant that is being deleted: what runs is killed then
    drain_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    # and the last step of its deletion that was done
    deletion_step: Mapped[str | None]


class LimitsRow(PlatformBase):
    """What a tenant may use at most; a tenant without a row has what the settings give to all."""

    __tablename__ = "limits"

    tenant_id: Mapped[UUID] = mapped_column(
        ForeignKey("tenants.id", ondelete="CASCADE"), primary_key=True
    )
    max_agents: Mapped[int | None]
    max_concurrent_tasks: Mapped[int | None]
    max_queued_executions: Mapped[int | None]
    max_packages: Mapped[int | None]
    max_storage_bytes: Mapped[int | None] = mapped_column(BigInteger)
    max_requests_per_s: Mapped[int | None]


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
