"""What the tests of the audit log ask of it."""

from itertools import count
from typing import Any
from uuid import UUID

from flask import Flask

from cloacina.audit import services as audit
from cloacina.audit.models import Event
from cloacina.audit.services import Wanted
from cloacina.db import Database
from cloacina.tenants.models import Tenant

_numbers = count(1)


def address() -> str:
    """Give an address that no test has had: what comes from one address in a flood is thinned."""
    number = next(_numbers)
    return f"198.51.{number // 250}.{number % 250 + 1}"


def last(database: Database, **wanted: Any) -> Event:
    """Give the newest line that fits."""
    return lines(database, 1, **wanted)[0]


def lines(database: Database, limit: int = 1000, **wanted: Any) -> list[Event]:
    """Give lines that fit, the newest first."""
    with database.platform() as session:
        return list(audit.list_events(session, Wanted(**wanted), limit=limit, offset=0))


def add(database: Database, tenant: Tenant | None, action: str, **more: Any) -> None:
    """Add a line."""
    with database.platform() as session:
        audit.record(session, action, tenant, **more)


def is_recorded_under(event: Event, request_id: str, key_id: UUID | None) -> bool:
    """Say whether a line names a request and a key."""
    return (event.request_id, event.key_id) == (request_id, key_id)


def changing_routes(app: Flask) -> dict[str, tuple[str, str]]:
    """Give method and pattern of each route that changes something, by its endpoint."""
    return {
        rule.endpoint: (method, rule.rule)
        for rule in app.url_map.iter_rules()
        for method in sorted(rule.methods or ())
        if method not in {"GET", "HEAD", "OPTIONS"}
    }
