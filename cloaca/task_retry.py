"""The retry arguments of a task."""

from __future__ import annotations

from cloaca.checks import instance_of, not_negative, whole_number
from cloaca.retry import BackoffStrategy, RetryCondition, RetryPolicy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_BACKOFFS = {
    "fixed": BackoffStrategy.fixed(),
    "linear": BackoffStrategy.linear(1.0),
    "exponential": BackoffStrategy.exponential(2.0),
}
_CONDITIONS = {
    "never": RetryCondition.never(),
    "transient": RetryCondition.transient_only(),
    "all": RetryCondition.all_errors(),
}


def task_policy(
    *,
    retry: RetryPolicy | None,
    retry_attempts: int | None,
    retry_backoff: str | None,
    retry_delay_ms: float | None,
    retry_max_delay_ms: float | None,
    retry_condition: str | None,
    retry_jitter: bool | None,
) -> RetryPolicy:
    """Make one policy of the retry arguments of a task.

    Raises:
        ValueError: `retry` is given together with another, or a value is out of range.
        TypeError: a value is of the wrong type.
    """
    separate: dict[str, object] = {
        "retry_attempts": retry_attempts,
        "retry_backoff": retry_backoff,
        "retry_delay_ms": retry_delay_ms,
        "retry_max_delay_ms": retry_max_delay_ms,
        "retry_condition": retry_condition,
        "retry_jitter": retry_jitter,
    }
    given = {name: value for name, value in separate.items() if value is not None}
    if retry is not None:
        if given:
            raise ValueError(
                f"retry is a whole policy: put {', '.join(given)} into it, or leave retry away"
            )
        return instance_of("retry", retry, RetryPolicy)
    parts: dict[str, Any] = {}
    if retry_attempts is not None:
        parts["max_attempts"] = whole_number("retry_attempts", retry_attempts)
    if retry_backoff is not None:
        parts["backoff"] = _word("retry_backoff", retry_backoff, _BACKOFFS)
    if retry_delay_ms is not None:
        parts["initial_delay"] = not_negative("retry_delay_ms", retry_delay_ms) / 1000
    if retry_max_delay_ms is not None:
        parts["max_delay"] = not_negative("retry_max_delay_ms", retry_max_delay_ms) / 1000
    if retry_condition is not None:
        parts["condition"] = _word("retry_condition", retry_condition, _CONDITIONS)
    if retry_jitter is not None:
        parts["with_jitter"] = retry_jitter
    return RetryPolicy(**parts)


def _word(name: str, word: Any, allowed: dict[str, Any]) -> Any:
    if not isinstance(word, str) or word not in allowed:
        words = ", ".join(f'"{known}"' for known in allowed)
        raise ValueError(f"unknown {name} {word!r}: use one of {words}")
    return allowed[word]
