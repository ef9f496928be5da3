"""Database access: units of work, the database's clock, and the names that SQL is built from."""

from cloacina.db.clock import UtcDateTime, after, instant, now
from cloacina.db.copying import copy_rows
from cloacina.db.database import (
    AS_PLATFORM,
    DATABASE_ERRORS,
    Database,
    TenantScope,
    as_tenant,
    first_line,
    is_duplicate,
    is_passing,
    sqlstate,
)
from cloacina.db.locked import TenantLocked
from cloacina.db.pipeline import Call, Row
from cloacina.db.sql_file import SqlFile, Statement
from cloacina.db.statements import execute_ddl, identifier, literal, rows_changed
from cloacina.db.texts import storable
from cloacina.db.units import Unit

__all__ = [
    "AS_PLATFORM",
    "DATABASE_ERRORS",
    "Call",
    "Database",
    "Row",
    "SqlFile",
    "Statement",
    "TenantLocked",
    "TenantScope",
    "Unit",
    "UtcDateTime",
    "after",
    "as_tenant",
    "copy_rows",
    "execute_ddl",
    "first_line",
    "identifier",
    "instant",
    "is_duplicate",
    "is_passing",
    "literal",
    "now",
    "rows_changed",
    "sqlstate",
    "storable",
]
