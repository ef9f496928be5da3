"""Reads an export that nobody vouches for: its members in their order, and the rows in them."""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from cloacina.dag.values import load_json
from cloacina.packages.errors import InvalidPackage, printable
from cloacina.packages.tar_reader import Kind, TarReader
from cloacina.packages.unpacking import Readable
from cloacina.transfer import layout, limits
from cloacina.transfer.errors import TenantImportFailed
from cloacina.transfer.layout import Field, Table
from cloacina.transfer.manifest import Manifest, Member
from cloacina.transfer.zstd_reader import ZstdReader


class ExportReader:
    """The members of an export, each looked at against what its manifest says.

    Parameters:
        file: the export, read from where it stands to its end.

    Attributes:
        manifest: the first member.

    Raises:
        TenantImportFailed: this is no export, or is of a newer server.
    """

    def __init__(self, file: Readable) -> None:
        self._tar = TarReader(ZstdReader(file), "zstd")
        self._entries = iter(self._tar)
        first = self._next()
        if first is None or first.path != layout.MANIFEST or first.kind is not Kind.FILE:
            raise TenantImportFailed(
                f"the file is no export: its first member must be {layout.MANIFEST}"
            )
        self.manifest = Manifest.load(self._whole(first.size, layout.MANIFEST))

    def members(self) -> Iterator[tuple[Member, Iterator[bytes]]]:
        """Give each member that follows, and its bytes; what is not drawn is passed over.

        Raises:
            TenantImportFailed: the members are not those of the manifest.
        """
        for member in self.manifest.members:
            found = self._next()
            if found is None:
                raise TenantImportFailed(f"the file ends before {member.name}")
            if (found.path, found.kind) != (member.name, Kind.FILE):
                raise TenantImportFailed(
                    f"the file has {_shown(found.path)}, a {found.kind}, where its manifest has"
                    f" {member.name}"
                )
            if found.size != member.bytes:
                raise TenantImportFailed(f"{member.name}: has not the size that the manifest says")
            pieces = self._hashed(member)
            yield member, pieces
            for _ in pieces:
                pass
        surplus = self._next()
        if surplus is not None:
            raise TenantImportFailed(
                f"the file has {_shown(surplus.path)}, which its manifest has not"
            )

    def _hashed(self, member: Member) -> Iterator[bytes]:
        digest = hashlib.sha256()
        for piece in self._pieces():
            digest.update(piece)
            yield piece
        if digest.hexdigest() != member.sha256:
            raise TenantImportFailed(f"{member.name}: has not the hash that the manifest says")

    def _next(self) -> Any:
        try:
            return next(self._entries, None)
        except InvalidPackage as error:
            raise TenantImportFailed(error.message) from None

    def _pieces(self) -> Iterator[bytes]:
        try:
            yield from self._tar.pieces()
        except InvalidPackage as error:
            raise TenantImportFailed(error.message) from None

    def _whole(self, size: int, name: str) -> bytes:
        if size > limits.MAX_MANIFEST_BYTES:
            raise TenantImportFailed(
                f"{name}: is larger than {limits.MAX_MANIFEST_BYTES // limits.MIB} MiB"
            )
        return b"".join(self._pieces())


def read_whole(member: Member, pieces: Iterator[bytes], most_bytes: int) -> bytes:
    """Give a small member's bytes.

    Raises:
        TenantImportFailed: it is not small.
    """
    if member.bytes > most_bytes:
        raise TenantImportFailed(f"{member.name}: is larger than {most_bytes:,} bytes")
    return b"".join(pieces)


class Rows:
    """The rows of a table's member, each value read and checked.

    Parameters:
        table: the table.
        member: says how many there are.
        pieces: the member's bytes.

    Attributes:
        count: rows that were given so far.
        bytes: of their lines.
        last_serial: of those rows; 0: none has come, or the table has no such column.
    """

    def __init__(self, table: Table, member: Member, pieces: Iterator[bytes]) -> None:
        self._table = table
        self._lines = _lines(table.member, pieces)
        self._expected = member.rows
        self._fields = {field.column: field for field in table.fields}
        self._wanted = frozenset(self._fields)
        self.count = self.bytes = self.last_serial = 0

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return self

    def __next__(self) -> dict[str, Any]:
        """Give the next row, by column.

        Raises:
            TenantImportFailed: a line is no row of the table, or there are fewer or more than the
                manifest says.
        """
        line = next(self._lines, None)
        if line is None:
            if self.count != self._expected:
                raise TenantImportFailed(
                    f"{self._table.member}: has {self.count:,} lines, not the"
                    f" {self._expected:,} that the manifest says"
                )
            raise StopIteration
        self.count += 1
        self.bytes += len(line)
        try:
            return self._row(line)
        except UnicodeDecodeError:
            raise self._wrong("is not UTF-8") from None
        except ValueError as error:
            raise self._wrong(str(error)) from None

    def _row(self, line: bytes) -> dict[str, Any]:
        found = load_json(line.decode())
        if not isinstance(found, dict):
            raise ValueError("is no JSON object")
        if found.keys() != self._wanted:
            found = self._completed(found)
        row = {name: _value(field, found[name]) for name, field in self._fields.items()}
        problem = self._table.check(row)
        if problem:
            raise ValueError(problem)
        if self._table.serial is not None:
            serial = row[self._table.serial]
            if serial <= self.last_serial:
                raise ValueError(f"{self._table.serial} does not grow")
            self.last_serial = serial
        return row

    def _completed(self, found: Mapping[str, Any]) -> dict[str, Any]:
        """Fill in the columns that an older server did not have."""
        if unknown := found.keys() - self._wanted:
            raise ValueError(f"has {_shown(min(unknown))}, which is no column")
        return {name: found.get(name, field.default) for name, field in self._fields.items()}

    def _wrong(self, text: str) -> TenantImportFailed:
        return TenantImportFailed(f"{self._table.member}, line {self.count:,}: {text}")


def _value(field: Field, value: Any) -> Any:
    if value is None:
        if field.nullable:
            return None
        raise ValueError(f"{field.column} is missing")
    try:
        return field.read(value)
    except ValueError as error:
        raise ValueError(f"{field.column} {error}") from None


def _lines(name: str, pieces: Iterator[bytes]) -> Iterator[bytes]:
    begun = bytearray()
    for piece in pieces:
        *ended, rest = piece.split(b"\n")
        for line in ended:
            if begun:
                line = bytes(begun + line)  # noqa: PLW2901  # its beginning came before
                begun.clear()
            yield line
        begun += rest
        if len(begun) > limits.MAX_LINE_BYTES:
            raise TenantImportFailed(
                f"{name}: has a line of more than {limits.MAX_LINE_BYTES // limits.MIB} MiB"
            )
    if begun:
        raise TenantImportFailed(f"{name}: its last line has no end")


def _shown(text: str) -> str:
    return repr(printable(text)[:100])
