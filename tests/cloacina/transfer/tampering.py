"""Exports that were tampered with."""

import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from typing import Any

from cloacina.transfer.layout import MANIFEST
from cloacina.transfer.zstd import ZstdDecompressor, compress

Members = dict[str, bytes]
Row = dict[str, Any]


def unpacked(whole: bytes) -> Members:
    """Give an export's members by their names, in order."""
    plain = b""
    while whole:
        frame = ZstdDecompressor()
        plain += frame.decompress(whole)
        whole = frame.unused_data
    with tarfile.open(fileobj=io.BytesIO(plain)) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}


def tarred(members: Members, kind: bytes = tarfile.REGTYPE, odd: str = "") -> bytes:
    """Make a tar of members; that of the name `odd` is of this kind."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            if name == odd:
                member.type, member.linkname = kind, "/etc/passwd"
            else:
                member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def packed(members: Members) -> bytes:
    """Make an export of members as they are."""
    return compress(tarred(members))


def listed(members: Members) -> Members:
    """Have the manifest say what the members are now."""
    manifest = json.loads(members[MANIFEST])
    manifest["members"] = [
        {
            "name": name,
            "bytes": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
            "rows": data.count(b"\n") if name.endswith(".jsonl") else None,
        }
        for name, data in members.items()
        if name != MANIFEST
    ]
    return members | {MANIFEST: json.dumps(manifest).encode()}


def with_manifest(whole: bytes, **changes: Any) -> bytes:
    """Change what an export says of itself."""
    members = unpacked(whole)
    manifest = json.loads(members[MANIFEST]) | changes
    return packed(members | {MANIFEST: json.dumps(manifest).encode()})


def with_rows(whole: bytes, member: str, change: Callable[[list[Row]], Any]) -> bytes:
    """Change the rows of a table, and have the manifest agree."""
    members = unpacked(whole)
    rows = [json.loads(line) for line in members[member].splitlines()]
    rows = change(rows) or rows
    members[member] = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
    return packed(listed(members))
