"""Stores, finds, pauses and deletes the packages of one tenant."""

import io
import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, exc, insert, or_, select, update
from sqlalchemy.orm import Session

from cloacina.db import Call, Row, SqlFile, Unit, now
from cloacina.packages.archive import ArchiveInfo, SourceFile, read_source_files
from cloacina.packages.errors import InvalidPackage, WorkflowNotFound
from cloacina.packages.models import FAILED, PENDING, SUCCESS, ArchiveChunkRow, PackageRow

SQL = SqlFile(Path(__file__).with_name("statements.sql"))

CHUNK_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Package:
    """One version of a package.

    Parameters:
        id: names it in the API.
        package_name, version: what its manifest says; together unique.
        workflow_name: what callers execute.
        entry_module: the module that declares the tasks.
        description: what its author says about it.
        content_hash: SHA-256 of the archive, in hex.
        source_hash: of its modules alone, however they are packed.
        build_status: `pending`, `building`, `success` or `failed`.
        build_error: why it failed.
        active: it is the version that new executions run.
        paused: no new execution is accepted.
        definition: the workflow as its code declares it; None until it is built.
        workflow_version: of the tasks and their source, 16 hex digits; None until it is built.
        created_at: when it was uploaded.
    """

    id: UUID
    package_name: str
    version: str
    workflow_name: str
    entry_module: str
    description: str | None
    content_hash: str
    source_hash: str
    build_status: str
    build_error: str | None
    active: bool
    paused: bool
    definition: dict[str, Any] | None
    workflow_version: str | None
    created_at: datetime


def package_value(row: PackageRow | Row) -> Package:
    """Make the frozen value of a row."""
    return Package(
        id=row.id,
        package_name=row.package_name,
        version=row.version,
        workflow_name=row.workflow_name,
        entry_module=row.entry_module,
        description=row.description,
        content_hash=row.content_hash,
        source_hash=row.source_hash,
        build_status=row.build_status,
        build_error=row.build_error,
        active=row.active,
        paused=row.paused,
        definition=json.loads(row.definition) if row.definition else None,
        workflow_version=row.workflow_version,
        created_at=row.created_at,
    )


def store(session: Session, info: ArchiveInfo, archive: BinaryIO) -> UUID:
    """Store a valid archive, to be built.

    Parameters:
        session: acts as the tenant.
        info: what the inspection of the archive found.
        archive: its bytes, from where it stands.

    Returns:
        The package's id: that of the same bytes where they are stored already.

    Raises:
        InvalidPackage: other bytes are stored under this name and version.
    """
    known = stored_id(session, info)
    if known is not None:
        return known
    try:
        with session.begin_nested():
            package_id = _insert(session, info)
    except exc.IntegrityError:
        # somebody else was just as quick
        known = stored_id(session, info)
        if known is not None:
            return known
        raise
    store_archive(session, package_id, archive)
    return package_id


def store_archive(session: Session, package_id: UUID, archive: BinaryIO) -> None:
    """Store the bytes of a package that has none yet, from where they stand."""
    for position, piece in enumerate(iter(lambda: archive.read(CHUNK_BYTES), b"")):
        chunk = {"package_id": package_id, "position": position, "data": piece}
        session.execute(insert(ArchiveChunkRow), [chunk])


def stored_id(session: Session, info: ArchiveInfo) -> UUID | None:
    """Give the package that the same bytes have made already; raises as `store` does."""
    row = session.scalar(
        select(PackageRow).where(
            PackageRow.package_name == info.manifest.name,
            PackageRow.version == info.manifest.version,
            PackageRow.deleted_at.is_(None),
            PackageRow.build_status != FAILED,
        )
    )
    if row is None:
        return None
    if row.content_hash != info.sha256:
        raise InvalidPackage(
            f"{row.package_name} {row.version} is uploaded already with other content:"
            " raise the version in package.toml"
        )
    return row.id


def _insert(session: Session, info: ArchiveInfo) -> UUID:
    package_id = uuid4()
    manifest = info.manifest
    session.add(
        PackageRow(
            id=package_id,
            package_name=manifest.name,
            version=manifest.version,
            workflow_name=manifest.workflow_name,
            entry_module=manifest.entry_module,
            description=manifest.description,
            content_hash=info.sha256,
            source_hash=info.source_sha256,
            size_bytes=info.packed_bytes,
            build_status=PENDING,
            created_at=now(),
        )
    )
    session.flush()
    return package_id


def list_active(session: Session) -> Sequence[Package]:
    """Give the packages that new executions run, by name."""
    rows = session.scalars(
        select(PackageRow).where(PackageRow.active).order_by(PackageRow.package_name)
    )
    return [package_value(row) for row in rows]


def find(session: Session, name_or_id: str) -> Package:
    """Give a package by its id in any state, or the active one by its or its workflow's name.

    Raises:
        WorkflowNotFound: there is none.
    """
    return package_value(_find_row(session, name_or_id))


def find_active_call(name: str) -> Call:
    """Ask for the active package of a workflow, by its own or its package's name.

    A row has `id`, `paused` and `workflow_name`; there is none while the package is building.
    """
    return Call(SQL.find_active, {"name": name})


def fetch(unit: Unit, package_id: UUID) -> Package:
    """Do what `get` does, in a unit."""
    rows = unit.ask(Call(SQL.fetch, {"package_id": package_id}))[0]
    if not rows:
        raise WorkflowNotFound(str(package_id))
    return package_value(rows[0])


def get(session: Session, package_id: UUID) -> Package:
    """Give a package by its id, in any state; deleted ones too, since executions go on with them.

    Raises:
        WorkflowNotFound: there is none.
    """
    row = session.scalar(select(PackageRow).where(PackageRow.id == package_id))
    if row is None:
        raise WorkflowNotFound(str(package_id))
    return package_value(row)


def set_paused(session: Session, name_or_id: str, *, paused: bool) -> Package:
    """Pause or resume a workflow.

    Raises:
        WorkflowNotFound: there is none.
    """
    row = _find_row(session, name_or_id)
    row.paused = paused
    session.flush()
    return package_value(row)


def delete_version(session: Session, package_name: str, version: str) -> Sequence[Package]:
    """Delete a version of a package; its running executions go on with it.

    What is stored of it goes when the last of them has ended. Executions that are just being
    accepted come before or after this, as a whole.

    Returns:
        What was deleted, uploads that failed to build too; nothing for an unknown version.
    """
    there = (
        PackageRow.package_name == package_name,
        PackageRow.version == version,
        PackageRow.deleted_at.is_(None),
    )
    session.execute(select(PackageRow.id).where(*there).with_for_update())
    change = (
        update(PackageRow)
        .where(*there)
        .values(deleted_at=now(), active=False, build_token=None)
        .returning(PackageRow)
    )
    rows = session.scalars(change, execution_options={"synchronize_session": False})
    return [package_value(row) for row in rows]


def read_source(session: Session, package: Package) -> Iterator[SourceFile]:
    """Give the texts of a package, in the order of their paths."""
    return read_source_files(open_archive(session, package.id))


def open_archive(session: Session, package_id: UUID) -> io.BufferedReader:
    """Read a stored archive as a file, one chunk in memory at a time.

    Parameters:
        session: acts as the tenant, for as long as the file is read.
        package_id: the package.
    """
    return io.BufferedReader(_Chunks(session, package_id), CHUNK_BYTES)


class _Chunks(io.RawIOBase):
    def __init__(self, session: Session, package_id: UUID) -> None:
        self._session = session
        self._package_id = package_id
        self._position = 0
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._rest:
            self._rest = self._next_chunk()
        size = min(len(buffer), len(self._rest))
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        return size

    def _next_chunk(self) -> bytes:
        data = self._session.scalar(
            select(ArchiveChunkRow.data).where(
                ArchiveChunkRow.package_id == self._package_id,
                ArchiveChunkRow.position == self._position,
            )
        )
        self._position += 1
        return data or b""


def _find_row(session: Session, name_or_id: str) -> PackageRow:
    wanted = _is_active_as(name_or_id)
    with suppress(ValueError):
        wanted = PackageRow.id == UUID(name_or_id)
    row = session.scalars(
        select(PackageRow)
        .where(wanted, PackageRow.deleted_at.is_(None))
        # a package's own name comes before another's workflow of that name
        .order_by(PackageRow.package_name != name_or_id)
        .limit(1)
    ).first()
    if row is None:
        raise WorkflowNotFound(name_or_id)
    return row


def _is_active_as(name: str) -> ColumnElement[bool]:
    return (
        PackageRow.active
        & (PackageRow.build_status == SUCCESS)
        & or_(PackageRow.workflow_name == name, PackageRow.package_name == name)
    )
