"""How large an export may be; one that is written keeps to what an import takes."""

MIB = 1024 * 1024
GIB = 1024 * MIB

MAX_PACKED_BYTES = 2 * GIB
MAX_UNPACKED_BYTES = 16 * GIB

# contexts that repeat compress a thousand times and are honest, so the ratio counts only past this
RATIO_FREE_BYTES = GIB
MAX_RATIO = 1000

MAX_LINE_BYTES = 64 * MIB
"""Bytes of a row: of an execution these are two contexts and more."""

MAX_MANIFEST_BYTES = 8 * MIB
MAX_SETTINGS_BYTES = 64 * 1024

MAX_WINDOW_LOG = 23
"""Of the compression: 8 MiB are held while it unpacks."""

MAX_FRAMES = 200_000
"""Pieces that are compressed each by itself: two for each member."""


def problem(packed_bytes: int, unpacked_bytes: int) -> str | None:
    """Say which limit is passed, as a predicate; None: none is."""
    if packed_bytes > MAX_PACKED_BYTES:
        return f"is larger than {MAX_PACKED_BYTES // GIB} GiB"
    if unpacked_bytes > MAX_UNPACKED_BYTES:
        return f"unpacks to more than {MAX_UNPACKED_BYTES // GIB} GiB"
    if unpacked_bytes > max(RATIO_FREE_BYTES, MAX_RATIO * packed_bytes):
        return f"unpacks to more than {MAX_RATIO:,} times its size"
    return None
