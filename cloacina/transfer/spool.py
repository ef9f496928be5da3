"""Writes an export: a tar whose members are compressed one by one, as zstd frames in a row.

The members lie in a temporary file until all are there, since the manifest before them says how
large each is. The file holds them as they are sent: compressed, and once.
"""

import hashlib
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from typing import Final

from cloacina.transfer import limits
from cloacina.transfer.errors import TenantExportFailed
from cloacina.transfer.layout import MANIFEST
from cloacina.transfer.manifest import Manifest, Member
from cloacina.transfer.zstd import ZstdCompressor, compress

_LEVEL: Final = 3
_BLOCK: Final = 512
_PIECE_BYTES: Final = 256 * 1024
_END: Final = bytes(2 * _BLOCK)


class Spool:
    """Takes an export's members, then gives the whole. Its owner closes it.

    Attributes:
        members: what was added, in order.
    """

    def __init__(self) -> None:
        self.members: list[Member] = []
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  # as long as this
        self._packed: list[int] = []
        self._unpacked_bytes = 0
        # what stands before each member's bytes, and at the end
        self._between: list[bytes] = []

    def add(self, name: str, pieces: Iterable[bytes], *, is_table: bool = False) -> None:
        """Add a member, drawing its bytes.

        Parameters:
            name: its path.
            pieces: its bytes.
            is_table: each piece is a line.

        Raises:
            TenantExportFailed: the export becomes larger than an import takes.
        """
        digest, size, count, start = hashlib.sha256(), 0, 0, self._file.tell()
        compressor = ZstdCompressor(level=_LEVEL)
        for piece in pieces:
            digest.update(piece)
            size += len(piece)
            count += 1
            if packed := compressor.compress(piece):
                self._file.write(packed)
                self._check(self._file.tell(), self._unpacked_bytes + size)
        self._file.write(compressor.flush())
        self._unpacked_bytes += size
        self._check(self._file.tell(), self._unpacked_bytes)
        rows = count if is_table else None
        self.members.append(Member(name, size, digest.hexdigest(), rows))
        self._packed.append(self._file.tell() - start)

    def seal(self, manifest: Manifest) -> int:
        """Put the manifest before all that was added.

        Returns:
            The size of the whole, in bytes.

        Raises:
            TenantExportFailed: it lists too much.
        """
        data = manifest.dump()
        if len(data) > limits.MAX_MANIFEST_BYTES:
            raise TenantExportFailed(f"the tenant has too many packages: {len(self.members):,}")
        mtime = int(manifest.exported_at.timestamp())
        before = _header(MANIFEST, len(data), mtime) + data + _padding(len(data))
        for member in self.members:
            self._between.append(compress(before + _header(member.name, member.bytes, mtime)))
            before = _padding(member.bytes)
        self._between.append(compress(before + _END))
        return sum(self._packed) + sum(map(len, self._between))

    def pieces(self) -> Iterator[bytes]:
        """Give the whole, once it is sealed."""
        self._file.seek(0)
        for between, packed in zip(self._between, self._packed, strict=False):
            yield between
            left = packed
            while left:
                piece = self._file.read(min(left, _PIECE_BYTES))
                left -= len(piece)
                yield piece
        yield self._between[-1]

    def close(self) -> None:
        """Drop the temporary file."""
        self._file.close()

    def _check(self, packed_bytes: int, unpacked_bytes: int) -> None:
        problem = limits.problem(packed_bytes, unpacked_bytes)
        if problem:
            raise TenantExportFailed(f"the export {problem}, which no import takes")


def _header(name: str, size: int, mtime: int) -> bytes:
    member = tarfile.TarInfo(name)
    member.size, member.mtime, member.mode = size, mtime, 0o600
    return member.tobuf(tarfile.GNU_FORMAT)


def _padding(size: int) -> bytes:
    return bytes(-size % _BLOCK)
