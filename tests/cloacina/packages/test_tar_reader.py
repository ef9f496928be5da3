import io
import tarfile

from hypothesis import given
from hypothesis import strategies as st

from cloacina.packages.tar_reader import Kind, TarReader

_NAMES = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=120)
_FILES = st.lists(st.tuples(_NAMES, st.binary(max_size=1500)), max_size=5)
_FORMATS = st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])


@given(_FILES, _FORMATS)
def test_it_reads_what_the_standard_library_writes(files, tar_format):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tar_format, encoding="utf-8") as archive:
        for name, data in files:
            member = tarfile.TarInfo(name.rstrip("/") or "x")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    buffer.seek(0)
    with tarfile.open(fileobj=io.BytesIO(buffer.getvalue()), encoding="utf-8") as archive:
        expected = [(m.name, archive.extractfile(m).read()) for m in archive]

    reader = TarReader(buffer)

    assert [(member.path, b"".join(reader.pieces())) for member in reader] == expected


def test_a_size_that_octal_digits_cannot_hold_is_read_in_both_ways():
    for tar_format in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        member = tarfile.TarInfo("large")
        member.size = 9 * 1024**3
        found = next(iter(TarReader(io.BytesIO(member.tobuf(tar_format)))))
        assert (found.path, found.kind, found.size) == ("large", Kind.FILE, 9 * 1024**3)


def test_a_folder_of_an_old_tar_ends_with_a_slash():
    member = tarfile.TarInfo("folder/")
    member.type = tarfile.AREGTYPE
    found = next(iter(TarReader(io.BytesIO(member.tobuf(tarfile.USTAR_FORMAT)))))
    assert found.kind is Kind.FOLDER
