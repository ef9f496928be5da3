"""What one attempt of a task writes, cut into lines and held to a limit."""

import base64
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cloacina.db import storable

STDOUT, STDERR = "stdout", "stderr"

LONGEST_LINE = 16 * 1024
"""Bytes of a line; what is longer becomes several."""

LEAST_CHARGE = 32
"""Bytes that a line counts as at least: a row costs something, even an empty one."""

# so much of a large chunk is looked at at a time, so that it is never copied whole
_STEP = 64 * 1024


@dataclass(frozen=True, slots=True)
class Line:
    """A line without its end.

    Parameters:
        stream: `stdout` or `stderr`.
        text: fit to be stored.
        moment: when its last byte came, by the clock of the log.
    """

    stream: str
    text: str
    moment: float


class AttemptLog:
    """The lines of one attempt.

    The limit holds for the text as it is stored; each line counts one byte for its end, and
    `LEAST_CHARGE` at least. Once it is reached all further bytes are only counted. So memory is
    bounded by the limit, whatever is fed and however seldom the lines are taken.

    Parameters:
        max_bytes: of text that is kept.
        clock: gives seconds that only grow.
    """

    def __init__(self, max_bytes: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._max_bytes = self._room = max_bytes
        self._clock = clock
        self._lines: list[Line] = []
        self._unfinished = {STDOUT: bytearray(), STDERR: bytearray()}
        self._touched = dict.fromkeys(self._unfinished, 0.0)
        self._bytes_fed = self._bytes_kept = 0
        self._is_cut = self._has_ended = False

    def state(self) -> dict[str, Any]:
        """Give what another process needs to go on, as JSON; the lines are to be taken before."""
        return {
            "max_bytes": self._max_bytes,
            "room": self._room,
            "fed": self._bytes_fed,
            "kept": self._bytes_kept,
            "is_cut": self._is_cut,
            "unfinished": {
                stream: base64.b64encode(rest).decode() for stream, rest in self._unfinished.items()
            },
        }

    @classmethod
    def of_state(
        cls, state: Mapping[str, Any], clock: Callable[[], float] = time.monotonic
    ) -> "AttemptLog":
        """Go on with a log of another process."""
        log = cls(state["max_bytes"], clock)
        log._room, log._is_cut = state["room"], state["is_cut"]
        log._bytes_fed, log._bytes_kept = state["fed"], state["kept"]
        for stream, rest in state["unfinished"].items():
            log._unfinished[stream] += base64.b64decode(rest)
            log._touched[stream] = clock()
        return log

    def feed(self, stream: str, data: bytes) -> None:
        """Take what came, wherever it begins and ends; after the final take it is dropped.

        Parameters:
            stream: `stdout` or `stderr`.
            data: any bytes; they should be UTF-8.

        Raises:
            KeyError: there is no such stream.
        """
        unfinished = self._unfinished[stream]
        self._bytes_fed += len(data)
        if self._is_cut or self._has_ended or not data:
            return
        self._touched[stream] = self._clock()
        for start in range(0, len(data), _STEP):
            searched = len(unfinished)
            unfinished += data[start : start + _STEP]
            self._cut_lines(stream, unfinished, searched)
            if self._is_cut:
                for rest in self._unfinished.values():
                    rest.clear()
                return

    def take(self, *, final: bool = False) -> list[Line]:
        """Give the lines that were finished since the last take.

        Parameters:
            final: nothing more comes: give unfinished lines too, and a note of what was cut.
        """
        if final and not self._has_ended:
            self._end()
        lines, self._lines = self._lines, []
        return lines

    def _cut_lines(self, stream: str, unfinished: bytearray, searched: int) -> None:
        start = 0
        while not self._is_cut and (end := unfinished.find(b"\n", searched)) >= 0:
            self._add(stream, bytes(unfinished[start:end]), ending=1)
            start = searched = end + 1
        del unfinished[:start]
        # one byte more than the longest may yet turn out to be a `\r` that belongs to the end
        while not self._is_cut and len(unfinished) > LONGEST_LINE + 1:
            length = _whole_characters(unfinished, LONGEST_LINE)
            self._keep(stream, bytes(unfinished[:length]))
            del unfinished[:length]

    def _add(self, stream: str, line: bytes, ending: int) -> None:
        """Keep a line, in pieces when it is long; `ending` bytes of line end follow it."""
        if line.endswith(b"\r"):
            line, ending = line[:-1], ending + 1
        *firsts, last = _pieces(line)
        for piece in firsts:
            self._keep(stream, piece)
        self._keep(stream, last, ending)

    def _keep(self, stream: str, piece: bytes, ending: int = 0) -> None:
        if self._is_cut:
            return
        text = _text_of(piece)
        charge = _charge(text)
        if charge > self._room:
            self._is_cut = True
            piece, ending = piece[: self._fitting(piece)], 0
            text = _text_of(piece)
            charge = _charge(text)
            if not piece or charge > self._room:
                return
        self._room -= charge
        self._bytes_kept += len(piece) + ending
        self._lines.append(Line(stream, text, self._touched[stream]))

    def _fitting(self, piece: bytes) -> int:
        most = self._room - 1
        return _whole_characters(piece, most) if 0 < most < len(piece) else 0

    def _end(self) -> None:
        for stream in sorted(self._unfinished, key=self._touched.__getitem__):
            if rest := self._unfinished[stream]:
                self._add(stream, bytes(rest), ending=0)
                rest.clear()
        self._has_ended = True
        if cut := self._bytes_fed - self._bytes_kept:
            note = (
                f"[log cut: {cut:,} bytes over the limit of {self._max_bytes:,} bytes"
                " were not kept]"
            )
            self._lines.append(Line(STDERR, note, self._clock()))


def _pieces(line: bytes) -> Iterator[bytes]:
    while len(line) > LONGEST_LINE:
        length = _whole_characters(line, LONGEST_LINE)
        yield line[:length]
        line = line[length:]
    yield line


def _whole_characters(data: bytes | bytearray, most: int) -> int:
    """Give how many bytes to cut off, `most` or a little less, so that no character is split."""
    for length in range(most, max(most - 4, 0), -1):
        if data[length] & 0xC0 != 0x80:
            return length
    return most


def _text_of(piece: bytes) -> str:
    return storable(piece.decode(errors="replace"), LONGEST_LINE)


def _charge(text: str) -> int:
    size = len(text) if text.isascii() else len(text.encode())
    return max(size + 1, LEAST_CHARGE)
