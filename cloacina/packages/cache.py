"""Unpacked packages on a worker, by tenant and content; what they hold is read, never written."""

import os
import re
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from cloacina.db import Database
from cloacina.packages.archive import remove_unpacked, unpack_archive
from cloacina.packages.errors import InvalidPackage, NotWanted
from cloacina.packages.services import Package, open_archive
from cloacina.packages.unpacking import Readable
from cloacina.sandbox.code import Code
from cloacina.tenants.models import Tenant

MOST_PACKAGES = 200
"""Unpacked packages that are kept; the least recently used go first."""

LOOK_EVERY_S = 5.0

_HASH = re.compile(r"[0-9a-f]{1,64}")


class PackageCache:
    """The folder of unpacked packages.

    Parameters:
        root: the folder; processes of one machine share it.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def ensure(
        self,
        database: Database,
        tenant: Tenant,
        package: Package,
        still_wanted: Callable[[], bool] = lambda: True,
    ) -> Path:
        """Give the folder of a package, unpacking it where that was not done yet.

        Parameters:
            database: where the archive lies.
            tenant: whose package it is; its id keeps the tenants' folders apart, also a re-created
                tenant's from its own.
            package: the package.
            still_wanted: asked every few seconds, since a large package takes its time.

        Raises:
            NotWanted: the answer was no; nothing is left behind.
            InvalidPackage: the stored archive is none, or its hash.
            OSError: the folder cannot be written.
        """
        if not _HASH.fullmatch(package.content_hash):
            # the tenant's role may have written it: as a path it could lead to anywhere
            raise InvalidPackage("the archive's hash is none; upload the package again")
        path = f"{self._root}/{tenant.id}/{package.content_hash}"
        try:
            os.utime(path)
        except FileNotFoundError:
            folder = Path(path)
            folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with (
                database.tenant(tenant) as session,
                open_archive(session, package.id) as archive,
                suppress(FileExistsError),
            ):
                unpack_archive(_Attended(archive, still_wanted), folder)
            self._drop_the_oldest()
        return Path(path)

    def owners(self) -> set[str]:
        """Give the names of the folders of tenants, and of others that are left there."""
        with suppress(FileNotFoundError):
            return {folder.name for folder in self._root.iterdir()}
        return set()

    def evict(self, owner: str) -> None:
        """Remove the folder of a tenant that is gone, or what is left of that.

        Parameters:
            owner: its id, or what `owners` gave.
        """
        folder = gone = self._root / owner
        # other processes of this machine are at it too, and a slot may still unpack something
        with suppress(OSError):
            if not owner.startswith("."):
                gone = folder.with_name(f".{uuid4().hex}")
                folder.rename(gone)
            remove_unpacked(gone)

    def _drop_the_oldest(self) -> None:
        for _, folder in self._oldest_first()[:-MOST_PACKAGES]:
            gone = folder.with_name(f".{uuid4().hex}")
            # another process may be at it too
            with suppress(OSError):
                # at once: nobody may find a half of it
                folder.rename(gone)
                remove_unpacked(gone)

    def _oldest_first(self) -> list[tuple[float, Path]]:
        found = []
        # hidden ones are coming or going
        for folder in self._root.glob("[!.]*/[!.]*"):
            with suppress(FileNotFoundError):
                found.append((folder.stat().st_mtime, folder))
        return sorted(found)


class _Attended:
    """An archive whose reader looks up now and then."""

    def __init__(self, archive: Readable, still_wanted: Callable[[], bool]) -> None:
        self._archive = archive
        self._still_wanted = still_wanted
        self._next_look = time.monotonic() + LOOK_EVERY_S

    def read(self, size: int, /) -> bytes:
        if time.monotonic() >= self._next_look:
            if not self._still_wanted():
                raise NotWanted
            self._next_look = time.monotonic() + LOOK_EVERY_S
        return self._archive.read(size)


def import_paths(folder: Path) -> tuple[Path, ...]:
    """Give what leads `sys.path` in a child of an unpacked package (spec: On a worker)."""
    return tuple(path for path in (folder / "vendor", folder / "workflow") if path.is_dir())


def package_code(tenant: Tenant, package: Package, folder: Path) -> Code:
    """Describe an unpacked package to the sandbox."""
    return Code(
        tenant_id=tenant.id,
        content_hash=package.content_hash,
        tenant=tenant.name,
        package=package.package_name,
        workflow=package.workflow_name,
        entry_module=package.entry_module,
        paths=import_paths(folder),
    )
