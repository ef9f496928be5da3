"""How often a failed task runs again, and after what wait."""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final

from cloacina.dag.errors import InvalidWorkflow
from cloacina.dag.values import finite_number

JITTER: Final = 0.25
"""A jittered wait differs from the plain one by at most this share."""

LONGEST_DELAY_S: Final = 365 * 24 * 3600.0
"""No wait is longer, whatever the policy says, so that every due time is a date that exists."""

MOST_ATTEMPTS: Final = 2**31 - 1


class Backoff(StrEnum):
    """How the wait grows with the attempts."""

    FIXED = "fixed"
    LINEAR = "linear"
    EXPONENTIAL = "exponential"


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When a failed attempt is followed by another.

    Attributes:
        max_attempts: of all runs together, at least one.
        initial_delay_s: the wait after the first failed attempt, in seconds, before `multiplier`
            of a linear backoff.
        max_delay_s: no wait is longer, jitter included, in seconds.
        backoff: fixed: always `initial_delay_s`; linear: times `multiplier` times the attempt;
            exponential: times `multiplier` for each attempt after the first.
        multiplier: see `backoff`.
        jitter: whether waits are spread by up to a quarter to both sides.
    """

    max_attempts: int = 3
    initial_delay_s: float = 1.0
    max_delay_s: float = 60.0
    backoff: Backoff = Backoff.EXPONENTIAL
    multiplier: float = 2.0
    jitter: bool = True

    @classmethod
    def from_definition(cls, definition: Mapping[str, Any]) -> "RetryPolicy":
        """Read the `retry` of a task's definition; what is absent has its default.

        0 attempts mean one run, as 1 does.

        Raises:
            InvalidWorkflow: a value is of the wrong type or out of range; it is named.
        """
        if not isinstance(definition, Mapping):
            raise InvalidWorkflow("Retry policy: must be an object")
        values = {**asdict(cls()), **definition}
        return cls(
            max_attempts=_attempts(values["max_attempts"]),
            initial_delay_s=_not_negative(values, "initial_delay_s"),
            max_delay_s=_not_negative(values, "max_delay_s"),
            backoff=_backoff(values["backoff"]),
            multiplier=_not_negative(values, "multiplier"),
            jitter=_boolean(values["jitter"]),
        )

    def allows_another(self, attempt: int) -> bool:
        """Tell whether a task that failed its attempt number `attempt` (from 1) may run again."""
        return attempt < self.max_attempts

    def delay_s(self, attempt: int, random: Callable[[], float]) -> float:
        """Give the wait before the attempt after `attempt`.

        The cap comes before the jitter, and bounds it too: at the cap waits are spread over the
        last quarter below it, instead of half of them all ending at the same moment.

        Parameters:
            attempt: the number of the attempt that failed, from 1.
            random: gives evenly spread numbers from 0 up to 1; called once when there is jitter.

        Returns:
            Seconds, from 0 to `max_delay_s`.
        """
        cap = min(self.max_delay_s, LONGEST_DELAY_S)
        delay = min(self._uncapped_delay_s(attempt), cap)
        if not self.jitter:
            return delay
        low, high = delay * (1 - JITTER), min(delay * (1 + JITTER), cap)
        return low + (high - low) * random()

    def _uncapped_delay_s(self, attempt: int) -> float:
        if not self.initial_delay_s:
            return 0.0  # else it would meet an infinite factor, and their product is no number
        if self.backoff == Backoff.FIXED:
            return self.initial_delay_s
        try:
            if self.backoff == Backoff.LINEAR:
                return self.initial_delay_s * self.multiplier * attempt
            return self.initial_delay_s * self.multiplier ** (attempt - 1)
        except OverflowError:
            return math.inf


def _attempts(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_ATTEMPTS:
        raise InvalidWorkflow(
            f"Retry policy: max_attempts must be a whole number from 0 to {MOST_ATTEMPTS}"
        )
    return max(value, 1)


def _not_negative(values: Mapping[str, Any], key: str) -> float:
    number = finite_number(values[key])
    if number is None or number < 0:
        raise InvalidWorkflow(f"Retry policy: {key} must be a number, 0 or more")
    return number


def _backoff(value: object) -> Backoff:
    try:
        return Backoff(value)  # type: ignore[arg-type]  # whatever it is, a wrong one is refused
    except ValueError:
        words = ", ".join(Backoff)
        raise InvalidWorkflow(f"Retry policy: backoff must be one of {words}") from None


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise InvalidWorkflow("Retry policy: jitter must be true or false")
    return value
