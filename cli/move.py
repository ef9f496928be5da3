"""Tenants as files: fetched from one server, sent to another."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from cli.state import State, api_path
from cli.upload import FilePart, progress, send
from cloacina.errors import InvalidInput
from cloacina.transfer.limits import GIB, MAX_PACKED_BYTES

# the server reads or writes the whole tenant before it answers
ANSWER_TIMEOUT_S = 3600.0


def fetch(state: State, name: str, path: Path, *, overwrite: bool) -> int:
    """Write a tenant's export to a file, which appears whole or not at all.

    Parameters:
        state: the run.
        name: the tenant.
        path: the file; only its owner may read it.
        overwrite: it may be there already.

    Returns:
        Its size in bytes.

    Raises:
        InvalidInput: it is there already.
        OSError: it cannot be written.
    """
    _refuse_existing(path, overwrite)
    number, unfinished = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(number, "wb") as file:
            size = _download(state, name, file)
            os.fsync(file.fileno())
        _refuse_existing(path, overwrite)
        Path(unfinished).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(unfinished).unlink()
        raise
    return size


def _download(state: State, name: str, file: Any) -> int:
    size = 0
    url = api_path("tenants", name, "export")
    with (
        state.client.download(url, read_timeout_s=ANSWER_TIMEOUT_S) as download,
        progress(state, f"exporting {name}", download.size) as told,
    ):
        for piece in download.pieces():
            file.write(piece)
            told(len(piece))
            size += len(piece)
    return size


def _refuse_existing(path: Path, overwrite: bool) -> None:
    if path.exists() and not overwrite:
        raise InvalidInput(f"{path} exists; choose another name, or pass --force to overwrite it")


def send_export(state: State, path: Path, name: str | None) -> Any:
    """Have the server make a tenant of an export, with progress on a terminal.

    Parameters:
        state: the run.
        path: the export.
        name: the tenant's name there; None: the one it had.

    Returns:
        The API's answer.

    Raises:
        InvalidInput: it is larger than any server takes.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        size = path.stat().st_size
        if size > MAX_PACKED_BYTES:
            raise InvalidInput(f"{path} is larger than {MAX_PACKED_BYTES // GIB} GiB")
        fields = {} if name is None else {"name": name}
        with progress(state, f"importing {path.name}", size) as told:
            part = FilePart(file, size, told, fields)
            return send(state, api_path("tenants", "import"), part, ANSWER_TIMEOUT_S)
