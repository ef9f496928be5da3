"""Looks for what is left of a tenant that was deleted.

Its revoked keys and its lines in the audit log stay, and do not count.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from sqlalchemy import ColumnElement, String, Table, Uuid, func, or_, select, text
from sqlalchemy.orm import Session

from cloacina.audit.models import AuditRow
from cloacina.db import Database
from cloacina.db.models import PlatformBase
from cloacina.dispatch import Dispatcher
from cloacina.keys.models import ApiKeyRow
from cloacina.tenants.models import TenantRow

# each gives one column, of what it found; grants to and sessions of roles that are not there any
# more bear no name, so whoever had them is told of by number
_CATALOG = {
    "schema": "SELECT nspname FROM pg_namespace WHERE nspname = :name",
    "role": "SELECT rolname FROM pg_roles WHERE rolname = :name",
    "membership": """
        SELECT pg_get_userbyid(m.member) || ' in ' || pg_get_userbyid(m.roleid)
        FROM pg_auth_members m JOIN pg_roles r ON r.oid IN (m.member, m.roleid, m.grantor)
        WHERE r.rolname = :name""",
    "object of the role": """
        SELECT CASE WHEN d.datname IS NULL OR d.datname = current_database()
            THEN pg_describe_object(s.classid, s.objid, s.objsubid)
            ELSE 'something in database ' || d.datname END
        FROM pg_shdepend s JOIN pg_roles r ON s.refobjid = r.oid
            LEFT JOIN pg_database d ON d.oid = s.dbid
        WHERE r.rolname = :name AND s.refclassid = 'pg_authid'::regclass""",
    "session": """
        SELECT 'process ' || pid FROM pg_stat_activity
        WHERE usename = :name
            OR datname = current_database() AND usesysid IS NOT NULL AND usename IS NULL""",
    "grant to no role": """
        SELECT DISTINCT what || ' to role ' || grantee
        FROM (
            SELECT 'database ' || datname AS what, (aclexplode(datacl)).grantee FROM pg_database
                WHERE datname = current_database()
            UNION ALL SELECT 'schema ' || nspname, (aclexplode(nspacl)).grantee FROM pg_namespace
            UNION ALL SELECT 'table ' || relname, (aclexplode(relacl)).grantee FROM pg_class
            UNION ALL
                SELECT 'default privileges', (aclexplode(defaclacl)).grantee FROM pg_default_acl
        ) a WHERE grantee <> 0 AND NOT EXISTS (SELECT 1 FROM pg_roles WHERE oid = grantee)""",
    "object of no role": """
        SELECT 'large object ' || oid FROM pg_largeobject_metadata
        WHERE NOT EXISTS (SELECT 1 FROM pg_roles r WHERE r.oid = lomowner)""",
}


@dataclass(frozen=True)
class Residue:
    """Something that is left.

    Parameters:
        kind: of what: a schema, a role, rows of a table, a key on the broker, a folder, …
        what: its name.
    """

    kind: str
    what: str


def scan(
    database: Database, dispatcher: Dispatcher, home: Path, tenant_id: UUID, name: str
) -> list[Residue]:
    """Look for what is left of a tenant: by its id everywhere, by its name where no other has it.

    Parameters:
        database: the database.
        dispatcher: knows the broker.
        home: the home folder of this machine's workers; those of others are not looked at.
        tenant_id, name: of the tenant that was deleted.

    Returns:
        What is left; once another tenant has the name, what is found by name is that one's.
    """
    with database.platform() as session:
        taken = session.scalar(select(TenantRow.id).where(TenantRow.name == name))
        found = list(_rows(session, tenant_id, name))
        if taken in (None, tenant_id) and not database.is_sqlite:
            found += _catalog(session, name)
    by_name = name if taken in (None, tenant_id) else None
    found += [Residue("key on the broker", key) for key in dispatcher.keys_of(tenant_id, by_name)]
    return found + [Residue("folder", str(path)) for path in _folders(home, tenant_id)]


def _catalog(session: Session, name: str) -> Iterator[Residue]:
    for kind, query in _CATALOG.items():
        for what in session.scalars(text(query), {"name": name}):
            yield Residue(kind, str(what))


def _rows(session: Session, tenant_id: UUID, name: str) -> Iterator[Residue]:
    for table in PlatformBase.metadata.sorted_tables:
        conditions = list(_conditions(table, tenant_id, name))
        if not conditions or table is AuditRow.__table__:
            continue
        query = select(func.count()).select_from(table).where(or_(*conditions))
        if table is ApiKeyRow.__table__:
            query = query.where(~ApiKeyRow.revoked)
        count = session.scalar(query)
        if count:
            yield Residue("rows", f"{count} of {table.name}")


def _conditions(table: Table, tenant_id: UUID, name: str) -> Iterator[ColumnElement[bool]]:
    """Compare whatever holds ids with the tenant's, and names together with the id beside them."""
    for column in table.columns:
        if isinstance(column.type, Uuid):
            yield column == tenant_id
        elif isinstance(column.type, String) and column.name == "tenant_name":
            # the name may be another tenant's by now, whose id stands beside it
            others = select(TenantRow.id).where(TenantRow.name == name, TenantRow.id != tenant_id)
            yield (column == name) & table.columns.tenant_id.not_in(others)


def _folders(home: Path, tenant_id: UUID) -> list[Path]:
    places = [home / "cache", home / "work", *(home / "work").glob("worker-*")]
    return [path for place in places for path in sorted(place.glob(f"*{tenant_id}*"))]
