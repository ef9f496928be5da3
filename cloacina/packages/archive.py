"""The `.cloacina` archive: a tar of source, packed with bzip2, all under one top folder.

An archive is read once, from its beginning to its end, and never held as a whole: not in memory,
and not on disk before it is unpacked on purpose.
"""

import os
import shutil
import tempfile
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cloacina.packages import limits
from cloacina.packages.bzip2_reader import Bzip2Reader
from cloacina.packages.contents import Contents, PackageInfo, normal_path
from cloacina.packages.errors import InvalidPackage, Problems
from cloacina.packages.tar_reader import Kind, Member, TarReader
from cloacina.packages.unpacking import Readable

Archive = Path | Readable
# gets a file's path inside the package and its bytes, all of which it has to draw
_Take = Callable[[str, Iterator[bytes]], None]


@dataclass(frozen=True)
class ArchiveInfo(PackageInfo):
    """A valid archive.

    Attributes:
        packed_bytes: its size.
        sha256: its hash, in hexadecimal.
    """

    packed_bytes: int
    sha256: str


@dataclass(frozen=True)
class SourceFile:
    """A text of a package; `path` is relative to the package's top."""

    path: str
    text: str


def inspect_archive(archive: Archive) -> ArchiveInfo:
    """Look an archive through, writing nothing and keeping nothing of it but names.

    Parameters:
        archive: its path, or anything with a `read(size)`, which is read from where it stands.

    Raises:
        InvalidPackage: with every problem found, each with its place.
    """
    return _read_archive(archive, lambda _path, pieces: _drain(pieces))


def unpack_archive(archive: Archive, folder: Path) -> ArchiveInfo:
    """Unpack an archive, without its top folder, into a folder that must not exist yet.

    The folder appears complete or not at all. Files are readable by all and folders too, and
    nothing in it may be written; `remove_unpacked` removes it.

    Raises:
        InvalidPackage: as from `inspect_archive`; nothing is left behind.
        FileExistsError: the folder exists, perhaps since a moment ago.
        OSError: it cannot be written.
    """
    if folder.exists():
        raise FileExistsError(f"{folder} exists already")
    fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        info = _read_archive(archive, lambda path, pieces: _write(fresh / path, pieces))
        for place, _, _ in os.walk(fresh, topdown=False):
            Path(place).chmod(0o555)
        # an empty folder would be replaced without a word, a full one is an error
        fresh.rename(folder)
    except BaseException as error:
        remove_unpacked(fresh)
        if isinstance(error, OSError) and folder.exists():
            raise FileExistsError(f"{folder} exists already") from error
        raise
    return info


def remove_unpacked(folder: Path) -> None:
    """Remove what `unpack_archive` made, for which its folders become writable again."""
    for place, _, _ in os.walk(folder):
        Path(place).chmod(0o755)
    shutil.rmtree(folder)


def read_source_files(archive: Archive) -> Iterator[SourceFile]:
    """Give the package's texts, in the order of their paths.

    Left out is what is not UTF-8 or larger than 1 MiB. The texts wait in a temporary file, so that
    one is in memory at a time.

    Raises:
        InvalidPackage: as from `inspect_archive`.
    """
    places: dict[str, tuple[int, int]] = {}
    with tempfile.TemporaryFile() as spool:

        def keep(path: str, pieces: Iterator[bytes]) -> None:
            data = _read_at_most(pieces, limits.MAX_SOURCE_FILE_BYTES)
            if data is not None:
                places[path] = (spool.tell(), len(data))
                spool.write(data)

        _read_archive(archive, keep)
        for path, (start, size) in sorted(places.items()):
            spool.seek(start)
            try:
                text = spool.read(size).decode()
            except UnicodeDecodeError:
                continue
            yield SourceFile(path, text)


def _read_archive(archive: Archive, take: _Take) -> ArchiveInfo:
    problems = Problems()
    contents = Contents(problems)
    top = _TopFolder(problems)
    with _opened(archive) as packed:
        unpacker = Bzip2Reader(packed)
        tar = TarReader(unpacker)
        try:
            for member in tar:
                contents.count_member()
                path = top.path_within(member)
                if path is None or not contents.admit(path, member.kind):
                    continue
                if member.kind is Kind.FILE:
                    take(path, contents.listen(path, tar.pieces()))
        except InvalidPackage as error:
            problems.extend(error.problems)
            raise problems.error() from None
    found = contents.finish(top.name)
    return ArchiveInfo(**vars(found), packed_bytes=unpacker.packed_bytes, sha256=unpacker.sha256)


class _TopFolder:
    """The one folder that everything in an archive lies under."""

    def __init__(self, problems: Problems) -> None:
        self._problems = problems
        self._names: list[str] = []

    def path_within(self, member: Member) -> str | None:
        """Give a member's path inside the package; None when it is not inside, which is noted."""
        try:
            path = normal_path(member.path)
        except ValueError as error:
            self._problems.add(member.path, str(error))
            return None
        if not path and member.kind is Kind.FOLDER:
            return None
        name, slash, rest = path.partition("/")
        if not slash and member.kind is not Kind.FOLDER:
            self._problems.add(path, "lies outside the top folder; all is under <name>-<version>/")
            return None
        if not self._names:
            self._names.append(name)
        elif name not in self._names:
            self._names.append(name)
            self._problems.add(
                name, f"a second top folder beside {self._names[0]}; there must be one"
            )
        return rest if name == self._names[0] else None

    @property
    def name(self) -> str:
        if not self._names:
            self._problems.add("the archive", "has no top folder <name>-<version>/")
            raise self._problems.error()
        return self._names[0]


@contextmanager
def _opened(archive: Archive) -> Iterator[Readable]:
    if isinstance(archive, Path):
        with archive.open("rb") as file:
            yield file
    else:
        yield archive


def _drain(pieces: Iterator[bytes]) -> None:
    deque(pieces, maxlen=0)


def _write(path: Path, pieces: Iterator[bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        for piece in pieces:
            file.write(piece)
        os.fchmod(file.fileno(), 0o444)


def _read_at_most(pieces: Iterator[bytes], size: int) -> bytes | None:
    data = bytearray()
    for piece in pieces:
        data += piece
        if len(data) > size:
            _drain(pieces)
            return None
    return bytes(data)
