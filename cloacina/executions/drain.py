"""A worker that is told to stop: no task is claimed any more, and those that run have a while."""

import mmap
import struct
import time

_MOMENT = struct.Struct("d")


class Drain:
    """Whether the worker stops, as its main process knows and its slots see.

    It is made before the slots are forked. The moment is one of the machine's monotonic clock,
    which all processes share.
    """

    def __init__(self) -> None:
        self._shared = mmap.mmap(-1, _MOMENT.size)

    def begin(self, grace_s: float) -> None:
        """Claim no more, and give back what runs in so many seconds; only the first call counts."""
        if self.has_begun():
            return
        self._shared[:] = _MOMENT.pack(time.monotonic() + grace_s)

    def has_begun(self) -> bool:
        """Say whether no more is to be claimed."""
        return self._ends_at() > 0

    def left_s(self) -> float:
        """Give the seconds until what runs is given back; a lot where nothing has begun."""
        ends_at = self._ends_at()
        return ends_at - time.monotonic() if ends_at else float("inf")

    def _ends_at(self) -> float:
        (ends_at,) = _MOMENT.unpack(self._shared[:])
        return float(ends_at)
