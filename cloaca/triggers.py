"""The `trigger` decorator: functions that decide when a workflow starts by itself."""

from __future__ import annotations

import re

from cloaca.context import Context
from cloaca.scope import current_scope

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    Function = TypeVar("Function", bound=Callable[..., Any])

DEFAULT_POLL_INTERVAL = "30s"

_UNITS_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}


class TriggerResult:
    """What one poll of a trigger found; made by `fire` or `skip`.

    Parameters:
        should_fire: whether the workflow starts.
        context: its initial context.

    Raises:
        TypeError: `context` is neither a Context nor a dict.
    """

    __slots__ = ("context", "should_fire")

    def __init__(
        self, should_fire: bool = False, context: Context | dict[str, Any] | None = None
    ) -> None:
        self.should_fire = bool(should_fire)
        self.context = (
            context if context is None or isinstance(context, Context) else Context(context)
        )

    @staticmethod
    def fire(context: Context | dict[str, Any] | None = None) -> TriggerResult:
        """Start the workflow, with this initial context."""
        return TriggerResult(True, context)

    @staticmethod
    def skip() -> TriggerResult:
        """Start nothing, and poll again."""
        return TriggerResult()

    def is_fire_result(self) -> bool:
        """Tell whether the workflow starts."""
        return self.should_fire

    def is_skip_result(self) -> bool:
        """Tell whether nothing starts."""
        return not self.should_fire

    def __repr__(self) -> str:
        if not self.should_fire:
            return "TriggerResult.Skip"
        return f"TriggerResult.Fire({'None' if self.context is None else '<context>'})"


class Trigger:
    """A function that is polled, or a cron expression, with all that was declared about it.

    Attributes:
        name: its name.
        function: what is polled.
        on: the workflow that it starts; None: the one of its package.
        poll_interval_ms: between polls, in milliseconds; None for cron.
        cron: the expression; None for polling.
        timezone: of the expression; None for polling.
        allow_concurrent: whether it may start the workflow while one that it started runs.
    """

    def __init__(
        self,
        name: str,
        function: Callable[..., Any],
        *,
        on: str | None,
        poll_interval_ms: int | None,
        cron: str | None,
        timezone: str | None,
        allow_concurrent: bool,
    ) -> None:
        self.name = name
        self.function = function
        self.on = on
        self.poll_interval_ms = poll_interval_ms
        self.cron = cron
        self.timezone = timezone
        self.allow_concurrent = allow_concurrent

    def definition(self) -> dict[str, Any]:
        """Give the trigger as the server reads it."""
        return {
            "name": self.name,
            "on": self.on,
            "poll_interval_ms": self.poll_interval_ms,
            "cron": self.cron,
            "timezone": self.timezone,
            "allow_concurrent": self.allow_concurrent,
        }


def trigger(
    *,
    name: str | None = None,
    on: str | None = None,
    poll_interval: str | None = None,
    cron: str | None = None,
    timezone: str | None = None,
    allow_concurrent: bool = False,
) -> Callable[[Function], Function]:
    """Start a workflow when a function says so, or at times of a cron expression.

    Parameters:
        name: by default the function's name.
        on: the workflow to start; by default the package's.
        poll_interval: between calls of the function, such as 100ms, 5s, 1m or 1h; by default 30s.
        cron: five or six fields (seconds first), or @daily and the like. Needs `on`.
        timezone: in which `cron` is read; by default UTC.
        allow_concurrent: whether it may fire while an execution that it started with the same
            context is still active.

    Returns:
        A decorator that registers a function without parameters and gives it back as it is.

    Raises:
        ValueError: `cron` together with `poll_interval` or without `on`, `timezone` without `cron`,
            an interval that is none, or a name that is taken.
        TypeError: an argument is of the wrong type, or the function has parameters.
    """
    texts = {"name": name, "on": on, "cron": cron, "timezone": timezone}
    for argument, value in texts.items():
        if value is not None and not isinstance(value, str):
            raise TypeError(f"trigger: {argument} must be a str, not {type(value).__name__}")
    _refuse_contradictions(on, poll_interval, cron, timezone)
    interval = None if cron is not None else _milliseconds(poll_interval or DEFAULT_POLL_INTERVAL)
    zone = None if cron is None else timezone or "UTC"

    def register(function: Function) -> Function:
        _require_no_parameters(function)
        declared = Trigger(
            name or function.__name__,
            function,
            on=on,
            poll_interval_ms=interval,
            cron=cron,
            timezone=zone,
            allow_concurrent=bool(allow_concurrent),
        )
        scope = current_scope()
        if scope is not None:
            scope.add_trigger(declared)
        return function

    return register


def _refuse_contradictions(
    on: str | None, poll_interval: object, cron: str | None, timezone: str | None
) -> None:
    if cron is not None and poll_interval is not None:
        raise ValueError("trigger: give cron or poll_interval, not both")
    if cron is not None and not on:
        raise ValueError("trigger: cron needs on='<workflow>', the workflow that it starts")
    if timezone is not None and cron is None:
        raise ValueError("trigger: timezone is of a cron expression; give cron as well")


def _milliseconds(interval: object) -> int:
    match = re.fullmatch(r"([0-9]{1,9})(ms|s|m|h)", interval) if isinstance(interval, str) else None
    duration = int(match[1]) * _UNITS_MS[match[2]] if match else 0
    if not duration:
        raise ValueError(
            f"Invalid poll_interval {interval!r}: give a duration such as 100ms, 5s, 1m or 1h"
        )
    return duration


def _require_no_parameters(function: Any) -> None:
    if not callable(function):
        raise TypeError(f"@trigger decorates a function, not {type(function).__name__}")
    code = getattr(function, "__code__", None)
    if code is not None and code.co_argcount > len(function.__defaults__ or ()):
        raise TypeError(
            f"trigger '{function.__name__}' is called without arguments: take its parameters away"
        )
