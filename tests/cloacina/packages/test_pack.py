import bz2
import io
import os
import tarfile

import pytest

from cloacina.packages import limits
from cloacina.packages.archive import inspect_archive, read_source_files, unpack_archive
from cloacina.packages.errors import InvalidPackage
from cloacina.packages.manifest import render_manifest
from cloacina.packages.pack import pack
from cloacina.packages.source import validate_source
from tests.cloacina.packages.archives import FILES, MANIFEST, write_source


@pytest.fixture
def source(tmp_path):
    return write_source(tmp_path / "source")


def members(path) -> list[tarfile.TarInfo]:
    with tarfile.open(path) as archive:
        return archive.getmembers()


def test_the_archive_of_a_source_is_valid_and_holds_the_manifest_in_full(source, tmp_path):
    short = MANIFEST.replace('language = "python"\n', "").replace('entry_module = "demo.tasks"', "")
    (source / "package.toml").write_text(short)

    path = pack(source, tmp_path)

    assert path == tmp_path / "demo-1.0.0.cloacina"
    checked, archived = validate_source(source), inspect_archive(path)
    assert archived.manifest == checked.manifest
    assert archived.source_sha256 == checked.source_sha256
    assert archived.files == checked.files
    manifest = next(f for f in read_source_files(path) if f.path == "package.toml")
    assert manifest.text == render_manifest(checked.manifest)
    assert 'language = "python"' in manifest.text


def test_the_same_source_gives_the_same_bytes_wherever_it_lies(source, tmp_path):
    elsewhere = write_source(tmp_path / "else" / "where", dict(reversed(FILES.items())))
    for place in elsewhere.rglob("*.py"):
        os.utime(place, (1, 1))
        place.chmod(0o755)

    first, second = pack(source, tmp_path / "1"), pack(elsewhere, tmp_path / "2")

    assert first.read_bytes() == second.read_bytes()
    for member in members(first):
        assert (member.mtime, member.uid, member.gid, member.mode) == (0, 0, 0, 0o644)
        assert (member.uname, member.gname) == ("", "")


def test_what_was_unpacked_packs_to_the_same_bytes(source, tmp_path):
    path = pack(source, tmp_path / "first")
    unpack_archive(path, tmp_path / "unpacked")
    assert pack(tmp_path / "unpacked", tmp_path / "second").read_bytes() == path.read_bytes()


def test_what_is_no_source_stays_out(source, tmp_path):
    clutter = [
        ".git/config",
        ".env",
        "env/pyvenv.cfg",
        "env/lib/x.py",
        "workflow/demo/__pycache__/tasks.cpython-311.pyc",
        "workflow/demo/old.pyc",
        "workflow/demo/.hidden.py",
        "demo-0.9.0.cloacina",
    ]
    path = pack(source, tmp_path / "clean")
    write_source(source, dict.fromkeys(clutter, "x"))
    assert pack(source, tmp_path / "cluttered").read_bytes() == path.read_bytes()


def test_an_archive_packed_into_its_own_source_does_not_change_the_next(source, monkeypatch):
    monkeypatch.chdir(source)
    first = pack(source).read_bytes()
    assert pack(source).read_bytes() == first
    assert sorted(place.name for place in source.iterdir()) == [
        "demo-1.0.0.cloacina",
        "package.toml",
        "workflow",
    ]


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({"workflow/json.py": ""}, "workflow/json.py: hides the module 'json'"),
        ({"workflow/demo/Tasks.py": ""}, "differs only in case"),
        ({"package.toml": MANIFEST.replace("1.0.0", "1")}, "is not a semantic version"),
        ({"workflow/a\\b.py": ""}, "holds a backslash"),
    ],
)
def test_a_source_that_breaks_a_rule_is_not_packed(source, tmp_path, files, problem):
    write_source(source, files)
    with pytest.raises(InvalidPackage) as caught:
        pack(source, tmp_path / "out")
    assert problem in caught.value.message
    assert not (tmp_path / "out").exists()


def test_a_source_without_anything_is_refused_naming_all_that_is_missing(tmp_path):
    with pytest.raises(InvalidPackage) as caught:
        validate_source(tmp_path)
    assert [problem.partition(":")[0] for problem in caught.value.problems] == [
        "workflow/",
        "package.toml",
    ]


def test_a_source_that_is_no_folder_is_refused(tmp_path):
    with pytest.raises(InvalidPackage, match="not a folder"):
        validate_source(tmp_path / "nowhere")


def test_links_and_pipes_are_refused_not_followed(source):
    (source / "vendor").symlink_to("/usr/lib")
    os.mkfifo(source / "workflow" / "pipe")
    with pytest.raises(InvalidPackage) as caught:
        validate_source(source)
    assert [problem.partition(";")[0] for problem in caught.value.problems] == [
        "vendor: is a symbolic link",
        "workflow/pipe: is a named pipe",
    ]


def test_a_rust_source_is_told_apart_from_a_python_one(source):
    (source / "package.toml").write_text(MANIFEST.replace('language = "python"', ""))
    (source / "Cargo.toml").write_text("")
    with pytest.raises(InvalidPackage, match="this server runs Python packages"):
        validate_source(source)


def test_a_source_over_the_limit_is_refused_unread(source, monkeypatch):
    monkeypatch.setattr(limits, "MAX_UNPACKED_BYTES", 1000)
    (source / "data").write_bytes(bytes(1001))
    with pytest.raises(InvalidPackage, match="larger than 0 MiB unpacked"):
        validate_source(source)


def test_an_archive_that_a_server_would_refuse_is_never_left_behind(source, tmp_path, monkeypatch):
    (source / "noise").write_bytes(os.urandom(2000))
    monkeypatch.setattr(limits, "MAX_PACKED_BYTES", 1000)
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(InvalidPackage, match="packed"):
        pack(source, out)
    assert list(out.iterdir()) == []


def test_an_ordinary_tar_can_read_it(source, tmp_path):
    data = bz2.decompress(pack(source, tmp_path).read_bytes())
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
        assert archive.extractfile("demo-1.0.0/workflow/demo/tasks.py").read() == b"import cloaca\n"
