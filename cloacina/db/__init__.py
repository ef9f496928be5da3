"""Database access: units of work, the database's clock, and the names that SQL is built from."""

from cloacina.db.clock import UtcDateTime, after, instant, now
from cloacina.db.database import Database, TenantScope
from cloacina.db.statements import execute_ddl, identifier, literal, rows_changed
from cloacina.db.texts import storable

__all__ = [
    "Database",
    "TenantScope",
    "UtcDateTime",
    "after",
    "execute_ddl",
    "identifier",
    "instant",
    "literal",
    "now",
    "rows_changed",
    "storable",
]
