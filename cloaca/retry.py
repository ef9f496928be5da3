"""When a task that failed runs again, and after what wait."""

from __future__ import annotations

from cloaca.checks import instance_of, not_negative, whole_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

JITTER = 0.25
"""A jittered wait differs from the plain one by at most this share."""

_TRANSIENT_WORDS = (
    "timeout",
    "timed out",
    "connection",
    "network",
    "temporar",
    "unavailable",
    "busy",
    "overloaded",
    "rate limit",
)


class BackoffStrategy:
    """How the wait grows with the attempts; made by `fixed`, `linear` or `exponential`.

    Attributes:
        kind: "fixed", "linear" or "exponential".
        base: the factor for each further attempt of an exponential backoff.
        multiplier: the factor of every wait.
    """

    __slots__ = ("base", "kind", "multiplier")

    def __init__(self, kind: str, *, base: float = 1.0, multiplier: float = 1.0) -> None:
        self.kind = kind
        self.base = not_negative("base", base)
        self.multiplier = not_negative("multiplier", multiplier)

    @staticmethod
    def fixed() -> BackoffStrategy:
        """Wait equally long each time."""
        return BackoffStrategy("fixed")

    @staticmethod
    def linear(multiplier: float) -> BackoffStrategy:
        """Wait initial delay * attempt * multiplier."""
        return BackoffStrategy("linear", multiplier=multiplier)

    @staticmethod
    def exponential(base: float, multiplier: float | None = None) -> BackoffStrategy:
        """Wait initial delay * multiplier * base ** (attempt - 1); `multiplier` is 1 by default."""
        factor = 1.0 if multiplier is None else multiplier
        return BackoffStrategy("exponential", base=base, multiplier=factor)

    def factor(self, attempt: int) -> float:
        """Give what the initial delay is multiplied with after attempt number `attempt`."""
        if self.kind == "linear":
            return attempt * self.multiplier
        try:
            return self.multiplier * self.base ** (attempt - 1)
        except OverflowError:
            return float("inf")

    def __repr__(self) -> str:
        if self.kind == "fixed":
            return "BackoffStrategy.Fixed"
        if self.kind == "linear":
            return f"BackoffStrategy.Linear(multiplier={_shown(self.multiplier)})"
        return (
            f"BackoffStrategy.Exponential(base={_shown(self.base)}, "
            f"multiplier={_shown(self.multiplier)})"
        )


class RetryCondition:
    """Which errors are worth another attempt; made by its static methods.

    Attributes:
        kind: "never", "transient", "all" or "patterns".
        patterns: texts of which one must occur in the error, for "patterns".
    """

    __slots__ = ("kind", "patterns")

    def __init__(self, kind: str, patterns: tuple[str, ...] = ()) -> None:
        self.kind = kind
        self.patterns = patterns

    @staticmethod
    def never() -> RetryCondition:
        """No error is."""
        return RetryCondition("never")

    @staticmethod
    def transient_only() -> RetryCondition:
        """Timeouts, connection errors and errors of the operating system are.

        An error's type decides (TimeoutError, ConnectionError, any other OSError), and for other
        types their name and text: "timeout", "connection", "temporarily" and the like.
        """
        return RetryCondition("transient")

    @staticmethod
    def all_errors() -> RetryCondition:
        """Every error is."""
        return RetryCondition("all")

    @staticmethod
    def error_pattern(patterns: list[str]) -> RetryCondition:
        """An error is when its type's name or its text contains a pattern, in any case."""
        if isinstance(patterns, str) or not all(isinstance(part, str) for part in patterns):
            raise TypeError("error_pattern takes a list of str")
        return RetryCondition("patterns", tuple(patterns))

    def accepts(self, error: BaseException) -> bool:
        """Tell whether an error is worth another attempt."""
        if self.kind in ("never", "all"):
            return self.kind == "all"
        if self.kind == "transient" and isinstance(error, OSError):
            return True
        words = _TRANSIENT_WORDS if self.kind == "transient" else self.patterns
        text = error_text(error).lower()
        return any(word.lower() in text for word in words)

    def __repr__(self) -> str:
        names = {"never": "Never", "transient": "TransientOnly", "all": "AllErrors"}
        if self.kind in names:
            return f"RetryCondition.{names[self.kind]}"
        return f"RetryCondition.ErrorPattern(patterns={list(self.patterns)})"


class RetryPolicy:
    """When a failed attempt is followed by another; made by `default` or `builder`.

    Attributes:
        max_attempts: of all runs together; 0 and 1 both mean one run.
        initial_delay: the wait after the first failed attempt, in seconds.
        max_delay: no wait is longer, before jitter, in seconds.
        with_jitter: whether waits are spread by up to a quarter to both sides.
        backoff: how waits grow.
        condition: which errors are followed by another attempt.
    """

    __slots__ = (
        "backoff",
        "condition",
        "initial_delay",
        "max_attempts",
        "max_delay",
        "with_jitter",
    )

    def __init__(
        self,
        *,
        max_attempts: int = 3,
        initial_delay: float = 1.0,
        max_delay: float = 60.0,
        with_jitter: bool = True,
        backoff: BackoffStrategy | None = None,
        condition: RetryCondition | None = None,
    ) -> None:
        self.max_attempts = whole_number("max_attempts", max_attempts)
        self.initial_delay = not_negative("initial_delay", initial_delay)
        self.max_delay = not_negative("max_delay", max_delay)
        self.with_jitter = bool(with_jitter)
        self.backoff = backoff or BackoffStrategy.exponential(2.0)
        self.condition = condition or RetryCondition.all_errors()

    @staticmethod
    def default() -> RetryPolicy:
        """Three attempts, exponential from 1 s to 60 s with jitter, after any error."""
        return RetryPolicy()

    @staticmethod
    def builder() -> RetryPolicyBuilder:
        """Start from the default and change parts of it."""
        return RetryPolicyBuilder()

    def should_retry(self, attempt: int, error_type: str) -> bool:  # noqa: ARG002 - see below
        """Tell whether attempts are left after number `attempt`.

        `error_type` is taken because callers pass it and not looked at: whether an error is worth
        another attempt is decided from the exception itself, by the policy's condition.
        """
        return attempt < self.max_attempts

    def calculate_delay(self, attempt: int) -> float:
        """Give the wait after attempt number `attempt` (from 1), in seconds, jitter included."""
        delay = self.initial_delay and min(
            self.initial_delay * self.backoff.factor(attempt), self.max_delay
        )
        if not self.with_jitter:
            return delay
        from random import uniform  # in here: few programs ask, and it loads OpenSSL

        return delay * uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - spreads load, no secret

    def definition(self) -> dict[str, Any]:
        """Give the policy as the server reads it."""
        exponential = self.backoff.kind == "exponential"
        # The server decides after a timeout or a crash, where there is no exception to look at.
        attempts = 1 if self.condition.kind == "never" else self.max_attempts
        return {
            "max_attempts": max(1, attempts),
            # The server's exponential backoff has one factor; the constant one goes in here.
            "initial_delay_s": self.initial_delay * (self.backoff.multiplier if exponential else 1),
            "max_delay_s": self.max_delay,
            "backoff": self.backoff.kind,
            "multiplier": self.backoff.base if exponential else self.backoff.multiplier,
            "jitter": self.with_jitter,
        }

    def __repr__(self) -> str:
        return (
            f"RetryPolicy(max_attempts={self.max_attempts}, "
            f"initial_delay={_shown(self.initial_delay)}s, max_delay={_shown(self.max_delay)}s, "
            f"jitter={str(self.with_jitter).lower()})"
        )


class RetryPolicyBuilder:
    """Parts of a retry policy; each method gives a new builder with one part changed."""

    __slots__ = ("_parts",)

    def __init__(self, parts: dict[str, Any] | None = None) -> None:
        self._parts = parts or {}

    def max_attempts(self, attempts: int) -> RetryPolicyBuilder:
        """Set how often the task runs in all."""
        return self._with(max_attempts=whole_number("max_attempts", attempts))

    def initial_delay(self, delay_seconds: float) -> RetryPolicyBuilder:
        """Set the wait after the first failed attempt, in seconds."""
        return self._with(initial_delay=not_negative("initial_delay", delay_seconds))

    def max_delay(self, delay_seconds: float) -> RetryPolicyBuilder:
        """Set the longest wait, in seconds."""
        return self._with(max_delay=not_negative("max_delay", delay_seconds))

    def backoff_strategy(self, strategy: BackoffStrategy) -> RetryPolicyBuilder:
        """Set how waits grow."""
        return self._with(backoff=instance_of("backoff_strategy", strategy, BackoffStrategy))

    def retry_condition(self, condition: RetryCondition) -> RetryPolicyBuilder:
        """Set which errors are followed by another attempt."""
        return self._with(condition=instance_of("retry_condition", condition, RetryCondition))

    def with_jitter(self, jitter: bool) -> RetryPolicyBuilder:
        """Set whether waits are spread."""
        return self._with(with_jitter=jitter)

    def build(self) -> RetryPolicy:
        """Give the policy."""
        return RetryPolicy(**self._parts)

    def _with(self, **part: Any) -> RetryPolicyBuilder:
        return RetryPolicyBuilder({**self._parts, **part})


def error_text(error: BaseException) -> str:
    """Give an exception as `Type: message`, whatever its own text does."""
    try:
        message = str(error)
    except Exception:  # the text of an author's exception is an author's code
        message = ""
    name = type(error).__name__
    return f"{name}: {message}" if message else name


def _shown(number: float) -> str:
    return repr(number).removesuffix(".0")
