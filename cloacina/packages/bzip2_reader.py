"""The bytes inside a bzip2 file, a piece at a time and within a package's limits."""

import bz2
import hashlib
from typing import Protocol

from cloacina.packages import limits
from cloacina.packages.errors import InvalidPackage

_PIECE_BYTES = 64 * 1024
_PLACE = "the archive"


class Readable(Protocol):
    """What an archive is read from: an open file, an upload's stream, rows of a table."""

    def read(self, size: int, /) -> bytes:
        """Give at most `size` bytes, and none at the end."""


class Bzip2Reader:
    """Unpacks as it reads, hashes what it reads, and ends a bomb as soon as it shows.

    Parameters:
        packed: the bzip2 file, read to its end and never sought in.

    Attributes:
        packed_bytes, unpacked_bytes: how much was read and given so far.
    """

    def __init__(self, packed: Readable) -> None:
        self._packed = packed
        self._hash = hashlib.sha256()
        self._decompressor = bz2.BZ2Decompressor()
        self._streams = 1
        self.packed_bytes = 0
        self.unpacked_bytes = 0

    @property
    def sha256(self) -> str:
        """The hash of what was read so far, in hexadecimal; of the whole file at its end."""
        return self._hash.hexdigest()

    def read(self, size: int) -> bytes:
        """Give exactly `size` unpacked bytes, fewer only at the end.

        Raises:
            InvalidPackage: this is not bzip2, is cut off or damaged, or breaks a limit.
        """
        pieces: list[bytes] = []
        while size and (piece := self._read_piece(size)):
            pieces.append(piece)
            size -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _read_piece(self, at_most: int) -> bytes:
        piece = b""
        while not piece:
            packed = b""
            if self._decompressor.eof:
                packed = self._decompressor.unused_data or self._read_packed()
                if not packed:
                    return b""
                self._begin_stream()
            elif self._decompressor.needs_input:
                packed = self._read_packed()
                if not packed:
                    raise InvalidPackage(self._why_nothing_is_left())
            try:
                piece = self._decompressor.decompress(packed, at_most)
            except OSError:
                raise InvalidPackage(self._why_it_does_not_unpack()) from None
        self.unpacked_bytes += len(piece)
        self._check_unpacked()
        return piece

    def _read_packed(self) -> bytes:
        packed = self._packed.read(_PIECE_BYTES)
        self._hash.update(packed)
        self.packed_bytes += len(packed)
        if self.packed_bytes > limits.MAX_PACKED_BYTES:
            raise InvalidPackage(
                f"{_PLACE}: larger than {limits.MAX_PACKED_BYTES // limits.MIB} MiB packed"
            )
        return packed

    def _begin_stream(self) -> None:
        self._streams += 1
        if self._streams > limits.MAX_BZIP2_STREAMS:
            raise InvalidPackage(
                f"{_PLACE}: made of more than {limits.MAX_BZIP2_STREAMS:,} bzip2 streams"
            )
        self._decompressor = bz2.BZ2Decompressor()

    def _check_unpacked(self) -> None:
        if self.unpacked_bytes > limits.MAX_UNPACKED_BYTES:
            raise InvalidPackage(
                f"{_PLACE}: larger than {limits.MAX_UNPACKED_BYTES // limits.MIB} MiB unpacked"
            )
        if self.unpacked_bytes > max(limits.RATIO_FREE_BYTES, limits.MAX_RATIO * self.packed_bytes):
            raise InvalidPackage(
                f"{_PLACE}: unpacks to more than {limits.MAX_RATIO} times its size"
            )

    def _why_nothing_is_left(self) -> str:
        if not self.packed_bytes:
            return f"{_PLACE}: empty"
        return f"{_PLACE}: cut off; its bzip2 data ends early"

    def _why_it_does_not_unpack(self) -> str:
        if self.unpacked_bytes or self._streams > 1:
            return f"{_PLACE}: damaged; its bzip2 data does not unpack"
        return f"{_PLACE}: not a bzip2 file; `cloacinactl package pack` makes one"
