"""How large a package may be. Checked while it streams by, so that a bomb costs next to nothing."""

MIB = 1024 * 1024

MAX_PACKED_BYTES = 100 * MIB
MAX_UNPACKED_BYTES = 500 * MIB
MAX_MEMBERS = 10_000

# many small modules compress 300:1 and are honest, so the ratio counts only past this much
RATIO_FREE_BYTES = 50 * MIB
MAX_RATIO = 100

MAX_MANIFEST_BYTES = 64 * 1024
MAX_SOURCE_FILE_BYTES = MIB

# what file systems take: one name, and a whole path with room for the folder it is unpacked into
MAX_NAME_BYTES = 255
MAX_PATH_BYTES = 1024

# parallel compressors write one stream per block; each costs a fresh decompressor, empty or not
MAX_BZIP2_STREAMS = 10_000
MAX_TAR_EXTENSION_BYTES = 64 * 1024
MAX_TAR_EXTENSIONS_IN_A_ROW = 8
