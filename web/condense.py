"""Thins out what may come in floods, so that writing it down neither fills disks nor costs time."""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from threading import Lock

PER_SOURCE_S = 1.0
"""Seconds after which a source that has used up its lines may have another one."""

SOURCE_LINES = 10
"""Lines that a source may have at once."""

PER_GROUP_S = 0.1
"""The same of all sources of a group together."""

GROUP_LINES = 100

MOST_SOURCES = 10_000
"""Sources that are remembered; the one that was silent for longest is forgotten first."""


@dataclass
class _Allowance:
    """What may still be written: it grows with time, up to its most."""

    most: float
    per_s: float
    left: float
    at: float
    passed_over: int = 0

    def grown(self, now_s: float) -> bool:
        """Bring it up to the present; say whether a line is left."""
        self.left = min(self.most, self.left + (now_s - self.at) * self.per_s)
        self.at = now_s
        return self.left >= 1


class Condenser:
    """Says which lines of a flood are written, and counts those that are not.

    Parameters:
        clock: seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._sources: OrderedDict[Hashable, _Allowance] = OrderedDict()
        self._groups: dict[Hashable, _Allowance] = {}

    def admit(self, source: Hashable, group: Hashable) -> int | None:
        """Ask whether a line may be written.

        Parameters:
            source: what its like comes from.
            group: of sources; one of a few.

        Returns:
            How many lines of the source were passed over since its last; None: this one is too.
        """
        with self._lock:
            now_s = self._clock()
            own = self._sources.pop(source, None)
            own = self._sources[source] = own or _allowance(SOURCE_LINES, PER_SOURCE_S, now_s)
            if len(self._sources) > MOST_SOURCES:
                self._sources.popitem(last=False)
            if group not in self._groups:
                self._groups[group] = _allowance(GROUP_LINES, PER_GROUP_S, now_s)
            all_of_group = self._groups[group]
            if not (own.grown(now_s) and all_of_group.grown(now_s)):
                own.passed_over += 1
                return None
            own.left -= 1
            all_of_group.left -= 1
            passed_over, own.passed_over = own.passed_over, 0
            return passed_over


def _allowance(most: int, each_s: float, now_s: float) -> _Allowance:
    return _Allowance(most=most, per_s=1 / each_s, left=most, at=now_s)
