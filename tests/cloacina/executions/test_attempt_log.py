"""The log of an attempt: the same lines whatever the chunks, and never more than its limit."""

import tracemalloc
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloacina.executions.attempt_log import LEAST_CHARGE, LONGEST_LINE, AttemptLog, Line

PLENTY = 1024 * 1024
STREAMS = st.sampled_from(["stdout", "stderr"])
# bytes as they come, and such as make lines, long lines, broken characters and NULs more likely
PIECES = st.one_of(
    st.binary(max_size=40),
    st.text(max_size=20).map(lambda text: text.encode(errors="surrogatepass")),
    st.sampled_from(
        [b"\n", b"\r\n", b"\r", b"\0", b"\x80" * 5, b"x" * LONGEST_LINE, "ü日😀".encode() * 3000]
    ),
)
FEEDS = st.lists(st.tuples(STREAMS, PIECES), max_size=12)


class Clock:
    """A clock that is set by hand."""

    moment = 0.0

    def __call__(self) -> float:
        return self.moment


def lines_of(feeds, max_bytes=PLENTY):
    log = AttemptLog(max_bytes, Clock())
    for stream, data in feeds:
        log.feed(stream, data)
    return log.take(final=True)


def said(data: bytes, max_bytes=PLENTY) -> list[str]:
    return [line.text for line in lines_of([("stdout", data)], max_bytes)]


def size_of(lines: list[Line]) -> int:
    return sum(len(line.text.encode()) for line in lines)


def is_note(line: Line) -> bool:
    return line.stream == "stderr" and line.text.startswith("[log cut: ")


@settings(deadline=None)
@given(FEEDS, st.data(), st.sampled_from([0, 40, 1000, 40_000, PLENTY]))
def test_any_chunks_give_the_same_lines(feeds, data, max_bytes) -> None:
    chunks = []
    for stream, content in feeds:
        inner = data.draw(st.lists(st.integers(0, len(content)), max_size=5))
        places = sorted([0, *inner, len(content)])
        chunks += [(stream, content[start:end]) for start, end in pairwise(places)]
    assert lines_of(chunks, max_bytes) == lines_of(feeds, max_bytes)


@settings(deadline=None)
@given(FEEDS, st.integers(0, 60_000))
def test_no_more_is_kept_than_the_limit_and_it_is_storable(feeds, max_bytes) -> None:
    lines = lines_of(feeds, max_bytes)
    notes = [line for line in lines if is_note(line)]
    kept = lines[:-1] if notes else lines
    assert len(notes) <= 1
    assert size_of(kept) <= max_bytes
    for line in kept:
        assert not {"\0", "\n"} & set(line.text)
        # a NUL is written as four characters
        assert len(line.text.encode()) <= 4 * LONGEST_LINE


@settings(deadline=None)
@given(st.lists(st.text(st.characters(exclude_characters="\0\r\n", codec="utf-8"))))
def test_lines_of_text_come_back_as_they_are(texts) -> None:
    assert said("".join(f"{text}\n" for text in texts).encode()) == texts


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", []),
        (b"\n", [""]),
        (b"one\ntwo\n", ["one", "two"]),
        (b"one\r\ntwo\r\n\r\n", ["one", "two", ""]),
        (b"10%\r20%\r30%\n", ["10%\r20%\r30%"]),
        (b"no end", ["no end"]),
        (b"half an end\r", ["half an end"]),
        (b"a\0b\n", ["a\\x00b"]),
        (b"\xff\xfe\n", ["\ufffd\ufffd"]),
        # half of a surrogate pair, as Python's `surrogatepass` writes it
        (b"\xed\xa0\x80\n", ["\ufffd\ufffd\ufffd"]),
        (b"x" * LONGEST_LINE + b"\r\n", ["x" * LONGEST_LINE]),
        (b"x" * LONGEST_LINE + b"y\n", ["x" * LONGEST_LINE, "y"]),
        # no character is cut in two
        (b"x" + "ü".encode() * (LONGEST_LINE // 2) + b"\n",
         ["x" + "ü" * (LONGEST_LINE // 2 - 1), "ü"]),
    ],
)  # fmt: skip
def test_bytes_become_lines(data: bytes, lines: list[str]) -> None:
    assert said(data) == lines


def test_each_stream_has_lines_of_its_own_in_the_order_of_their_ends() -> None:
    feeds = [("stdout", b"a "), ("stderr", b"oh\n"), ("stdout", b"b\n"), ("stderr", b"no")]
    assert [(line.stream, line.text) for line in lines_of(feeds)] == [
        ("stderr", "oh"),
        ("stdout", "a b"),
        ("stderr", "no"),
    ]


def test_an_unfinished_line_waits_for_its_end_or_the_logs() -> None:
    clock = Clock()
    log = AttemptLog(PLENTY, clock)
    log.feed("stdout", b"one\ntw")
    assert log.take() == [Line("stdout", "one", 0.0)]
    clock.moment = 5.0
    assert log.take() == []
    log.feed("stdout", b"o\nthree")
    assert log.take() == [Line("stdout", "two", 5.0)]
    clock.moment = 9.0
    assert log.take(final=True) == [Line("stdout", "three", 5.0)]
    log.feed("stdout", b"too late\n")
    assert log.take(final=True) == []


def test_what_is_over_the_limit_is_counted_and_said_once() -> None:
    log = AttemptLog(100, Clock())
    log.feed("stdout", b"a" * 59 + b"\n" + b"b" * 59 + b"\n")
    assert [line.text for line in log.take()] == ["a" * 59, "b" * 39]
    log.feed("stderr", b"c" * 98_765_411)
    log.feed("stdout", b"d\n")
    note = "[log cut: 98,765,434 bytes over the limit of 100 bytes were not kept]"
    assert log.take() == []
    assert log.take(final=True) == [Line("stderr", note, 0.0)]
    assert log.take(final=True) == []


def test_a_log_that_just_fits_is_whole() -> None:
    data = b"x" * 49 + b"\n" + b"y" * 49 + b"\n"
    assert said(data, 100) == ["x" * 49, "y" * 49]
    assert said(data + b"\n", 100)[2:] == [
        "[log cut: 1 bytes over the limit of 100 bytes were not kept]"
    ]


def test_a_limit_of_nothing_keeps_the_note_alone() -> None:
    assert said(b"", 0) == []
    assert said(b"hello\n", 0) == ["[log cut: 6 bytes over the limit of 0 bytes were not kept]"]


def test_empty_lines_are_not_free() -> None:
    lines = said(b"\n" * 1000, LEAST_CHARGE * 10)
    assert len(lines) == 11
    assert lines[-1].startswith("[log cut: 990 bytes over")


@pytest.mark.parametrize("unit", [b"a line of a log\n", b"\n", b"no end", b"\0", b"\xff\r"])
def test_memory_is_bounded_whatever_is_written(unit: bytes) -> None:
    log = AttemptLog(PLENTY, Clock())
    chunk = unit * (64 * 1024 // len(unit))
    tracemalloc.start()
    try:
        for number in range(1600):
            # one stream after the other, since a line without an end lies in wait in each
            log.feed(("stdout", "stderr")[number % 2], chunk)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 12 * PLENTY
    lines = log.take(final=True)
    assert is_note(lines[-1])
    assert size_of(lines[:-1]) <= PLENTY


def test_one_large_chunk_is_not_copied_whole() -> None:
    log, chunk = AttemptLog(PLENTY, Clock()), b"x" * 50_000_000
    tracemalloc.start()
    try:
        log.feed("stdout", chunk)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 4 * PLENTY


def test_another_stream_is_refused() -> None:
    with pytest.raises(KeyError):
        AttemptLog(PLENTY).feed("stdin", b"x")
