"""The members of a tar that nobody vouches for, one at a time.

`tarfile` is made for archives that one trusts: it holds long names, extended headers and sparse
maps of any size in memory before its caller can look at them. This reader knows what a package
needs of the format (POSIX.1-2017 pax, "ustar Interchange Format", and GNU's long names), keeps a
few KiB at most, and treats the rest as damage.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from cloacina.packages import limits
from cloacina.packages.errors import InvalidPackage, printable
from cloacina.packages.unpacking import Readable

_BLOCK = 512
_PIECE_BYTES = 64 * 1024
_NO_BLOCK = bytes(_BLOCK)
_CHECKSUM = slice(148, 156)


class Kind(StrEnum):
    """What a member is."""

    FILE = "file"
    FOLDER = "folder"
    HARD_LINK = "hard link"
    SYMBOLIC_LINK = "symbolic link"
    DEVICE = "device"
    PIPE = "named pipe"
    SPARSE = "sparse file"
    UNKNOWN = "member of an unknown type"


_KINDS = {
    b"\0": Kind.FILE,
    b"0": Kind.FILE,
    b"7": Kind.FILE,  # "contiguous", which means nothing here
    b"5": Kind.FOLDER,
    b"1": Kind.HARD_LINK,
    b"2": Kind.SYMBOLIC_LINK,
    b"3": Kind.DEVICE,
    b"4": Kind.DEVICE,
    b"6": Kind.PIPE,
    b"S": Kind.SPARSE,
}
_PAX, _GLOBAL_PAX, _LONG_NAME, _LONG_LINK = b"x", b"g", b"L", b"K"
_EXTENSIONS = (_PAX, _GLOBAL_PAX, _LONG_NAME, _LONG_LINK)


@dataclass(frozen=True)
class Member:
    """One entry of the tar; bytes of its path that are not UTF-8 are lone surrogates."""

    path: str
    kind: Kind
    size: int


class TarReader:
    """Iterates over the members of a tar; `pieces()` gives the bytes of the present one.

    Parameters:
        stream: the tar, whose `read` gives exactly what it is asked for until the end.
        packing: what it is packed with, for messages.

    Raises:
        InvalidPackage: (while iterating) this is not a tar, or it is cut off or damaged.
    """

    def __init__(self, stream: Readable, packing: str = "bzip2") -> None:
        self._stream = stream
        self._packing = packing
        self._left = 0
        self._padding = 0
        self._last_path = ""

    def __iter__(self) -> Iterator[Member]:
        while member := self._next_member():
            self._last_path = member.path
            self._left = member.size
            self._padding = -member.size % _BLOCK
            yield member
            for _ in self.pieces():
                pass
            self._read_exactly(self._padding)
        self._check_end()

    def pieces(self) -> Iterator[bytes]:
        """Give the present member's bytes, each piece of them once."""
        while self._left:
            piece = self._read_exactly(min(self._left, _PIECE_BYTES))
            self._left -= len(piece)
            yield piece

    def _next_member(self) -> Member | None:
        extended: dict[bytes, bytes] = {}
        for _ in range(limits.MAX_TAR_EXTENSIONS_IN_A_ROW):
            header = self._read_exactly(_BLOCK)
            if header == _NO_BLOCK:
                return None
            self._check_header(header)
            kind = header[156:157]
            if kind not in _EXTENSIONS:
                return self._member(header, extended)
            extension = self._read_extension(header)
            if kind == _LONG_NAME:
                extended[b"path"] = extension.rstrip(b"\0")
            elif kind == _PAX:
                extended |= self._parse_pax(extension)
        raise self._damage("has too many extended headers")

    def _member(self, header: bytes, extended: dict[bytes, bytes]) -> Member:
        name = extended.get(b"path") or _name_field(header)
        kind = _KINDS.get(header[156:157], Kind.UNKNOWN)
        if kind is Kind.FILE and name.endswith(b"/"):
            kind = Kind.FOLDER  # as tars older than POSIX write it
        if any(key.startswith(b"GNU.sparse.") for key in extended):
            kind = Kind.SPARSE
        size_text = extended.get(b"size")
        size = self._number(size_text, 10) if size_text else self._size_field(header)
        # only files have data; a folder's size is a quota, a link's that of its target
        has_data = kind in (Kind.FILE, Kind.SPARSE, Kind.UNKNOWN)
        return Member(name.decode("utf-8", "surrogateescape"), kind, size if has_data else 0)

    def _read_extension(self, header: bytes) -> bytes:
        size = self._size_field(header)
        if size > limits.MAX_TAR_EXTENSION_BYTES:
            raise self._damage("has an extended header of enormous size")
        return self._read_exactly(size + -size % _BLOCK)[:size]

    def _parse_pax(self, data: bytes) -> dict[bytes, bytes]:
        """Read records of the form "<length> <key>=<value>\\n"."""
        records: dict[bytes, bytes] = {}
        start = 0
        while start < len(data):
            space = data.find(b" ", start, start + 8)
            length = self._number(data[start:space], 10) if space > 0 else 0
            key, separator, value = data[space + 1 : start + length].partition(b"=")
            if not separator or not value.endswith(b"\n") or start + length > len(data):
                raise self._damage("has a broken extended header")
            records[key] = value[:-1]
            start += length
        return records

    def _check_header(self, header: bytes) -> None:
        found = self._number(_text_field(header[_CHECKSUM]).strip(), 8)
        plain = sum(header) - sum(header[_CHECKSUM]) + 8 * ord(" ")
        # some historic tars summed signed bytes
        signed = plain - 256 * sum(
            byte > 127 for byte in header[: _CHECKSUM.start] + header[_CHECKSUM.stop :]
        )
        if found not in (plain, signed):
            raise self._damage("is damaged: a header's checksum is wrong")

    def _size_field(self, header: bytes) -> int:
        field = header[124:136]
        if field[0] == 0x80:  # GNU's form for what octal digits cannot hold
            return int.from_bytes(field[1:], "big")
        return self._number(_text_field(field).strip() or b"0", 8)

    def _number(self, text: bytes, base: int) -> int:
        if not text.isdigit() or len(text) > 20:
            raise self._damage("is damaged: a header's number is wrong")
        try:
            return int(text, base)
        except ValueError:
            raise self._damage("is damaged: a header's number is wrong") from None

    def _read_exactly(self, size: int) -> bytes:
        data = self._stream.read(size)
        if len(data) < size:
            raise self._damage("is cut off")
        return data

    def _check_end(self) -> None:
        # to the very end, so that the checksums of the compression are looked at as well
        while piece := self._stream.read(_PIECE_BYTES):
            if piece.strip(b"\0"):
                raise self._damage("goes on after its end mark")

    def _damage(self, text: str) -> InvalidPackage:
        if not self._last_path:
            return InvalidPackage(f"the archive: not a tar inside its {self._packing}; it {text}")
        return InvalidPackage(f"the archive: its tar {text}, after {printable(self._last_path)}")


def _name_field(header: bytes) -> bytes:
    name = _text_field(header[0:100])
    # GNU tar keeps times, not a prefix, where POSIX has the prefix
    prefix = _text_field(header[345:500]) if header[257:263] == b"ustar\0" else b""
    return prefix + b"/" + name if prefix else name


def _text_field(field: bytes) -> bytes:
    return field.partition(b"\0")[0]
