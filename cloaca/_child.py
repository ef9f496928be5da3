"""The process that runs an author's code: `python -I -S .../cloaca/_child.py <fd>`.

It serves the stream socket <fd> as `cloaca._serve` describes and ends when the other end is closed.
The folder `cloaca` is all that it needs, wherever it lies.
"""

from __future__ import annotations

import io
import os
import sys

_PR_SET_PDEATHSIG = 1
_SIGKILL = 9


def main(fd: int) -> None:
    """Serve a socket, then end the process."""
    _die_with_parent()
    _write_lines_at_once()
    # At the end: a package may have modules with the names of whatever lies beside this one.
    sys.path.append(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # noqa: PTH100, PTH120 - pathlib is slow to import

    from cloaca._serve import serve

    code = serve(fd)
    # Threads and exit handlers of the author's code must not keep the process.
    os._exit(code)


def _die_with_parent() -> None:
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, _SIGKILL)


def _write_lines_at_once() -> None:
    """Let output become the task's log while the task runs, whatever the locale."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
