"""The bytes inside a zstd file, a piece at a time and within an export's limits."""

from collections.abc import Mapping
from typing import Final

from cloacina.packages.bzip2_reader import Readable
from cloacina.transfer import limits
from cloacina.transfer.errors import TenantImportFailed
from cloacina.transfer.zstd import DecompressionParameter, ZstdDecompressor, ZstdError

_PIECE_BYTES: Final = 256 * 1024
_OPTIONS: Final[Mapping[int, int]] = {DecompressionParameter.window_log_max: limits.MAX_WINDOW_LOG}


class ZstdReader:
    """Unpacks as it reads, and ends a bomb as soon as it shows.

    Parameters:
        packed: the zstd file, read to its end and never sought in.
    """

    def __init__(self, packed: Readable) -> None:
        self._packed = packed
        self._decompressor = ZstdDecompressor(options=_OPTIONS)
        self._frames = 1
        self._packed_bytes = self._unpacked_bytes = 0

    def read(self, size: int) -> bytes:
        """Give exactly `size` unpacked bytes, fewer only at the end.

        Raises:
            TenantImportFailed: this is not zstd, is cut off or damaged, or breaks a limit.
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
                self._begin_frame()
            elif self._decompressor.needs_input:
                packed = self._read_packed()
                if not packed:
                    raise TenantImportFailed(self._why_nothing_is_left())
            try:
                piece = self._decompressor.decompress(packed, at_most)
            except ZstdError:
                raise TenantImportFailed(self._why_it_does_not_unpack()) from None
        self._unpacked_bytes += len(piece)
        self._check()
        return piece

    def _read_packed(self) -> bytes:
        packed = self._packed.read(_PIECE_BYTES)
        self._packed_bytes += len(packed)
        self._check()
        return packed

    def _begin_frame(self) -> None:
        self._frames += 1
        if self._frames > limits.MAX_FRAMES:
            raise TenantImportFailed(
                f"the file is made of more than {limits.MAX_FRAMES:,} zstd frames"
            )
        self._decompressor = ZstdDecompressor(options=_OPTIONS)

    def _check(self) -> None:
        problem = limits.problem(self._packed_bytes, self._unpacked_bytes)
        if problem:
            raise TenantImportFailed(f"the file {problem}")

    def _why_nothing_is_left(self) -> str:
        if not self._packed_bytes:
            return "the file is empty"
        return "the file is cut off: its zstd data ends early"

    def _why_it_does_not_unpack(self) -> str:
        if self._unpacked_bytes or self._frames > 1:
            return "the file is damaged: its zstd data does not unpack"
        return "the file is no zstd file; `cloacinactl tenant export` makes one"
