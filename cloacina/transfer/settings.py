"""What the platform has set for a tenant, as it travels."""

import json
from dataclasses import asdict, dataclass
from typing import Any, Final

from cloacina.dag.values import load_json
from cloacina.tenants.models import ACTIVE, Tenant
from cloacina.transfer import values
from cloacina.transfer.errors import TenantImportFailed
from cloacina.transfer.layout import SETTINGS

_STATUSES: Final = (ACTIVE,)


@dataclass(frozen=True)
class TenantSettings:
    """A tenant's settings.

    Parameters:
        status: of the tenant.
    """

    status: str

    @classmethod
    def of(cls, tenant: Tenant) -> "TenantSettings":
        """Give those of a tenant."""
        return cls(status=tenant.status)

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
            found: Any = load_json(data.decode())
            if not isinstance(found, dict):
                raise ValueError("is no JSON object")
            if unknown := found.keys() - {"status"}:
                raise ValueError(f"has settings that this server does not know: {sorted(unknown)}")
            return cls(status=values.one_of(_STATUSES)(found.get("status")))
        except UnicodeDecodeError:
            raise TenantImportFailed(f"{SETTINGS}: is not UTF-8") from None
        except ValueError as error:
            raise TenantImportFailed(f"{SETTINGS}: {error}") from None
