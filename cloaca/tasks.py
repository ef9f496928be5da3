"""The `task` decorator, and what it keeps of a function."""

from __future__ import annotations

from cloaca.checks import callable_or_none, not_negative
from cloaca.docstrings import what_and_why
from cloaca.rules import task_rule
from cloaca.scope import current_scope
from cloaca.task_retry import task_policy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, TypeVar

    from cloaca.retry import RetryPolicy
    from cloaca.rules import Rule
    from cloaca.scope import Scope

    Function = TypeVar("Function", bound=Callable[..., Any])

_HANDLE_NAMES = ("handle", "task_handle")

_NO_SCOPE = (
    "No workflow context available. Tasks must be defined within a WorkflowBuilder context manager."
)


class Task:
    """A function with all that was declared about it.

    Attributes:
        id: its plain id.
        function: what runs.
        dependencies: ids, in declared order, each once.
        retry: what follows a failed attempt.
        trigger_rules: the rule on which it runs.
        timeout_s: of one attempt, in seconds; None: the service's default.
        on_success: called with (task id, context) after a success.
        on_failure: called with (task id, error as text, context) after each failed attempt.
        takes_handle: whether the function wants a TaskHandle after the context.
    """

    def __init__(
        self,
        id: str,
        function: Callable[..., Any],
        *,
        dependencies: tuple[str, ...],
        retry: RetryPolicy,
        trigger_rules: Rule,
        timeout_s: float | None,
        on_success: Callable[..., Any] | None,
        on_failure: Callable[..., Any] | None,
    ) -> None:
        self.id = id
        self.function = function
        self.dependencies = dependencies
        self.retry = retry
        self.trigger_rules = trigger_rules
        self.timeout_s = timeout_s
        self.on_success = on_success
        self.on_failure = on_failure
        self.takes_handle = _takes_handle(function)

    def definition(self) -> dict[str, Any]:
        """Give the task as the server reads it."""
        doc_what, doc_why = what_and_why(self.function.__doc__)
        return {
            "id": self.id,
            "dependencies": list(self.dependencies),
            "trigger_rules": self.trigger_rules,
            "timeout_s": self.timeout_s,
            "retry": self.retry.definition(),
            "description": None,
            "doc_what": doc_what,
            "doc_why": doc_why,
        }


def task(
    *,
    id: str | None = None,
    dependencies: Iterable[str | Callable[..., Any]] | None = None,
    retry: RetryPolicy | None = None,
    retry_attempts: int | None = None,
    retry_backoff: str | None = None,
    retry_delay_ms: float | None = None,
    retry_max_delay_ms: float | None = None,
    retry_condition: str | None = None,
    retry_jitter: bool | None = None,
    on_success: Callable[..., Any] | None = None,
    on_failure: Callable[..., Any] | None = None,
    invokes: object = None,
    post_invocation: object = None,
    trigger_rules: Rule | None = None,
    timeout_s: float | None = None,
) -> Callable[[Function], Function]:
    """Make a function a task of the workflow that is being defined.

    It is called as f(context), or f(context, handle) when its second parameter is named `handle`
    or `task_handle`; it returns the context that it hands on, or None to hand on its input as it
    was. `async def` is run to completion. Lines of its docstring that begin with `what:` and `why:`
    document it; without them, the whole docstring says what it does.

    Parameters:
        id: by default the function's name.
        dependencies: ids or functions of the tasks whose output it takes, in the order in which
            their contexts are merged.
        retry: a whole policy, instead of the retry_* arguments.
        retry_attempts: how often it runs in all.
        retry_backoff: "fixed", "linear" or "exponential".
        retry_delay_ms: the wait after the first failed attempt, in milliseconds.
        retry_max_delay_ms: the longest wait, in milliseconds.
        retry_condition: "never", "transient" or "all".
        retry_jitter: whether waits are spread by up to a quarter.
        on_success: called with (task id, context) after a success; an error in it is logged only.
        on_failure: called with (task id, error as text, context) after each failed attempt; an
            error in it is logged only.
        invokes, post_invocation: computation graphs, which are not supported.
        trigger_rules: the rule on which it runs once its dependencies have ended, made by
            `all_of`, `task_success` and the like. A bare condition is a rule as well.
        timeout_s: of one attempt, in seconds; by default the server's.

    Returns:
        A decorator that registers a function and gives it back as it is.

    Raises:
        ValueError: no workflow is being defined, the id is taken, or an argument is out of range.
        TypeError: an argument is of the wrong type.
        NotImplementedError: `invokes` or `post_invocation` is given.
    """
    if invokes is not None or post_invocation is not None:
        raise NotImplementedError(
            "task(invokes=..., post_invocation=...) calls a computation graph, "
            "which this version of the server does not support"
        )
    policy = task_policy(
        retry=retry,
        retry_attempts=retry_attempts,
        retry_backoff=retry_backoff,
        retry_delay_ms=retry_delay_ms,
        retry_max_delay_ms=retry_max_delay_ms,
        retry_condition=retry_condition,
        retry_jitter=retry_jitter,
    )
    rule = task_rule(trigger_rules)
    timeout = _timeout(timeout_s)
    callable_or_none("on_success", on_success)
    callable_or_none("on_failure", on_failure)

    def register(function: Function) -> Function:
        scope = current_scope()
        if scope is None:
            raise ValueError(_NO_SCOPE)
        scope.add_task(
            Task(
                _task_id(id, function),
                function,
                dependencies=_dependencies(scope, dependencies),
                retry=policy,
                trigger_rules=rule,
                timeout_s=timeout,
                on_success=on_success,
                on_failure=on_failure,
            )
        )
        return function

    return register


def _task_id(id: Any, function: Any) -> str:
    if not callable(function):
        raise TypeError(f"@task decorates a function, not {type(function).__name__}")
    chosen = getattr(function, "__name__", None) if id is None else id
    if not isinstance(chosen, str):
        raise TypeError(f"a task's id must be a str, not {type(chosen).__name__}")
    if not chosen or "::" in chosen:
        raise ValueError(f"{chosen!r} cannot be a task's id: it is empty, or contains '::'")
    return chosen


def _dependencies(scope: Scope, given: Any) -> tuple[str, ...]:
    if given is None:
        return ()
    if isinstance(given, str) or not hasattr(given, "__iter__"):
        raise TypeError("dependencies must be a list of task ids or task functions")
    names = []
    for dependency in given:
        name = dependency if isinstance(dependency, str) else scope.task_id(dependency)
        if not isinstance(name, str):
            raise TypeError(
                f"a dependency is a task id or a task function, not {type(dependency).__name__}"
            )
        names.append(name)
    return tuple(dict.fromkeys(names))


def _timeout(timeout_s: Any) -> float | None:
    if timeout_s is None:
        return None
    seconds = not_negative("timeout_s", timeout_s)
    if not seconds:
        raise ValueError("timeout_s must be more than 0; leave it away for the server's own")
    return seconds


def _takes_handle(function: Callable[..., Any]) -> bool:
    code = getattr(function, "__code__", None)
    if code is None or code.co_argcount < 2:
        return False
    return code.co_varnames[1] in _HANDLE_NAMES
