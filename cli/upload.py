"""Sending a file: one multipart part, read from the disk as it goes out."""

import secrets
import sys
from collections.abc import Callable, Iterator, Mapping
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
    """The body of a `multipart/form-data` request with one file in it, `file` (RFC 7578).

    Parameters:
        file: what is sent, read from its beginning.
        size: its length in bytes.
        told: is told how many bytes have just been read.
        fields: texts that are sent before it, by their names.

    Attributes:
        content_type: the request's content type.
    """

    def __init__(
        self,
        file: BinaryIO,
        size: int,
        told: Callable[[int], object],
        fields: Mapping[str, str] | None = None,
    ) -> None:
        boundary = secrets.token_hex(16)
        self.content_type = f"multipart/form-data; boundary={boundary}"
        begin = f"--{boundary}\r\nContent-Disposition: form-data; name="
        texts = [f'{begin}"{name}"\r\n\r\n{text}\r\n' for name, text in (fields or {}).items()]
        # the file's own name says nothing to the server and would need quoting
        head = "".join(texts) + (
            f'{begin}"file"; filename="file"\r\nContent-Type: application/octet-stream\r\n\r\n'
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
        with progress(state, f"uploading {path.name}", size) as told:
            part = FilePart(file, size, told)
            return send(state, state.tenant_path("workflows"), part, ANSWER_TIMEOUT_S)


def send(state: State, path: str, part: FilePart, read_timeout_s: float) -> Any:
    """Send a file; gives the API's answer, and raises what `Client.request` does."""
    headers = {"Content-Type": part.content_type}
    return state.client.request(
        "POST", path, data=part, headers=headers, read_timeout_s=read_timeout_s
    )


@contextmanager
def progress(state: State, text: str, size: int | None) -> Iterator[Callable[[int], object]]:
    """Show on a terminal how far a file has come.

    Parameters:
        state: the run.
        text: what is done.
        size: of the file in bytes; None: it is not known.

    Returns:
        What is to be told how many bytes have just gone by.
    """
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    console = Console(stderr=True, no_color=not state.color or None)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn())
    with Progress(*columns, console=console, transient=True) as shown:
        bar = shown.add_task(text, total=size)
        yield lambda sent: shown.advance(bar, sent)
