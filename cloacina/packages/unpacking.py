"""Reads what is inside a compressed file, a piece at a time and within limits."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Protocol


class Readable(Protocol):
    """What is read from: an open file, an upload's stream, rows of a table."""

    def read(self, size: int, /) -> bytes:
        """Give at most `size` bytes, and none at the end."""


class Unpacker(ABC):
    """Unpacks as it reads, and ends a bomb as soon as it shows.

    A file may be several streams, one after the other, as the tools of the formats write them.

    Parameters:
        packed: the compressed file, read to its end and never sought in.

    Attributes:
        packed_bytes, unpacked_bytes: how much was read and given so far.
    """

    # how much is read at once, and what the decompressor raises for what it cannot unpack
    _PIECE_BYTES: ClassVar[int]
    _DAMAGES: ClassVar[type[Exception]]

    def __init__(self, packed: Readable) -> None:
        self._packed = packed
        self._decompressor = self._new_decompressor()
        self._streams = 1
        self.packed_bytes = 0
        self.unpacked_bytes = 0

    @abstractmethod
    def _new_decompressor(self) -> Any:
        """Give what unpacks one stream, with the interface of `bz2.BZ2Decompressor`."""

    @abstractmethod
    def _check(self) -> None:
        """Refuse what breaks a limit."""

    @abstractmethod
    def _cut_off(self) -> Exception:
        """Give the error for a file that ends too early, or is empty."""

    @abstractmethod
    def _damaged(self) -> Exception:
        """Give the error for what does not unpack, or never was of this format."""

    def read(self, size: int) -> bytes:
        """Give exactly `size` unpacked bytes, fewer only at the end.

        Raises:
            CloacinaError: the format's own: the file is cut off, damaged, or breaks a limit.
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
                self._streams += 1
                self._check()
                self._decompressor = self._new_decompressor()
            elif self._decompressor.needs_input:
                packed = self._read_packed()
                if not packed:
                    raise self._cut_off()
            try:
                piece = self._decompressor.decompress(packed, at_most)
            except self._DAMAGES:
                raise self._damaged() from None
        self.unpacked_bytes += len(piece)
        self._check()
        return piece

    def _read_packed(self) -> bytes:
        packed = self._packed.read(self._PIECE_BYTES)
        self.packed_bytes += len(packed)
        self._check()
        return packed
