"""Makes an archive from a source folder, always the same bytes from the same source."""

import io
import os
import tarfile
from pathlib import Path

from cloacina.packages.archive import inspect_archive
from cloacina.packages.manifest import MANIFEST_NAME, Manifest, render_manifest
from cloacina.packages.source import validate_source, walk_source


def pack(folder: Path, out: Path | None = None) -> Path:
    """Validate a source folder and pack it.

    The archive holds the manifest in full, defaults filled in. It is read back before it takes its
    name, so that what was packed is what a server accepts; an older file of the name is replaced.

    Parameters:
        folder: the source, with its `package.toml`.
        out: the archive's path, or a folder to put it in; without one the current folder.

    Returns: the archive's path.

    Raises:
        InvalidPackage: with every problem found, each with its place.
        OSError: the source cannot be read or the archive not written.
    """
    manifest = validate_source(folder).manifest
    target = out or Path()
    if target.is_dir():
        target /= manifest.archive_name
    # hidden, so that it is no part of a source that is packed from inside
    unfinished = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with unfinished.open("wb") as file:
            _write_archive(folder, manifest, file)
        inspect_archive(unfinished)
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)
    return target


def _write_archive(folder: Path, manifest: Manifest, file: io.BufferedWriter) -> None:
    resolved = render_manifest(manifest).encode()
    with tarfile.open(fileobj=file, mode="w:bz2", format=tarfile.PAX_FORMAT) as archive:
        for entry in walk_source(folder):
            member = tarfile.TarInfo(f"{manifest.folder_name}/{entry.path}")
            member.mode = 0o644  # owner and time are zero by themselves
            if entry.path == MANIFEST_NAME:
                member.size = len(resolved)
                archive.addfile(member, io.BytesIO(resolved))
            else:
                member.size = entry.place.stat().st_size
                with entry.place.open("rb") as content:
                    archive.addfile(member, content)
