"""Puts the rows of an export into the tables of a tenant in the making, as that tenant's role."""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, BinaryIO, Final
from uuid import UUID, uuid4

from sqlalchemy import text
from sqlalchemy.orm import Session

from cloacina.db import Database, copy_rows, execute_ddl, identifier
from cloacina.lifecycle.tenants import Tables
from cloacina.packages.archive import ArchiveInfo, inspect_archive
from cloacina.packages.errors import InvalidPackage
from cloacina.packages.limits import MAX_PACKED_BYTES
from cloacina.packages.services import store_archive
from cloacina.tenants.models import ACTIVE, Limits
from cloacina.transfer import layout, limits
from cloacina.transfer.errors import TenantImportFailed
from cloacina.transfer.layout import Table
from cloacina.transfer.manifest import Member
from cloacina.transfer.reader import ExportReader, Rows, read_whole
from cloacina.transfer.settings import TenantSettings

_BATCH_ROWS: Final = 2_000
_BATCH_BYTES: Final = 16 * limits.MIB

_BY_MEMBER: Final = {table.member: table for table in layout.TABLES}

# what an archive says of its package, by the column that says it too
_SAID_TWICE: Final[Mapping[str, Callable[[ArchiveInfo], Any]]] = {
    "package_name": lambda info: info.manifest.name,
    "version": lambda info: info.manifest.version,
    "workflow_name": lambda info: info.manifest.workflow_name,
    "entry_module": lambda info: info.manifest.entry_module,
    "content_hash": lambda info: info.sha256,
    "source_hash": lambda info: info.source_sha256,
    "size_bytes": lambda info: info.packed_bytes,
}

_GO_ON = text("SELECT setval(pg_get_serial_sequence(:name, :column), :last)")


@dataclass(frozen=True)
class _Package:
    """A package that was read: its new id, and what its archive must say too."""

    id: UUID
    said: dict[str, Any]


class Loader:
    """Reads an export into the tables of a tenant.

    Parameters:
        database: where they are.
        archive: the export, of which the manifest was read.

    Attributes:
        counts: rows that came along, by the table's member.
        settings: the tenant's, once they were read.
    """

    def __init__(self, database: Database, archive: ExportReader) -> None:
        self.counts: dict[str, int] = {}
        self.settings = TenantSettings(ACTIVE, Limits())
        self._database = database
        self._archive = archive
        self._packages: dict[UUID, _Package] = {}
        self._last: dict[str, int] = {}

    def load(self, session: Session, tables: Tables) -> None:
        """Read all of it.

        Parameters:
            session: makes the tenant.
            tables: the tenant's, without a row.

        Raises:
            TenantImportFailed: something in it is wrong.
        """
        self._database.act_as_tenant(session, tables)
        for member, pieces in self._archive.members():
            table = _BY_MEMBER.get(member.name)
            if table is not None:
                self._load_table(session, table, Rows(table, member, pieces))
            elif member.name == layout.SETTINGS:
                data = read_whole(member, pieces, limits.MAX_SETTINGS_BYTES)
                self.settings = TenantSettings.load(data)
            else:
                self._load_archive(session, member, pieces)
        self._database.act_as_owner(session, tables.schema)
        self._finish(session)
        self._database.act_as_tenant(session, tables)

    def _load_table(self, session: Session, table: Table, rows: Rows) -> None:
        columns = [field.column for field in table.fields]
        values = ([row[name] for name in columns] for row in map(self._renamed(table), rows))
        while (first := next(values, None)) is not None:
            copy_rows(session, table.name, columns, _batch(first, values, rows))
        self.counts[table.member] = rows.count
        self._last[table.member] = rows.last_serial

    def _renamed(self, table: Table) -> Any:
        """Give what puts new ids into a table's rows.

        Packages and tasks get new ones: caches of workers and of the API know them by their ids
        alone, and nobody may come into another tenant's.
        """
        return {
            layout.PACKAGES: self._new_package,
            layout.EXECUTIONS: self._with_new_package,
            layout.TASKS: _with_new_id,
        }.get(table, _as_it_is)

    def _new_package(self, row: dict[str, Any]) -> dict[str, Any]:
        if row["id"] in self._packages:
            raise TenantImportFailed(f"{layout.PACKAGES.member}: has the id {row['id']} twice")
        package = _Package(uuid4(), {name: row[name] for name in _SAID_TWICE})
        self._packages[row["id"]] = package
        return row | {"id": package.id}

    def _with_new_package(self, row: dict[str, Any]) -> dict[str, Any]:
        package = self._packages.get(row["package_id"])
        if package is None:
            raise TenantImportFailed(
                f"{layout.EXECUTIONS.member}: the package of the execution {row['id']} is missing"
            )
        return row | {"package_id": package.id}

    def _load_archive(self, session: Session, member: Member, pieces: Iterator[bytes]) -> None:
        package = None
        with suppress(ValueError):
            package = self._packages.get(UUID(member.name[len("archives/") : -len(".cloacina")]))
        if package is None:
            raise TenantImportFailed(f"{member.name}: is the archive of no package")
        if member.bytes > MAX_PACKED_BYTES:
            # before it is written to the disk
            raise TenantImportFailed(f"{member.name}: is larger than a package may be")
        with tempfile.TemporaryFile() as spool:
            for piece in pieces:
                spool.write(piece)
            spool.seek(0)
            _check_archive(member.name, package.said, spool)
            spool.seek(0)
            store_archive(session, package.id, spool)

    def _finish(self, session: Session) -> None:
        """Number what comes after the last of each table, and tell the planner what is there."""
        for table in layout.TABLES:
            last = self._last.get(table.member)
            if last:
                which = {"name": table.name, "column": table.serial, "last": last}
                session.execute(_GO_ON, which)
            execute_ddl(session, "ANALYZE {}", identifier(table.name))


def _batch(first: list[Any], values: Iterator[list[Any]], rows: Rows) -> Iterator[list[Any]]:
    """Give rows of one statement: it may not take longer than any other."""
    ends, full = rows.count + _BATCH_ROWS, rows.bytes + _BATCH_BYTES
    yield first
    while rows.count < ends and rows.bytes < full:
        following = next(values, None)
        if following is None:
            return
        yield following


def _with_new_id(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"id": uuid4()}


def _as_it_is(row: dict[str, Any]) -> dict[str, Any]:
    return row


def _check_archive(name: str, said: dict[str, Any], archive: BinaryIO) -> None:
    """Hold an archive to what an upload is held to, and to its package's row."""
    try:
        info: ArchiveInfo = inspect_archive(archive)
    except InvalidPackage as error:
        package = f"{said['package_name']} {said['version']}"
        raise TenantImportFailed(f"{name} ({package}): {error.message}") from None
    for column, say in _SAID_TWICE.items():
        if say(info) != said[column]:
            raise TenantImportFailed(f"{name}: its {column} is not that of its package's row")
