"""Archives that try to cost more than they should."""

import bz2
import io
import os
import tarfile
import time
import tracemalloc

import pytest

from cloacina.packages import limits
from cloacina.packages.archive import inspect_archive, unpack_archive
from cloacina.packages.errors import InvalidPackage
from tests.cloacina.packages.archives import (
    FILES,
    TOP,
    demo_archive,
    demo_members,
    file,
    packed,
    refused,
    tar,
)


def test_a_packed_size_over_the_limit_is_refused_while_it_streams(monkeypatch):
    monkeypatch.setattr(limits, "MAX_PACKED_BYTES", limits.MIB)
    noise = file(f"{TOP}/noise", os.urandom(2 * limits.MIB))
    assert "larger than 1 MiB packed" in refused(packed([*demo_members(), noise]))


def test_many_small_modules_may_compress_far_better_than_a_bomb():
    modules = {f"vendor/m{number}.py": "value = 1\n" * 1000 for number in range(200)}
    info = inspect_archive(demo_archive({**FILES, **modules}))
    assert info.unpacked_bytes > 300 * info.packed_bytes


@pytest.fixture(scope="module")
def bomb() -> bytes:
    """600 MiB of zeros as one member of a package that is else valid: less than 2 KB."""
    member = tarfile.TarInfo(f"{TOP}/zeros")
    member.size = 600 * limits.MIB
    start = bz2.compress(_without_end(tar(demo_members())) + member.tobuf())
    return start + bz2.compress(bytes(50 * limits.MIB)) * 12 + bz2.compress(bytes(1024))


def _without_end(data: bytes) -> bytes:
    blocks = -(-len(data.rstrip(b"\0")) // 512)
    return data[: blocks * 512]


def test_a_bomb_costs_neither_memory_nor_disk_nor_much_time(bomb, tmp_path):
    started = time.process_time()
    tracemalloc.start()
    try:
        assert "unpacks to more than 100 times its size" in refused(io.BytesIO(bomb))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(bomb) < 2000
    assert peak < 8 * limits.MIB
    assert time.process_time() - started < 5

    with pytest.raises(InvalidPackage):
        unpack_archive(io.BytesIO(bomb), tmp_path / "unpacked")
    assert list(tmp_path.iterdir()) == []


def test_an_unpacked_size_over_the_limit_is_refused(monkeypatch):
    monkeypatch.setattr(limits, "MAX_UNPACKED_BYTES", limits.MIB)
    large = file(f"{TOP}/large", bytes(limits.MIB))
    assert "larger than 1 MiB unpacked" in refused(packed([*demo_members(), large]))


def _header(kind: bytes, size: int) -> bytes:
    member = tarfile.TarInfo("././@LongLink")
    member.type, member.size = kind, size
    return member.tobuf(tarfile.GNU_FORMAT)


@pytest.mark.parametrize("kind", [b"L", b"K", b"x", b"g"])
def test_an_extended_header_of_enormous_size_is_refused_unread(kind):
    data = _without_end(tar(demo_members())) + _header(kind, 400 * limits.MIB)
    archive = io.BytesIO(bz2.compress(data + bytes(40 * limits.MIB)))
    tracemalloc.start()
    try:
        assert "an extended header of enormous size" in refused(archive)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * limits.MIB


def test_a_chain_of_extended_headers_is_refused():
    data = _header(b"L", 2) + b"a".ljust(512, b"\0")
    assert "too many extended headers" in refused(io.BytesIO(bz2.compress(data * 1000)))


@pytest.mark.parametrize("record", [b"99 path=x\n", b"path=x\n", b"9 path=xx", b"0 \n", b"x" * 40])
def test_a_broken_extended_header_is_refused(record):
    data = _header(b"x", len(record)) + record.ljust(512, b"\0")
    assert "not a tar inside its bzip2" in refused(io.BytesIO(bz2.compress(data + bytes(1024))))


def test_thousands_of_empty_bzip2_streams_are_refused():
    archive = io.BytesIO(demo_archive().getvalue() + bz2.compress(b"") * limits.MAX_BZIP2_STREAMS)
    assert "more than 10,000 bzip2 streams" in refused(archive)
