import bz2
import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from cloacina.packages import limits
from cloacina.packages.archive import (
    inspect_archive,
    read_source_files,
    remove_unpacked,
    unpack_archive,
)
from cloacina.packages.errors import InvalidPackage
from tests.cloacina.packages.archives import (
    FILES,
    MANIFEST,
    TOP,
    demo_archive,
    demo_members,
    file,
    packed,
    refused,
    special,
    tar,
)


def test_a_valid_archive_is_described_from_a_stream_and_from_a_path(tmp_path):
    data = demo_archive().getvalue()
    path = tmp_path / "demo.cloacina"
    path.write_bytes(data)

    info = inspect_archive(io.BytesIO(data))

    assert info == inspect_archive(path)
    assert info.manifest.folder_name == TOP
    assert info.files == tuple(sorted(FILES))
    assert info.sha256 == hashlib.sha256(data).hexdigest()
    assert info.packed_bytes == len(data)
    assert info.unpacked_bytes == sum(len(content) for content in FILES.values())


def test_the_hash_of_the_source_depends_on_code_alone():
    plain = inspect_archive(demo_archive())
    reordered = inspect_archive(demo_archive(dict(reversed(FILES.items())) | {"README.md": "hi"}))
    changed = inspect_archive(demo_archive({**FILES, "workflow/demo/__init__.py": "x = 1\n"}))

    assert reordered.sha256 != plain.sha256
    assert reordered.source_sha256 == plain.source_sha256
    assert changed.source_sha256 != plain.source_sha256


@pytest.mark.parametrize(
    "tar_format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]
)
def test_every_common_tar_format_is_read(tar_format):
    deep = "workflow/demo/" + "/".join(["a" * 40] * 3) + "/data.txt"
    info = inspect_archive(packed(demo_members({**FILES, deep: "x"}), tar_format))
    assert deep in info.files


def test_folder_members_and_a_leading_dot_are_fine():
    members = [special(f"./{TOP}/", tarfile.DIRTYPE), special(f"./{TOP}/vendor", tarfile.DIRTYPE)]
    info = inspect_archive(packed(members + demo_members(top=f"./{TOP}")))
    assert info.manifest.name == "demo"


def test_several_bzip2_streams_in_a_row_are_one_archive():
    data = tar(demo_members())
    archive = io.BytesIO(bz2.compress(data[:700]) + bz2.compress(data[700:]))
    assert inspect_archive(archive).manifest.name == "demo"


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "the archive: empty"),
        (b"PK\x03\x04 a zip", "the archive: not a bzip2 file"),
        (b"BZ", "the archive: cut off"),
        (bz2.compress(b"hello" * 500), "the archive: not a tar inside its bzip2"),
        (bz2.compress(b""), "the archive: not a tar inside its bzip2"),
        (bz2.compress(tar([])), "the archive: has no top folder <name>-<version>/"),
        (bz2.compress(tar(demo_members())[:512]), f"its tar is cut off, after {TOP}/package.toml"),
        (bz2.compress(tar(demo_members())[:1000]), f"its tar is cut off, after {TOP}/package.toml"),
        (bz2.compress(tar(demo_members()) + b"more"), "its tar goes on after its end mark"),
        (bz2.compress(tar(demo_members())) + b"more", "the archive: damaged"),
        (demo_archive().getvalue()[:-20], "the archive: cut off"),
    ],
)
def test_what_is_no_archive_is_refused(data, text):
    assert text in refused(io.BytesIO(data))


def test_a_flipped_bit_is_noticed_wherever_it_lies():
    data = demo_archive().getvalue()
    for position in range(0, len(data), 7):
        broken = bytearray(data)
        broken[position] ^= 0x10
        refused(io.BytesIO(broken))


@pytest.mark.parametrize(
    ("member", "text"),
    [
        (file("/etc/passwd"), "/etc/passwd: an absolute path"),
        (file(f"{TOP}/workflow/../../x.py"), "the path leaves the package through '..'"),
        (file(f"{TOP}/workflow/a\\b.py"), "holds a backslash"),
        (file(f"{TOP}/workflow/a\n\x1b[31m.py"), f"{TOP}/workflow/a\\n\\x1b[31m.py: holds a back"),
        (file(f"{TOP}/workflow/\udcff.py"), "bytes that are not UTF-8"),
        (file(f"{TOP}/" + "a/" * 512 + "b"), "the path is longer than 1,024 bytes"),
        (file(f"{TOP}/workflow/{'a' * 256}"), "a name in it is longer than 255 bytes"),
        (special(f"{TOP}/link", tarfile.SYMTYPE, "/etc"), "link: is a symbolic link"),
        (special(f"{TOP}/link", tarfile.LNKTYPE, f"{TOP}/package.toml"), "link: is a hard link"),
        (special(f"{TOP}/null", tarfile.CHRTYPE), "null: is a device"),
        (special(f"{TOP}/disk", tarfile.BLKTYPE), "disk: is a device"),
        (special(f"{TOP}/pipe", tarfile.FIFOTYPE), "pipe: is a named pipe"),
        (special(f"{TOP}/odd", b"V"), "odd: is a member of an unknown type"),
        (file(f"{TOP}/workflow/demo/TASKS.py"), "Unicode form from workflow/demo/tasks.py"),
        (file(f"{TOP}/workflow/Demo/x.py"), "workflow/Demo: differs only in case"),
        (file(f"{TOP}/workflow/demo/tasks.py"), "workflow/demo/tasks.py: occurs twice"),
        (file(f"{TOP}/workflow/demo"), "workflow/demo: is both a file and a folder"),
        (file(f"{TOP}/package.toml/x"), "package.toml: is both a file and a folder"),
        (file("other/x.py"), f"other: a second top folder beside {TOP}"),
        (file("."), "lies outside the top folder"),
        (file("x.py"), "x.py: lies outside the top folder"),
        (file(f"{TOP}/workflow/json.py"), "hides the module 'json' of the standard library"),
        (file(f"{TOP}/vendor/email/__init__.py"), "hides the module 'email'"),
        (file(f"{TOP}/vendor/ssl.cpython-311-x86_64-linux-gnu.so"), "hides the module 'ssl'"),
        (file(f"{TOP}/workflow/cloaca.py"), "hides the module 'cloaca' of the SDK"),
    ],
)  # fmt: skip
def test_a_member_that_does_not_belong_is_refused_by_name(member, text):
    assert text in refused(packed([*demo_members(), member]))


@pytest.mark.parametrize(
    "path",
    ["workflow/demo/json.py", "workflow/test/data.csv", "vendor/json.txt", "tests/json.py"],
)
def test_what_hides_no_module_may_have_its_name(path):
    assert path in inspect_archive(demo_archive({**FILES, path: ""})).files


def test_names_that_differ_only_in_their_unicode_form_are_refused():
    files = {**FILES, "workflow/caf\u00e9.txt": "", "workflow/cafe\u0301.txt": ""}
    assert "differs only in case" in refused(demo_archive(files))


@pytest.mark.parametrize("key", ["GNU.sparse.map", "GNU.sparse.major"])
def test_a_sparse_file_is_refused(key):
    member, data = file(f"{TOP}/hole")
    member.pax_headers = {key: "1"}
    assert "hole: is a sparse file" in refused(packed([*demo_members(), (member, data)]))


@pytest.mark.parametrize(
    ("files", "text"),
    [
        ({"workflow/a.py": ""}, "package.toml: missing"),
        ({**FILES, "package.toml": b"\xff"}, "package.toml: not UTF-8 text"),
        ({**FILES, "package.toml": "#" * 70_000}, "package.toml: larger than 64 KiB"),
        ({**FILES, "package.toml": "name ="}, "package.toml: not valid TOML"),
        ({"package.toml": MANIFEST}, "Missing workflow source directory"),
        ({"package.toml": MANIFEST, "workflow": ""}, "Missing workflow source directory"),
        (
            {"package.toml": MANIFEST, "workflow/demo.py": ""},
            "entry_module 'demo.tasks' is not in the package: there is neither "
            "workflow/demo/tasks.py nor workflow/demo/tasks/__init__.py",
        ),
    ],
)
def test_a_package_without_its_parts_is_refused(files, text):
    assert text in refused(demo_archive(files))


def test_the_top_folder_bears_name_and_version():
    assert "demo/: the top folder must be named demo-1.0.0/" in refused(demo_archive(top="demo"))


def test_an_entry_module_may_be_a_folder():
    files = {"package.toml": MANIFEST, "workflow/demo/tasks/__init__.py": ""}
    assert inspect_archive(demo_archive(files))


def test_all_problems_are_told_at_once_each_with_its_place():
    files = {"package.toml": MANIFEST.replace("1.0.0", "1.0"), "workflow/json.py": ""}
    with pytest.raises(InvalidPackage) as caught:
        inspect_archive(packed([*demo_members(files), special(f"{TOP}/l", tarfile.SYMTYPE)]))
    places = [problem.partition(":")[0] for problem in caught.value.problems]
    assert places == ["l", "workflow/json.py", "package.toml"]


def test_thousands_of_problems_are_summed_up():
    links = [special(f"{TOP}/{number}", tarfile.SYMTYPE) for number in range(100)]
    message = refused(packed([*demo_members(), *links]))
    assert len(message) < 2000
    assert message.endswith("and 80 more problems")


def test_one_member_too_many_is_refused():
    files = {**FILES, **{f"vendor/{n}.txt": "" for n in range(limits.MAX_MEMBERS - len(FILES))}}
    assert len(inspect_archive(demo_archive(files)).files) == limits.MAX_MEMBERS
    assert "more than 10,000 members" in refused(demo_archive({**files, "vendor/one.txt": ""}))


def test_an_archive_is_unpacked_without_its_top_folder_and_read_only(tmp_path):
    folder = tmp_path / "unpacked"

    info = unpack_archive(demo_archive(), folder)

    assert info == inspect_archive(demo_archive())
    found = {str(p.relative_to(folder)): p for p in folder.rglob("*") if p.is_file()}
    assert {path: place.read_text() for path, place in found.items()} == FILES
    assert {place.stat().st_mode & 0o7777 for place in found.values()} == {0o444}
    assert {p.stat().st_mode & 0o7777 for p in (folder, folder / "workflow")} == {0o555}
    remove_unpacked(folder)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_exists_is_never_unpacked_into(tmp_path):
    (tmp_path / "mine").write_text("precious")
    with pytest.raises(FileExistsError):
        unpack_archive(demo_archive(), tmp_path)
    assert [place.name for place in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize(
    "member", [file("../escape"), special(f"{TOP}/l", tarfile.SYMTYPE, "/"), file("/tmp/escape")]
)
def test_nothing_is_left_of_a_hostile_archive(member, tmp_path):
    inside = tmp_path / "inside"
    inside.mkdir()
    with pytest.raises(InvalidPackage):
        unpack_archive(packed([*demo_members(), member]), inside / "unpacked")
    assert list(inside.iterdir()) == []
    assert list(tmp_path.iterdir()) == [inside]
    assert not Path("/tmp/escape").exists()


def test_source_files_are_the_texts_in_the_order_of_their_paths():
    files = {
        "workflow/demo/z.py": "# ä\n",
        **FILES,
        "workflow/demo/logo.png": b"\x89PNG\xff",
        "workflow/demo/full.txt": "x" * limits.MAX_SOURCE_FILE_BYTES,
        "workflow/demo/over.txt": "x" * (limits.MAX_SOURCE_FILE_BYTES + 1),
    }
    found = {source.path: source.text for source in read_source_files(demo_archive(files))}
    assert list(found) == sorted(found)
    assert found.keys() == files.keys() - {"workflow/demo/logo.png", "workflow/demo/over.txt"}
    assert found["workflow/demo/z.py"] == "# ä\n"
