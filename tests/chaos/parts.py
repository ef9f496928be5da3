"""A process of the fleet, and how it is started again when it has ended."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from cloacina.processes import spawn
from tests.chaos import kin
from tests.chaos.kin import Ident

RESTART_S = 0.5
"""Seconds that an operator's supervisor takes to start a part again."""


@dataclass(frozen=True)
class Death:
    """The end of a part.

    Parameters:
        part: its name.
        pid: its process.
        at: when it was seen.
        code: its exit code, negative for a signal.
    """

    part: str
    pid: int
    at: float
    code: int


@dataclass
class Part:
    """A part of the fleet.

    Parameters:
        name: for people.
        start: starts a process of it.
    """

    name: str
    start: Callable[[], subprocess.Popen[bytes]]
    process: subprocess.Popen[bytes] | None = None
    who: Ident | None = None
    _again_at: float = field(default=0.0)

    def tend(self) -> Death | None:
        """Start it when it does not run; tell of its end once."""
        if self.process is None:
            if time.monotonic() >= self._again_at:
                self.process = self.start()
                self.who = kin.ident(self.process.pid)
            return None
        code = self.process.poll()
        if code is None:
            return None
        death = Death(self.name, self.process.pid, time.time(), code)
        self.process = self.who = None
        self._again_at = time.monotonic() + RESTART_S
        return death


def service(argv: tuple[str, ...], environ: dict[str, str], home: Path, log: Path) -> Part:
    """Describe a part that is a service of ours.

    Parameters:
        argv: its program, as the product's own supervisor starts it.
        environ: its whole environment.
        home: the folder that it starts in.
        log: gets its output; the stem names the part.
    """

    def start() -> subprocess.Popen[bytes]:
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            return spawn(
                argv, death_signal=signal.SIGKILL, environ=environ, cwd=home, output=output
            )
        finally:
            os.close(output)

    return Part(log.stem, start)
