"""Exports a tenant: all that it has, as it was at one moment, read as its own role."""

import json
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloacina.audit import services as audit
from cloacina.db import DATABASE_ERRORS, Database, instant
from cloacina.packages.models import ArchiveChunkRow
from cloacina.packages.services import CHUNK_BYTES, open_archive
from cloacina.tenants import services as tenants
from cloacina.tenants.errors import TenantMigrating
from cloacina.tenants.models import Tenant
from cloacina.tenants.versions import NEWEST, check_tables
from cloacina.transfer import layout
from cloacina.transfer.errors import TenantExportFailed
from cloacina.transfer.layout import Table
from cloacina.transfer.limits import MAX_LINE_BYTES, MIB
from cloacina.transfer.manifest import Manifest
from cloacina.transfer.settings import TenantSettings
from cloacina.transfer.spool import Spool
from cloacina.transfer.values import to_json


@dataclass(frozen=True)
class Export:
    """A tenant's export, which lies in a temporary file until it is closed.

    Parameters:
        tenant_name: whose.
        size: in bytes.
        spool: holds it.
    """

    tenant_name: str
    size: int
    spool: Spool

    def pieces(self) -> Iterator[bytes]:
        """Give its bytes."""
        return self.spool.pieces()

    def close(self) -> None:
        """Drop it."""
        self.spool.close()


def export_tenant(database: Database, name: str) -> Export:
    """Write down all that a tenant has: no key, no password, nothing of another tenant.

    Parameters:
        database: where it is.
        name: the tenant.

    Returns:
        The export; whoever gets it closes it.

    Raises:
        TenantNotFound: there is none of this name.
        TenantMigrating, TenantSchemaTooNew: its tables are not those of this server.
        TenantExportFailed: it has more than an import takes.
    """
    with database.platform() as session:
        tenant = tenants.find(session, name)
        _check_tables(tenant)
        audit.record(session, "tenant.export", tenant)
    spool = Spool()
    try:
        with database.snapshot(tenant) as session:
            size = _write(session, tenant, spool)
    except BaseException as error:
        spool.close()
        if isinstance(error, DATABASE_ERRORS):
            with database.platform() as session:
                # of one that was deleted meanwhile there are no tables
                tenants.find_by_id(session, tenant.id)
        raise
    return Export(tenant.name, size, spool)


def _check_tables(tenant: Tenant) -> None:
    """Refuse tables that are a version behind as well: columns that travel are not there yet."""
    check_tables(tenant)
    if tenant.schema_version != NEWEST:
        raise TenantMigrating(tenant.name)


def _write(session: Session, tenant: Tenant, spool: Spool) -> int:
    # before the first row is read: an import takes waits as they were at this moment
    exported_at = session.scalars(select(instant())).one()
    spool.add(layout.SETTINGS, [TenantSettings.of(tenant).dump()])
    _add_table(session, spool, layout.PACKAGES)
    for package_id in _with_archive(session):
        with open_archive(session, package_id) as archive:
            pieces = iter(partial(archive.read, CHUNK_BYTES), b"")
            spool.add(layout.archive_member(package_id), pieces)
    for table in layout.AFTER_ARCHIVES:
        _add_table(session, spool, table)
    return spool.seal(
        Manifest(
            format=layout.FORMAT,
            server_version=version("cloacina"),
            schema_version=tenant.schema_version,
            exported_at=exported_at,
            tenant_name=tenant.name,
            description=tenant.description,
            created_at=tenant.created_at,
            members=spool.members,
        )
    )


def _with_archive(session: Session) -> Sequence[UUID]:
    """Give the packages whose archive is there; deleted ones lose it when nothing runs them."""
    first = select(ArchiveChunkRow.package_id).where(ArchiveChunkRow.position == 0)
    return session.scalars(first.order_by(ArchiveChunkRow.package_id)).all()


def _add_table(session: Session, spool: Spool, table: Table) -> None:
    with closing(_lines(session, table)) as lines:
        spool.add(table.member, lines, is_table=True)


def _lines(session: Session, table: Table) -> Generator[bytes]:
    """Give a table's rows as lines, of which a few are in memory at a time."""
    order = [table.row.__table__.columns[name] for name in table.order]
    query = select(*table.columns).order_by(*order)
    names = [field.column for field in table.fields]
    with session.execute(query, execution_options={"yield_per": table.at_once}) as rows:
        for row in rows:
            yield _line(table, dict(zip(names, map(to_json, row), strict=True)))


def _line(table: Table, values: dict[str, Any]) -> bytes:
    line = json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
    if len(line) > MAX_LINE_BYTES:
        raise TenantExportFailed(
            f"the {table.noun} {values.get('id', '')} has {len(line) / MIB:.1f} MiB;"
            f" an export takes {MAX_LINE_BYTES // MIB}"
        )
    return line
