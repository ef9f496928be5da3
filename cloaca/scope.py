"""Where declarations land while a workflow is being written down."""

from __future__ import annotations

from contextvars import ContextVar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Token
    from typing import Any

    from cloaca.namespace import WorkflowContext
    from cloaca.tasks import Task
    from cloaca.triggers import Trigger

_current: ContextVar[Scope | None] = ContextVar("cloaca_scope", default=None)


class Scope:
    """The tasks and triggers of one workflow, in order of declaration.

    `with scope:` makes it the one that `task` and `trigger` register into, in this thread.

    Parameters:
        context: names the workflow.
        is_package: whether a package is being loaded, rather than a `with WorkflowBuilder(...)`
            being run.
    """

    def __init__(self, context: WorkflowContext, *, is_package: bool = False) -> None:
        self.context = context
        self.is_package = is_package
        self.tasks: dict[str, Task] = {}
        self.triggers: dict[str, Trigger] = {}
        self._token: Token[Scope | None] | None = None

    def __enter__(self) -> Scope:
        self._token = _current.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        if self._token is not None:
            _current.reset(self._token)

    def add_task(self, task: Task) -> None:
        """Register a task.

        Raises:
            ValueError: another has its id.
        """
        if task.id in self.tasks:
            raise ValueError(
                f"Task '{task.id}' is defined twice in workflow '{self.context.workflow_id}': "
                "give one of them another id"
            )
        self.tasks[task.id] = task

    def add_trigger(self, trigger: Trigger) -> None:
        """Register a trigger.

        Raises:
            ValueError: another has its name.
        """
        if trigger.name in self.triggers:
            raise ValueError(
                f"Trigger '{trigger.name}' is defined twice: give one of them another name"
            )
        self.triggers[trigger.name] = trigger

    def task_id(self, function: Callable[..., Any]) -> str | None:
        """Give the id of a function's task, or the function's name when it is not registered."""
        for task in self.tasks.values():
            if task.function is function:
                return task.id
        name: str | None = getattr(function, "__name__", None)
        return name


def current_scope() -> Scope | None:
    """Give the scope that declarations of this thread land in, if there is one."""
    return _current.get()
