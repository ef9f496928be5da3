"""A package's source folder, as its author has it."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISBLK, S_ISCHR, S_ISDIR, S_ISLNK, S_ISREG

from cloacina.packages import limits
from cloacina.packages.contents import Contents, PackageInfo, normal_path
from cloacina.packages.errors import InvalidPackage, Problems
from cloacina.packages.manifest import ARCHIVE_SUFFIX
from cloacina.packages.tar_reader import Kind

_PIECE_BYTES = 64 * 1024


@dataclass(frozen=True)
class SourceEntry:
    """A file of a source folder, or what stands in the place of one.

    Attributes:
        path: relative to the folder, with '/'.
        place: where it lies.
    """

    path: str
    place: Path
    kind: Kind


def validate_source(folder: Path) -> PackageInfo:
    """Check a source folder by the same rules as the archive that would be packed from it.

    Raises:
        InvalidPackage: with every problem found, each with its place.
        OSError: something in it cannot be read.
    """
    if not folder.is_dir():
        raise InvalidPackage(f"{folder}: not a folder")
    problems = Problems()
    contents = Contents(problems)
    size = 0
    for entry in walk_source(folder):
        contents.count_member()
        try:
            path = normal_path(entry.path)
        except ValueError as error:
            problems.add(entry.path, str(error))
            continue
        if not contents.admit(path, entry.kind):
            continue
        size += entry.place.stat().st_size
        if size > limits.MAX_UNPACKED_BYTES:
            raise InvalidPackage(
                f"the package: larger than {limits.MAX_UNPACKED_BYTES // limits.MIB} MiB unpacked"
            )
        deque(contents.listen(path, _pieces(entry.place)), maxlen=0)
    return contents.finish()


def walk_source(folder: Path) -> Iterator[SourceEntry]:
    """Give what is to be packed of a source folder, sorted by path within each folder.

    Left out are hidden files, compiled modules, virtual environments and archives.
    """
    yield from _walk(folder, "")


def _walk(folder: Path, prefix: str) -> Iterator[SourceEntry]:
    for place in sorted(folder.iterdir()):
        kind = _kind(place.lstat().st_mode)
        if _is_left_out(place, kind):
            continue
        if kind is Kind.FOLDER:
            yield from _walk(place, f"{prefix}{place.name}/")
        else:
            yield SourceEntry(prefix + place.name, place, kind)


def _is_left_out(place: Path, kind: Kind) -> bool:
    if place.name.startswith(".") or place.name == "__pycache__":
        return True
    if kind is Kind.FOLDER:
        return (place / "pyvenv.cfg").exists()
    return place.suffix in (".pyc", ARCHIVE_SUFFIX)


def _kind(mode: int) -> Kind:
    if S_ISREG(mode):
        return Kind.FILE
    if S_ISDIR(mode):
        return Kind.FOLDER
    if S_ISLNK(mode):
        return Kind.SYMBOLIC_LINK
    return Kind.DEVICE if S_ISBLK(mode) or S_ISCHR(mode) else Kind.PIPE


def _pieces(place: Path) -> Iterator[bytes]:
    with place.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            yield piece
