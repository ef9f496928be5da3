"""What the platform has set for a tenant, as it travels."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from sqlalchemy import update
from sqlalchemy.orm import Session

from cloacina.dag.values import load_json
from cloacina.settings import HIGHEST_LIMITS
from cloacina.tenants.models import ACTIVE, SUSPENDED, Limits, LimitsRow, Tenant, TenantRow
from cloacina.transfer import values
from cloacina.transfer.errors import TenantImportFailed
from cloacina.transfer.layout import SETTINGS

_STATUSES: Final = (ACTIVE, SUSPENDED)


@dataclass(frozen=True)
class TenantSettings:
    """A tenant's settings.

    Parameters:
        status: `active` or `suspended`.
        limits: its own; a server's defaults stay with that server.
    """

    status: str
    limits: Limits

    @classmethod
    def of(cls, tenant: Tenant) -> "TenantSettings":
        """Give those of a tenant."""
        return cls(tenant.status, tenant.limits)

    def set(self, session: Session, tenant: Tenant) -> None:
        """Give them to a new tenant.

        Parameters:
            session: acts as the platform.
            tenant: the tenant, which has none yet.
        """
        row = update(TenantRow).where(TenantRow.id == tenant.id)
        session.execute(row.values(status=self.status))
        if self.limits != Limits():
            session.add(LimitsRow(tenant_id=tenant.id, **asdict(self.limits)))
            session.flush()

    def dump(self) -> bytes:
        """Write them as JSON."""
        return json.dumps(asdict(self), indent=1).encode()

    @classmethod
    def load(cls, data: bytes) -> "TenantSettings":
        """Read them, from a file that nobody vouches for.

        Raises:
            TenantImportFailed: they are none that this server can keep to.
        """
        try:
            found = _object(load_json(data.decode()), {"status", "limits"})
            status = values.one_of(_STATUSES)(found.get("status"))
            limits = _object(found.get("limits"), HIGHEST_LIMITS)
            return cls(status, Limits(**{name: _limit(name, limits[name]) for name in limits}))
        except UnicodeDecodeError:
            raise TenantImportFailed(f"{SETTINGS}: is not UTF-8") from None
        except ValueError as error:
            raise TenantImportFailed(f"{SETTINGS}: {error}") from None


def _object(found: Any, known: Any) -> Mapping[str, Any]:
    if not isinstance(found, dict):
        raise ValueError("is no JSON object with a status and limits")
    if unknown := sorted(found.keys() - set(known)):
        raise ValueError(f"has settings that this server does not know: {unknown}")
    return found


def _limit(name: str, value: Any) -> int | None:
    if value is None:
        return None
    try:
        limit: int = values.whole(1, HIGHEST_LIMITS[name])(value)
    except ValueError as error:
        raise ValueError(f"{name} {error}") from None
    return limit
