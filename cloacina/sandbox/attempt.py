"""A task that runs in a child."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cloacina.sandbox.errors import ChildDied
from cloacina.sandbox.loan import Loan, OnOutput


@dataclass(frozen=True)
class Answer:
    """The task has ended.

    Parameters:
        content: as `cloaca/_serve.py` describes it; the task's code may have forged it.
    """

    content: dict[str, Any]


@dataclass(frozen=True)
class Deferred:
    """The task waits, and needs no slot meanwhile.

    Parameters:
        poll_interval_ms: how often it looks.
    """

    poll_interval_ms: int


@dataclass(frozen=True)
class Resumable:
    """The task has waited, and goes on once it is told to."""


class Attempt:
    """A task that runs in a child.

    Parameters:
        loan: the child, which has been asked to run it.
        rests: whether the child is given back after the answer, since no slot holds it.
    """

    def __init__(self, loan: Loan, *, rests: bool = False) -> None:
        self._loan = loan
        self._rests = rests
        self._is_deferred = False
        self._is_over = False

    @property
    def is_over(self) -> bool:
        """Whether it was answered, killed or handed on."""
        return self._is_over

    @property
    def pid(self) -> int:
        """The child's."""
        return self._loan.pid

    def wait(self, timeout_s: float) -> Answer | Deferred | Resumable | None:
        """Wait for what comes next; all output until then has been passed on.

        Parameters:
            timeout_s: seconds to wait.

        Returns:
            What came, or None when the time is over.

        Raises:
            ChildDied: the process ended, or sent what is no answer; nothing of it is left.
        """
        try:
            frame = self._loan.receive(timeout_s)
            came = self._understand(frame) if frame is not None else None
        except ChildDied:
            self.kill()
            raise
        if isinstance(came, Answer):
            self._is_over = True
            if self._rests:
                self._loan.rest()
            else:
                self._loan.tidy()
        return came

    def extend(self, until: float) -> None:
        """Let the child live until then, by the monotonic clock, unless that is extended again."""
        if not self._loan.closed:
            self._loan.extend(until)

    def is_open(self, fd: int) -> bool:
        """Say whether something may still come over one of its descriptors."""
        return self._loan.is_open(fd)

    def resume(self) -> None:
        """Let a task that has waited go on."""
        self._loan.send({"go": True})

    def kill(self) -> None:
        """Kill the child and all that came of it, at once; it may be over already."""
        self._is_over = True
        self._loan.kill()

    def detach(self) -> tuple[dict[str, Any], list[int]]:
        """Let another process of the same worker go on with it.

        Returns:
            JSON-able state, and the descriptors to send along, which are the caller's from now on.

        Raises:
            RuntimeError: the child has not yet read what it was sent.
        """
        state, fds = self._loan.detach()
        self._is_over = True
        return {**state, "is_deferred": self._is_deferred}, fds

    @classmethod
    def attach(cls, state: Mapping[str, Any], fds: list[int], on_output: OnOutput) -> "Attempt":
        """Go on with what another process has detached; the child is given back at its end.

        Parameters:
            state, fds: of `detach`; the descriptors are the attempt's from now on.
            on_output: gets ("stdout" | "stderr", bytes) of what is written from now on.
        """
        loan = Loan.attach(state, fds)
        loan.on_output = on_output
        attempt = cls(loan, rests=True)
        attempt._is_deferred = state["is_deferred"]
        return attempt

    def leave_slot(self) -> None:
        """Have the child given back after the answer: its slot goes on with another."""
        self._rests = True

    def _understand(self, frame: dict[str, Any]) -> Answer | Deferred | Resumable:
        if "defer" in frame:
            interval_ms = frame["defer"]
            if self._is_deferred or type(interval_ms) is not int or interval_ms < 0:
                raise ChildDied("the process that ran the code sent an answer of a wrong form")
            self._is_deferred = True
            return Deferred(interval_ms)
        if "resume" in frame:
            if not self._is_deferred:
                raise ChildDied("the process that ran the code sent an answer of a wrong form")
            self._is_deferred = False
            return Resumable()
        return Answer(frame)
