"""The process of a worker that forks its children, as its main process and its slots see it."""

import json
import logging
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from uuid import uuid4

import cloaca
from cloaca import _handover
from cloacina.processes import end, spawn

log = logging.getLogger(__name__)

MOST_IDLE = 64
"""Children that are kept while nobody uses them; the least recently used go first."""

IDLE_S = 300.0
"""Seconds that one is kept."""

MAX_SCRATCH_BYTES = 1024 * 1024 * 1024
"""Bytes that the scratch folder of a task may hold."""

LEND_WITHIN_S = 10.0
"""Seconds until a child must have been lent: a host that ended is started again meanwhile."""

_END_WITHIN_S = 10.0


class Host:
    """The sandbox host of a worker.

    It is made, started and closed by the worker's main process, on its main thread; the slots that
    are forked from there share the way to it.

    Parameters:
        root: the worker's folder, for the SDK's copy and the children's scratch folders.
        most_idle: children that are kept while nobody uses them.
        idle_s: seconds that one is kept.
        max_scratch_bytes: how much a child's scratch folder may hold while a task runs.
    """

    def __init__(
        self,
        root: Path,
        *,
        most_idle: int = MOST_IDLE,
        idle_s: float = IDLE_S,
        max_scratch_bytes: int = MAX_SCRATCH_BYTES,
    ) -> None:
        self.root = root
        self._max_scratch_bytes = max_scratch_bytes
        self._most_idle = most_idle
        self._idle_s = idle_s
        self._sdk = _copy_sdk(root)
        # both ends are kept: whoever starts the host anew has it go on where the last one stopped
        self._requests, self._theirs = _handover.pair()
        self._requests.setblocking(False)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Of the process; None where it was not started, or in a slot."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start the process; returns at once, and what is asked meanwhile waits for it.

        Raises:
            OSError: it cannot be started.
            RuntimeError: called on another thread than the main one.
        """
        self._process = spawn(
            [
                sys.executable,
                "-I",
                "-S",
                self._sdk / "cloaca" / "_host.py",
                str(self._theirs.fileno()),
                str(self._most_idle),
                str(self._idle_s),
            ],
            death_signal=signal.SIGKILL,
            # nothing of the worker's: it holds its credentials
            environ={"PATH": os.defpath, "LANG": "C.UTF-8"},
            cwd=self.root,
            keep_fds=[self._theirs.fileno()],
        )

    def ensure_running(self) -> None:
        """Start the process again if it has ended; called each second, on the main thread."""
        if self._process is None or self._process.poll() is None:
            return
        log.warning("the sandbox host ended with %d and is started again", self._process.returncode)
        self.start()

    def enter_slot(self) -> None:
        """Let go, in a slot that was forked, of what is the main process's alone."""
        self._theirs.close()
        if self._process is not None:
            # not ours: neither to wait for nor to complain about
            self._process.returncode = 0
            self._process = None

    def lend(
        self, key: str, variables: Mapping[str, str], fds: Sequence[int], after: int = 0
    ) -> None:
        """Ask for a child.

        Parameters:
            key: whom it is kept for, as `<tenant's id>/…`; it never serves another.
            variables: what its code may read from the environment.
            fds: its channel, its stdout, its stderr and its nanny's leash.
            after: the pid of a nanny that was given back just now, and is worth a moment's wait.

        Raises:
            OSError: the host cannot be asked.
        """
        scratch = self.root / f"scratch-{uuid4().hex}"
        request = {
            "key": key,
            "scratch": str(scratch),
            "variables": dict(variables),
            "max_scratch_bytes": self._max_scratch_bytes,
            "after": after,
        }
        self._send(json.dumps(request).encode(), fds)

    def evict(self, owner: str) -> None:
        """Have all children of a tenant end, also those that are lent, and lend it none any more.

        Parameters:
            owner: its id, as keys begin with it.

        Raises:
            OSError: the host cannot be asked.
        """
        self._send(json.dumps({"evict": owner}).encode(), ())

    def _send(self, message: bytes, fds: Sequence[int]) -> None:
        until = time.monotonic() + LEND_WITHIN_S
        while True:
            try:
                _handover.send(self._requests, message, fds)
            except BlockingIOError:
                if time.monotonic() >= until:
                    raise
                poller = select.poll()
                poller.register(self._requests, select.POLLOUT)
                poller.poll(100)
            else:
                return

    def close(self) -> None:
        """End the process, and all nannies and children with it."""
        process, self._process = self._process, None
        if process is not None:
            end(process, [(signal.SIGTERM, _END_WITHIN_S)])
        self._requests.close()
        self._theirs.close()


def _copy_sdk(root: Path) -> Path:
    """Copy `cloaca` alone: beside the original lie the server's own modules."""
    origin = Path(cloaca.__file__).parent
    sdk = root / "sdk"
    ignore = shutil.ignore_patterns("__pycache__", "py.typed")
    shutil.copytree(origin, sdk / origin.name, ignore=ignore, dirs_exist_ok=True)
    return sdk
