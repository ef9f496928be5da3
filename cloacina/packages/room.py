"""Holds a tenant to how much it may store."""

from dataclasses import dataclass

from sqlalchemy import case, func, or_, select
from sqlalchemy.orm import Session

from cloacina.packages.archive import ArchiveInfo
from cloacina.packages.errors import NoRoom
from cloacina.packages.models import BUILDING, PENDING, ArchiveChunkRow, PackageRow


@dataclass(frozen=True)
class Stored:
    """What is stored for a tenant: versions of packages, and the bytes of their archives.

    Those count whose archive is there: also versions that failed, those that later ones have
    replaced, and deleted ones that executions still run.
    """

    versions: int
    size_bytes: int


def stored(session: Session) -> Stored:
    """Say what is stored; the session acts as the tenant."""
    has_archive = (
        select(ArchiveChunkRow.position)
        .where(ArchiveChunkRow.package_id == PackageRow.id, ArchiveChunkRow.position == 0)
        .exists()
    )
    size = func.coalesce(func.sum(PackageRow.size_bytes), 0)
    versions, size_bytes = session.execute(
        select(func.count(), size).where(or_(PackageRow.deleted_at.is_(None), has_archive))
    ).one()
    return Stored(versions, int(size_bytes))


@dataclass(frozen=True)
class Room:
    """How much a tenant may store.

    Parameters:
        versions: of packages.
        size_bytes: of their archives together.
    """

    versions: int
    size_bytes: int

    def check_for(self, session: Session, info: ArchiveInfo) -> None:
        """Make sure that one more archive may be stored.

        Parameters:
            session: acts as the tenant.
            info: of the archive, which is not stored yet.

        Raises:
            NoRoom: it would be too much; the text says what the limit is and what to do.
        """
        there = stored(session)
        self._hold(session, info, there.versions, there.size_bytes)

    def check_with(self, session: Session, info: ArchiveInfo) -> None:
        """Do the same once the archive is stored, in the transaction that has stored it."""
        there = stored(session)
        self._hold(session, info, there.versions - 1, there.size_bytes - info.packed_bytes)

    def _hold(self, session: Session, info: ArchiveInfo, versions: int, size_bytes: int) -> None:
        if versions + 1 > self.versions:
            problem = (
                f"{versions:,} versions of packages are stored, of {self.versions:,} at most"
                " (max_packages)"
            )
        elif size_bytes + info.packed_bytes > self.size_bytes:
            problem = (
                f"it has {info.packed_bytes:,} bytes, and {size_bytes:,} are stored, of"
                f" {self.size_bytes:,} at most (max_storage_bytes)"
            )
        else:
            return
        raise NoRoom(
            f"this tenant has no room for {info.manifest.name} {info.manifest.version}: {problem};"
            f" delete versions that nobody needs{_example(session)},"
            " or ask an operator of this server for more"
        )


def _example(session: Session) -> str:
    """Name the oldest version that nothing new runs, nor will once it is built."""
    is_wanted = or_(PackageRow.active, PackageRow.build_status.in_((PENDING, BUILDING)))
    found = session.execute(
        select(PackageRow.package_name, PackageRow.version)
        .where(PackageRow.deleted_at.is_(None))
        .group_by(PackageRow.package_name, PackageRow.version)
        .having(func.count(case((is_wanted, 1))) == 0)
        .order_by(func.min(PackageRow.upload_order))
        .limit(1)
    ).first()
    return "" if found is None else f", such as {found.package_name} {found.version}"
