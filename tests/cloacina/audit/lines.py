"""Lines of the audit log, as tests read and add them."""

from typing import Any

from cloacina.audit import services as audit
from cloacina.audit.models import Event
from cloacina.audit.services import Wanted
from cloacina.db import Database
from cloacina.tenants.models import Tenant


def lines(database: Database, limit: int = 1000, **wanted: Any) -> list[Event]:
    """Give lines that fit, the newest first."""
    with database.platform() as session:
        return list(audit.list_events(session, Wanted(**wanted), limit=limit, offset=0))


def add(database: Database, tenant: Tenant | None, action: str, **more: Any) -> None:
    """Add a line."""
    with database.platform() as session:
        audit.record(session, action, tenant, **more)
