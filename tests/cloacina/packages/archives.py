"""Makes archives for the tests: valid ones, and ones that no packer would write."""

import bz2
import io
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from cloacina.packages.archive import inspect_archive
from cloacina.packages.errors import InvalidPackage

MANIFEST = """\
[package]
name = "demo"
version = "1.0.0"

[metadata]
language = "python"
workflow_name = "demo-flow"
entry_module = "demo.tasks"
"""
TOP = "demo-1.0.0"
TASKS = "import cloaca\n"
FILES: Mapping[str, str | bytes] = {
    "package.toml": MANIFEST,
    "workflow/demo/__init__.py": "",
    "workflow/demo/tasks.py": TASKS,
}


def file(path: str, content: str | bytes = "") -> tuple[tarfile.TarInfo, bytes]:
    data = content.encode() if isinstance(content, str) else content
    member = tarfile.TarInfo(path)
    member.size = len(data)
    return member, data


def special(path: str, kind: bytes, target: str = "") -> tuple[tarfile.TarInfo, bytes]:
    member = tarfile.TarInfo(path)
    member.type = kind
    member.linkname = target
    return member, b""


def demo_members(
    files: Mapping[str, str | bytes] = FILES, top: str = TOP
) -> list[tuple[tarfile.TarInfo, bytes]]:
    return [file(f"{top}/{path}", content) for path, content in files.items()]


def tar(
    members: Iterable[tuple[tarfile.TarInfo, bytes]], tar_format: int = tarfile.PAX_FORMAT
) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(
        fileobj=buffer, mode="w", format=tar_format, errors="surrogateescape"
    ) as archive:
        for member, data in members:
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def packed(
    members: Iterable[tuple[tarfile.TarInfo, bytes]], tar_format: int = tarfile.PAX_FORMAT
) -> io.BytesIO:
    return io.BytesIO(bz2.compress(tar(members, tar_format)))


def demo_archive(files: Mapping[str, str | bytes] = FILES, top: str = TOP) -> io.BytesIO:
    return packed(demo_members(files, top))


def write_source(folder: Path, files: Mapping[str, str | bytes] = FILES) -> Path:
    for path, content in files.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def refused(archive: io.BytesIO) -> str:
    """Give the message that an archive is refused with."""
    with pytest.raises(InvalidPackage) as caught:
        inspect_archive(archive)
    assert caught.value.code == "upload_failed"
    return caught.value.message
