"""The bytes inside a bzip2 file, a piece at a time and within a package's limits."""

import bz2
import hashlib

from cloacina.packages import limits
from cloacina.packages.errors import InvalidPackage
from cloacina.packages.unpacking import Readable, Unpacker

_PLACE = "the archive"


class Bzip2Reader(Unpacker):
    """Unpacks a package's archive, and hashes what it reads; its errors are InvalidPackage."""

    _PIECE_BYTES = 64 * 1024
    _DAMAGES = OSError

    def __init__(self, packed: Readable) -> None:
        super().__init__(packed)
        self._hash = hashlib.sha256()

    @property
    def sha256(self) -> str:
        """The hash of what was read so far, in hexadecimal; of the whole file at its end."""
        return self._hash.hexdigest()

    def _new_decompressor(self) -> bz2.BZ2Decompressor:
        return bz2.BZ2Decompressor()

    def _read_packed(self) -> bytes:
        packed = super()._read_packed()
        self._hash.update(packed)
        return packed

    def _check(self) -> None:
        if self.packed_bytes > limits.MAX_PACKED_BYTES:
            raise _too_large(f"larger than {limits.MAX_PACKED_BYTES // limits.MIB} MiB packed")
        if self._streams > limits.MAX_BZIP2_STREAMS:
            raise _too_large(f"made of more than {limits.MAX_BZIP2_STREAMS:,} bzip2 streams")
        if self.unpacked_bytes > limits.MAX_UNPACKED_BYTES:
            raise _too_large(f"larger than {limits.MAX_UNPACKED_BYTES // limits.MIB} MiB unpacked")
        if self.unpacked_bytes > max(limits.RATIO_FREE_BYTES, limits.MAX_RATIO * self.packed_bytes):
            raise _too_large(f"unpacks to more than {limits.MAX_RATIO} times its size")

    def _cut_off(self) -> InvalidPackage:
        if not self.packed_bytes:
            return InvalidPackage(f"{_PLACE}: empty")
        return InvalidPackage(f"{_PLACE}: cut off; its bzip2 data ends early")

    def _damaged(self) -> InvalidPackage:
        if self.unpacked_bytes or self._streams > 1:
            return InvalidPackage(f"{_PLACE}: damaged; its bzip2 data does not unpack")
        return InvalidPackage(f"{_PLACE}: not a bzip2 file; `cloacinactl package pack` makes one")


def _too_large(problem: str) -> InvalidPackage:
    return InvalidPackage(f"{_PLACE}: {problem}")
