"""What a running task holds of the worker that runs it."""

from __future__ import annotations

import time

from cloaca.checks import callable_or_none, not_negative

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    class Slot(Protocol):
        """A place in a worker, where one task runs at a time."""

        def give_up(self, poll_interval_ms: int) -> None:
            """Let another task have it; `poll_interval_ms` is how often this one looks."""

        def take_again(self) -> None:
            """Wait until the task has one again."""


_SHORTEST_INTERVAL_MS = 10


class TaskHandle:
    """What a running task holds of the worker that runs it.

    Parameters:
        slot: of a worker; None where there is no server, as in a test of the task's function.
    """

    __slots__ = ("_held", "_slot")

    def __init__(self, slot: Slot | None = None) -> None:
        self._slot = slot
        self._held = True

    def defer_until(self, condition: Callable[[], bool], poll_interval_ms: float = 1000) -> None:
        """Wait for a condition without holding a slot of the worker.

        The task's time limit does not run meanwhile. Where there is no server, it just waits.

        Parameters:
            condition: a plain function, called at once and then again and again until its answer is
                true. What it raises fails the task.
            poll_interval_ms: the wait between two calls, in milliseconds; at least 10.

        Raises:
            TypeError: `condition` is not a function, or is an `async def`.
            ValueError: the interval is negative or not finite.
            RuntimeError: the task waits already, in a condition that calls this again.
        """
        if condition is None:
            raise TypeError("condition must be a function, not NoneType")
        callable_or_none("condition", condition)
        interval_ms = max(_SHORTEST_INTERVAL_MS, not_negative("poll_interval_ms", poll_interval_ms))
        if not self._held:
            raise RuntimeError("defer_until was called by the condition of another defer_until")
        if self._slot is not None:
            self._slot.give_up(int(interval_ms))
        self._held = False
        try:
            while not _answer(condition):
                time.sleep(interval_ms / 1000)
        finally:
            # also when the condition failed: what the task does about it needs a slot
            if self._slot is not None:
                self._slot.take_again()
            self._held = True

    def is_slot_held(self) -> bool:
        """Tell whether the task holds a slot: it does, except while it waits in `defer_until`."""
        return self._held


def _answer(condition: Callable[[], bool]) -> bool:
    answer = condition()
    if hasattr(type(answer), "__await__"):
        if hasattr(answer, "close"):
            answer.close()
        raise TypeError("condition must be a plain function, not an async one")
    return bool(answer)
