"""One child process that runs a tenant's code: its start, its frames, its end.

A frame is a 4-byte big-endian length and as many bytes of JSON; each request gets one answer.
"""

import contextlib
import json
import os
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cloacina.sandbox.errors import ChildAbandoned, ChildDied, ChildTimedOut

LARGEST_FRAME = 64 * 1024 * 1024
LOOK_EVERY_S = 5.0
# a process that ends closes its socket a little before it can be asked how it ended
_LAST_BREATH_S = 1.0
_LENGTH = struct.Struct(">I")


def _always() -> bool:
    return True


class Child:
    """A running child process.

    Parameters:
        sdk: folder that holds a copy of `cloaca` and nothing else.
        scratch: an empty folder that becomes its home, its temporary folder and its working folder.
        variables: the `CLOACINA_VAR_…` that its code may read.
    """

    def __init__(self, sdk: Path, scratch: Path, variables: Mapping[str, str]) -> None:
        self._scratch = scratch
        self._socket, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", sdk / "cloaca" / "_child.py", str(theirs.fileno())],
                env=clean_environment(scratch, variables),
                cwd=scratch,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        self._socket.setblocking(False)
        self.last_used = time.monotonic()

    def ask(
        self,
        request: Mapping[str, Any],
        timeout_s: float,
        still_wanted: Callable[[], bool] = _always,
    ) -> dict[str, Any]:
        """Send a request and wait for its answer.

        Parameters:
            request: the frame's JSON.
            timeout_s: seconds until the child is killed.
            still_wanted: asked every few seconds; False kills the child.

        Returns:
            The answer's JSON.

        Raises:
            ChildTimedOut: the time is over.
            ChildAbandoned: the answer is not wanted any more.
            ChildDied: the process ended, or sent what is no frame.
        """
        wait = _Wait(self._socket, time.monotonic() + timeout_s, still_wanted)
        try:
            answer = self._exchange(wait, json.dumps(request).encode())
        except OSError:
            epitaph = self._epitaph()
            self.kill()
            raise ChildDied(epitaph) from None
        except BaseException:
            # whatever stopped the wait, nobody will ever read the answer
            self.kill()
            raise
        self.last_used = time.monotonic()
        return answer

    def _exchange(self, wait: "_Wait", payload: bytes) -> dict[str, Any]:
        wait.send(_LENGTH.pack(len(payload)) + payload)
        (length,) = _LENGTH.unpack(wait.receive(_LENGTH.size))
        if length > LARGEST_FRAME:
            raise ChildDied("the process that ran the code sent more than it may")
        try:
            answer = json.loads(wait.receive(length))
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            raise ChildDied("the process that ran the code sent an answer of a wrong form")
        return answer

    def is_alive(self) -> bool:
        """Say whether the process still runs."""
        return self._process.poll() is None

    def tidy(self) -> bool:
        """Empty the scratch folder between two tasks.

        Returns:
            False when the code has made that impossible: the child must not be used again.
        """
        try:
            # the code may have put a link to somewhere else in its place
            if self._scratch.is_symlink():
                return False
            for entry in self._scratch.iterdir():
                if entry.is_dir() and not entry.is_symlink():
                    shutil.rmtree(entry)
                else:
                    entry.unlink()
        except OSError:
            return False
        return True

    def kill(self) -> None:
        """End the process and its whole group, and remove its scratch folder."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._socket.close()
        shutil.rmtree(self._scratch, ignore_errors=True)

    def _epitaph(self) -> str:
        """Say how the process ended, whose end of the socket is closed."""
        try:
            code = self._process.wait(_LAST_BREATH_S)
        except subprocess.TimeoutExpired:
            return "the process that ran the code closed its channel"
        how = f"with exit code {code}" if code >= 0 else f"by {signal.Signals(-code).name}"
        why = ", perhaps for want of memory" if code == -signal.SIGKILL else ""
        return f"the process that ran the code ended {how} before it answered{why}"


class _Wait:
    """Moves bytes through a socket until a deadline, looking up now and then."""

    def __init__(
        self, peer: socket.socket, deadline: float, still_wanted: Callable[[], bool]
    ) -> None:
        self._peer = peer
        self._deadline = deadline
        self._still_wanted = still_wanted
        self._next_look = time.monotonic() + LOOK_EVERY_S

    def send(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            self._until_ready(select.POLLOUT)
            view = view[self._peer.send(view) :]

    def receive(self, size: int) -> bytes:
        buffer = bytearray()
        while len(buffer) < size:
            self._until_ready(select.POLLIN)
            piece = self._peer.recv(min(size - len(buffer), 1 << 20))
            if not piece:
                raise ConnectionError
            buffer += piece
        return bytes(buffer)

    def _until_ready(self, event: int) -> None:
        poller = select.poll()
        poller.register(self._peer, event)
        while True:
            now = time.monotonic()
            if now >= self._deadline:
                raise ChildTimedOut
            if now >= self._next_look:
                self._next_look = now + LOOK_EVERY_S
                if not self._still_wanted():
                    raise ChildAbandoned
            wait_s = min(self._deadline, self._next_look) - now
            if poller.poll(max(1, int(wait_s * 1000))):
                return


def clean_environment(scratch: Path, variables: Mapping[str, str]) -> dict[str, str]:
    """Build a child's environment from nothing: the worker's own holds its credentials."""
    return {
        "PATH": os.defpath,
        "LANG": "C.UTF-8",
        "HOME": str(scratch),
        "TMPDIR": str(scratch),
        "USER": "task",
        "OPENBLAS_NUM_THREADS": "1",
        **variables,
    }
