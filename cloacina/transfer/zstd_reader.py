"""The bytes inside a zstd file, a piece at a time and within an export's limits."""

from collections.abc import Mapping
from typing import Final

from cloacina.packages.unpacking import Unpacker
from cloacina.transfer import limits
from cloacina.transfer.errors import TenantImportFailed
from cloacina.transfer.zstd import DecompressionParameter, ZstdDecompressor, ZstdError

_OPTIONS: Final[Mapping[int, int]] = {DecompressionParameter.window_log_max: limits.MAX_WINDOW_LOG}


class ZstdReader(Unpacker):
    """Unpacks an export; its errors are TenantImportFailed."""

    _PIECE_BYTES = 256 * 1024
    _DAMAGES = ZstdError

    def _new_decompressor(self) -> ZstdDecompressor:
        return ZstdDecompressor(options=_OPTIONS)

    def _check(self) -> None:
        if self._streams > limits.MAX_FRAMES:
            raise TenantImportFailed(
                f"the file is made of more than {limits.MAX_FRAMES:,} zstd frames"
            )
        problem = limits.problem(self.packed_bytes, self.unpacked_bytes)
        if problem:
            raise TenantImportFailed(f"the file {problem}")

    def _cut_off(self) -> TenantImportFailed:
        if not self.packed_bytes:
            return TenantImportFailed("the file is empty")
        return TenantImportFailed("the file is cut off: its zstd data ends early")

    def _damaged(self) -> TenantImportFailed:
        if self.unpacked_bytes or self._streams > 1:
            return TenantImportFailed("the file is damaged: its zstd data does not unpack")
        return TenantImportFailed("the file is no zstd file; `cloacinactl tenant export` makes one")
