"""Sending a package: one multipart part, read from the disk as it goes out."""

import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from cli.state import State
from cloacina.errors import InvalidInput
from cloacina.packages.limits import MAX_PACKED_BYTES, MIB

# the server reads a package of 500 MiB through before it answers
ANSWER_TIMEOUT_S = 300.0
_CHUNK_BYTES = 64 * 1024


class FilePart:
    """The body of a `multipart/form-data` request with one file in it (RFC 7578).

    Parameters:
        file: what is sent, read from its beginning.
        size: its length in bytes.
        name: the part's name.
        told: is told how many bytes have just been read.

    Attributes:
        content_type: the request's content type.
    """

    def __init__(self, file: BinaryIO, size: int, name: str, told: Callable[[int], object]) -> None:
        boundary = secrets.token_hex(16)
        self.content_type = f"multipart/form-data; boundary={boundary}"
        # the file's own name says nothing to the server and would need quoting
        head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; '
            'filename="package.cloacina"\r\nContent-Type: application/octet-stream\r\n\r\n'
        )
        self._head = head.encode()
        self._tail = f"\r\n--{boundary}--\r\n".encode()
        self._size = size
        self._file = file
        self._told = told
        self._chunks = self._all()

    def __len__(self) -> int:
        return len(self._head) + self._size + len(self._tail)

    def __iter__(self) -> Iterator[bytes]:
        return self._chunks

    def read(self, _: int = -1) -> bytes:
        """Read the next piece, of at most 64 KiB; empty at the end."""
        return next(self._chunks, b"")

    def _all(self) -> Iterator[bytes]:
        yield self._head
        left = self._size
        while left and (chunk := self._file.read(min(left, _CHUNK_BYTES))):
            left -= len(chunk)
            self._told(len(chunk))
            yield chunk
        if left:
            raise InvalidInput("the file became shorter while it was being sent")
        yield self._tail


def upload(state: State, path: Path) -> Any:
    """Upload a package to the tenant, with progress on a terminal.

    Parameters:
        state: the run.
        path: the archive.

    Returns:
        The API's answer, with `package_id`.

    Raises:
        InvalidInput: it is larger than any server takes.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        size = path.stat().st_size
        if size > MAX_PACKED_BYTES:
            raise InvalidInput(
                f"{path} has {size / MIB:.1f} MiB; a package may have {MAX_PACKED_BYTES // MIB}"
            )
        with _progress(state, f"uploading {path.name}", size) as told:
            part = FilePart(file, size, "file", told)
            return state.client.request(
                "POST",
                state.tenant_path("workflows"),
                data=part,
                headers={"Content-Type": part.content_type},
                read_timeout_s=ANSWER_TIMEOUT_S,
            )


@contextmanager
def _progress(state: State, text: str, size: int) -> Iterator[Callable[[int], object]]:
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    console = Console(stderr=True, no_color=not state.color or None)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task(text, total=size)
        yield lambda sent: progress.advance(bar, sent)
