"""Issues, verifies, lists and revokes API keys. Of a key, only its hash is ever stored."""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, func, or_, select, update
from sqlalchemy.orm import Session

from cloacina.audit import services as audit
from cloacina.db import Call, Row, SqlFile, Unit, after, now
from cloacina.errors import Unauthorized
from cloacina.keys.errors import KeyNotFound
from cloacina.keys.models import ApiKeyRow, KeyInfo, Principal
from cloacina.tenants import services as tenants
from cloacina.tenants.models import Tenant

SQL = SqlFile(Path(__file__).with_name("statements.sql"))

PREFIX = "clk_"
SECRET_BYTES = 32
LAST_USED_PRECISION_S = 60


@dataclass(frozen=True)
class IssuedKey:
    """A key that was just made.

    Parameters:
        info: what others may see of it.
        plaintext: the key itself; it exists here and nowhere else.
    """

    info: KeyInfo
    plaintext: str

    def __repr__(self) -> str:
        """Leave the key out of logs and tracebacks."""
        return f"IssuedKey({self.info.id})"


def generate() -> str:
    """Make a new key's text."""
    return PREFIX + secrets.token_urlsafe(SECRET_BYTES)


def hash_key(plaintext: str) -> str:
    """Give what is stored of a key: SHA-256 of the whole text, in hex.

    The keys are random enough that a slow hash would only slow down requests.
    """
    return hashlib.sha256(plaintext.encode()).hexdigest()


def issue(
    session: Session,
    name: str,
    role: str,
    tenant: Tenant | None,
    *,
    expires_in_s: int | None = None,
    plaintext: str | None = None,
    action: str = "key.create",
) -> IssuedKey:
    """Make a key.

    Parameters:
        session: acts as the platform.
        name: what people call it.
        role: `read`, `write` or `admin`.
        tenant: the tenant that it opens; None makes a key of the whole platform.
        expires_in_s: seconds until it ends by itself; None: never.
        plaintext: the key's text when it is given from outside.
        action: what the audit log calls it.

    Returns:
        The key, with its text this once.
    """
    plaintext = plaintext or generate()
    row = ApiKeyRow(
        id=uuid4(),
        name=name,
        key_hash=hash_key(plaintext),
        role=role,
        is_admin=tenant is None,
        tenant_id=tenant.id if tenant else None,
        tenant_name=tenant.name if tenant else None,
        created_at=now(),
        expires_at=after(expires_in_s) if expires_in_s is not None else None,
    )
    session.add(row)
    session.flush()
    session.refresh(row)
    audit.record(
        session,
        action,
        tenant,
        subject=row.id,
        name=name,
        role=role,
        is_admin=row.is_admin,
        expires_at=row.expires_at,
    )
    return IssuedKey(row.value(), plaintext)


def verify_call(plaintext: str) -> Call:
    """Ask who presents a key; `verified` reads the answer.

    Nothing is cached: a revoked key is dead at once, everywhere.

    Parameters:
        plaintext: what was presented.
    """
    return Call(SQL.verify, {"key_hash": hash_key(plaintext), "ago_s": -LAST_USED_PRECISION_S})


def verified(rows: Sequence[Row]) -> tuple[Principal, bool]:
    """Read the answer to `verify_call`.

    Returns:
        Whose key it is, and whether `note_use` has news to note.

    Raises:
        Unauthorized: it is unknown, revoked or expired, or its tenant is gone.
    """
    if not rows:
        raise Unauthorized
    (row,) = rows
    if row.id is None and not row.is_admin:
        raise Unauthorized
    key = KeyInfo(
        id=row.key_id,
        name=row.key_name,
        role=row.role,
        is_admin=bool(row.is_admin),
        tenant_name=row.tenant_name,
        revoked=bool(row.revoked),
        created_at=row.key_created_at,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
    )
    tenant = None if row.id is None else tenants.of_row(row)
    return Principal(key, tenant), bool(row.use_is_news)


def note_use(unit: Unit, principal: Principal) -> None:
    """Note that a key was used just now, and commit."""
    unit.commit(Call(SQL.note_use, {"key_id": principal.key.id}))


def live_admin_key_exists(session: Session) -> bool:
    """Say whether any key of the whole platform still opens something."""
    found = session.scalar(select(ApiKeyRow.id).where(ApiKeyRow.is_admin, _is_live()).limit(1))
    return found is not None


def count_live(session: Session, tenant: Tenant) -> int:
    """Give the number of a tenant's keys that open something."""
    count = select(func.count()).where(ApiKeyRow.tenant_id == tenant.id, _is_live())
    return session.scalar(count) or 0


def list_keys(session: Session, tenant: Tenant | None) -> Sequence[KeyInfo]:
    """Give keys, the oldest first, revoked ones too.

    Parameters:
        session: acts as the platform.
        tenant: only this tenant's; None: all.
    """
    query = select(ApiKeyRow).order_by(ApiKeyRow.created_at, ApiKeyRow.id)
    if tenant is not None:
        query = query.where(ApiKeyRow.tenant_id == tenant.id)
    return [row.value() for row in session.scalars(query)]


def revoke(session: Session, key_id: UUID, tenant: Tenant | None) -> None:
    """Revoke a key.

    Parameters:
        session: acts as the platform.
        key_id: the key.
        tenant: it must be this tenant's; None: anyone's.

    Raises:
        KeyNotFound: there is no such live key there.
    """
    of_whom = [] if tenant is None else [ApiKeyRow.tenant_id == tenant.id]
    if not _revoke(session, ApiKeyRow.id == key_id, *of_whom):
        raise KeyNotFound


def revoke_all_of(session: Session, tenant_id: UUID) -> int:
    """Revoke a tenant's keys.

    Returns:
        How many were live.
    """
    return _revoke(session, ApiKeyRow.tenant_id == tenant_id)


def _revoke(session: Session, *which: ColumnElement[bool]) -> int:
    change = (
        update(ApiKeyRow)
        .where(*which, ~ApiKeyRow.revoked)
        .values(revoked=True)
        .returning(ApiKeyRow.id, ApiKeyRow.name, ApiKeyRow.tenant_id, ApiKeyRow.tenant_name)
    )
    revoked = session.execute(change, execution_options={"synchronize_session": False}).all()
    for key in revoked:
        tenant = _Owner(key.tenant_id, key.tenant_name) if key.tenant_id else None
        audit.record(session, "key.revoke", tenant, subject=key.id, name=key.name)
    return len(revoked)


@dataclass(frozen=True)
class _Owner:
    """The tenant of a key, as the key knows it."""

    id: UUID
    name: str


def _is_live() -> ColumnElement[bool]:
    return ~ApiKeyRow.revoked & or_(ApiKeyRow.expires_at.is_(None), ApiKeyRow.expires_at > now())
