"""Keeps the parts of a service running, and lets none of them outlive it.

A part is a child process. One that ends is started again, later each time; one that depends on a
step, such as the database's preparation, waits for that step's success. A request to stop ends the
parts first and the embedded servers last; a second request kills what is left.
"""

import logging
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol

from cli.signals import Signals

log = logging.getLogger("supervisor")

FIRST_DELAY_S = 0.5
LONGEST_DELAY_S = 15.0
# a part that lived that long has recovered from what ended it before
STEADY_AFTER_S = 30.0
STOP_GRACE_S = 40.0
"""Seconds that parts get to end at least; who has nothing to end is gone at once."""

BEYOND_TASKS_S = 20.0
"""Seconds that a worker gets to give back what still runs after its own grace for tasks."""

SERVER_STOP_GRACE_S = 30.0
IDLE_S = 3600.0

Process = subprocess.Popen[bytes]


class Kept(Protocol):
    """What a supervisor keeps running: a part, or several that are one to it."""

    @property
    def name(self) -> str:
        """What the log calls it."""

    def look_after(self) -> float:
        """Start what is to run and does not; give the seconds until the next look."""

    def ask_to_stop(self) -> None:
        """Tell it to end in its own time."""

    def has_ended(self) -> bool:
        """Say whether nothing of it runs."""

    def kill(self) -> None:
        """End it."""


class Part:
    """One child process that is kept running.

    Parameters:
        name: what the log calls it.
        launch: starts the process.
        needs: the step that must have succeeded before the first start.
        process: when it runs already.
        stop_signal: what asks the process to end in its own time.
    """

    def __init__(
        self,
        name: str,
        launch: Callable[[], Process],
        *,
        needs: "Step | None" = None,
        process: Process | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
    ) -> None:
        self.name = name
        self.process = process
        self._launch = launch
        self._needs = needs
        self._stop_signal = stop_signal
        self._delay_s = FIRST_DELAY_S
        self._started_at = time.monotonic()
        self._due_at = 0.0

    def look_after(self) -> float:
        """Notice the process's end, and start it when that is due.

        Returns:
            Seconds until the part needs to be looked after again, if nothing happens before.
        """
        if self.process is not None:
            code = self.process.poll()
            if code is None:
                return IDLE_S
            self._clear_up()
            self._ended(code)
        if not self._may_start():
            return IDLE_S
        wait_s = self._due_at - time.monotonic()
        if wait_s > 0:
            return wait_s
        self._start()
        return self._due_at - time.monotonic() if self.process is None else IDLE_S

    def ask_to_stop(self) -> None:
        """Tell the process to end in its own time."""
        if self.process is not None:
            self.process.send_signal(self._stop_signal)

    def has_ended(self) -> bool:
        """Say whether nothing of it runs; it is not started again by this."""
        if self.process is not None and self.process.poll() is not None:
            self._clear_up()
        return self.process is None

    def kill(self) -> None:
        """End the process and all that it started."""
        if self.process is not None:
            _kill_group(self.process.pid)
            self.process.wait()
            self.process = None

    def _may_start(self) -> bool:
        return self._needs is None or self._needs.succeeded

    def _start(self) -> None:
        self._started_at = time.monotonic()
        try:
            self.process = self._launch()
        except OSError as error:
            self._retry_later(f"cannot be started: {error}")
        else:
            log.debug("%s runs (pid %d)", self.name, self.process.pid)

    def _ended(self, code: int) -> None:
        self._retry_later(f"ended ({_how(code)})")

    def _retry_later(self, what: str) -> None:
        now = time.monotonic()
        if now - self._started_at >= STEADY_AFTER_S:
            self._delay_s = FIRST_DELAY_S
        log.warning("%s %s; starting it again in %g s", self.name, what, self._delay_s)
        self._due_at = now + self._delay_s
        self._delay_s = min(self._delay_s * 2, LONGEST_DELAY_S)

    def _clear_up(self) -> None:
        # children that it left behind would hold its port or its work
        if self.process is not None:
            _kill_group(self.process.pid)
            self.process = None


class Step(Part):
    """A child process that runs until it succeeds once.

    Attributes:
        succeeded: whether it has.
    """

    succeeded = False

    def _may_start(self) -> bool:
        return not self.succeeded and super()._may_start()

    def _ended(self, code: int) -> None:
        if code == 0:
            self.succeeded = True
            log.info("%s: done", self.name)
        else:
            super()._ended(code)


def stop_grace_s(tasks_grace_s: float) -> float:
    """Give the seconds that a worker gets to end, of those that it gives to running tasks."""
    return max(STOP_GRACE_S, tasks_grace_s + BEYOND_TASKS_S)


class Supervisor:
    """Runs parts in the foreground until it is asked to stop.

    Parameters:
        signals: receives the requests.
        servers: parts that the others need to the end; they run already and are stopped last.
        parts: the others, each behind the step that it needs.
        tasks_grace_s: seconds that workers give to running tasks when they are told to stop.
    """

    def __init__(
        self,
        signals: Signals,
        parts: Sequence[Kept],
        servers: Sequence[Kept] = (),
        *,
        tasks_grace_s: float = 0,
    ) -> None:
        self._signals = signals
        self._parts = parts
        self._grace_s = stop_grace_s(tasks_grace_s)
        self._servers = servers

    def run(self, watch: Callable[[], float] = lambda: IDLE_S) -> None:
        """Keep everything running until somebody asks to stop; then stop it all.

        Parameters:
            watch: called at each turn; does something that never waits and returns the seconds
                until its next turn.
        """
        try:
            while not self._signals.stops:
                waits = [part.look_after() for part in (*self._servers, *self._parts)]
                self._signals.wait(min(*waits, watch()))
        finally:
            self._stop()

    def _stop(self) -> None:
        log.info("stopping; once more to kill")
        self._end(self._parts, self._grace_s)
        self._end(self._servers, SERVER_STOP_GRACE_S)
        log.info("stopped")

    def _end(self, parts: Sequence[Kept], grace_s: float) -> None:
        asked = self._signals.stops
        until = time.monotonic() + grace_s
        for part in parts:
            part.ask_to_stop()
        while left := [part for part in parts if not part.has_ended()]:
            wait_s = until - time.monotonic()
            if wait_s <= 0 or self._signals.stops > max(asked, 1):
                break
            self._signals.wait(wait_s)
        for part in left:
            log.warning("killing %s", part.name)
            part.kill()


def _kill_group(pid: int) -> None:
    # each part leads a group of its own, which may live on after it
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _how(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"
