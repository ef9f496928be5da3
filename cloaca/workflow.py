"""Workflows that are built in place, rather than loaded from a package."""

from __future__ import annotations

import json

from cloaca.namespace import WorkflowContext
from cloaca.scope import Scope, current_scope

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import CodeType
    from typing import Any

    from cloaca.tasks import Task

_workflows: dict[str, Workflow] = {}


class Workflow:
    """Tasks and what depends on what; it does not change.

    Parameters:
        name: its name.
        context: names its tasks.
        tasks: by id, in order of declaration.
        description: what it is for.
        tags: free texts by key.

    Raises:
        ValueError: there is no task, a dependency is missing, or dependencies are circular.
    """

    def __init__(
        self,
        name: str,
        context: WorkflowContext,
        tasks: Mapping[str, Task],
        *,
        description: str = "",
        tags: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.description = description
        self.tags = dict(tags or {})
        self._context = context
        self._tasks = dict(tasks)
        self.validate()

    @property
    def version(self) -> str:
        """16 hex digits that change with the tasks, their source, the description and the tags."""
        from hashlib import sha256  # in here: no task needs it, and it loads OpenSSL

        content = {
            "name": self.name,
            "description": self.description,
            "tags": self.tags,
            "tasks": [[task.definition(), _source(task)] for task in self._tasks.values()],
        }
        return sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]

    def topological_sort(self) -> list[str]:
        """Give the full names of all tasks, each after those that it depends on."""
        return [name for level in self.get_execution_levels() for name in level]

    def get_execution_levels(self) -> list[list[str]]:
        """Give the full names of the tasks that can run at once, level by level."""
        return [[self._full_name(task) for task in level] for level in _levels(self._tasks)]

    def get_roots(self) -> list[str]:
        """Give the full names of the tasks without dependencies."""
        return [self._full_name(task) for task in self._tasks.values() if not task.dependencies]

    def get_leaves(self) -> list[str]:
        """Give the full names of the tasks that no other depends on."""
        needed = {name for task in self._tasks.values() for name in task.dependencies}
        return [self._full_name(task) for id, task in self._tasks.items() if id not in needed]

    def validate(self) -> None:
        """Refuse a workflow that cannot run.

        Raises:
            ValueError: there is no task, a dependency is missing, or dependencies are circular.
        """
        if not self._tasks:
            raise ValueError("Workflow validation failed: Workflow cannot be empty")
        for task in self._tasks.values():
            for dependency in task.dependencies:
                if dependency not in self._tasks:
                    raise ValueError(
                        f"Workflow validation failed: Missing dependency: task '{task.id}' "
                        f"depends on '{dependency}' which is not registered"
                    )
        _levels(self._tasks)

    def __repr__(self) -> str:
        return f"Workflow(name='{self.name}', tasks={len(self._tasks)})"

    def _full_name(self, task: Task) -> str:
        return str(self._context.task_namespace(task.id))


class WorkflowBuilder:
    """Defines a workflow: the tasks declared inside its `with` block are its own.

    Leaving the block registers the workflow under its name, in place of an earlier one.

    Parameters:
        name: of the workflow.
        tenant: by default `public`.
        package: by default `embedded`.
        workflow: what its tasks' full names call it; by default its name.

    Raises:
        ValueError: a package is being loaded. Its tasks are the workflow.
    """

    def __init__(
        self,
        name: str,
        *,
        tenant: str | None = None,
        package: str | None = None,
        workflow: str | None = None,
    ) -> None:
        outer = current_scope()
        if outer is not None and outer.is_package:
            raise ValueError(
                f"WorkflowBuilder('{name}') cannot be used inside a package: define the tasks of "
                f"workflow '{outer.context.workflow_id}' with @task at the module's top level"
            )
        self._name = name
        self._description = ""
        self._tags: dict[str, str] = {}
        self._scope = Scope(
            WorkflowContext(tenant or "public", package or "embedded", workflow or name)
        )

    def description(self, description: str) -> None:
        """Say what the workflow is for."""
        self._description = description

    def tag(self, key: str, value: str) -> None:
        """Attach a free text."""
        self._tags[key] = value

    def add_task(self, task: str | Callable[..., Any]) -> None:
        """Make sure that a task is in the workflow, where every task declared inside already is.

        Parameters:
            task: its id or its function.

        Raises:
            ValueError: it is not.
        """
        task_id = task if isinstance(task, str) else self._scope.task_id(task)
        if task_id is None:
            raise ValueError(
                "Task must be either a string task ID or a function object with __name__ attribute"
            )
        if task_id not in self._scope.tasks:
            raise ValueError(
                f"Task '{task_id}' not found in registry. Make sure it was decorated with @task."
            )

    def build(self) -> Workflow:
        """Give the workflow of the tasks declared so far.

        Raises:
            ValueError: it cannot run.
        """
        return Workflow(
            self._name,
            self._scope.context,
            self._scope.tasks,
            description=self._description,
            tags=self._tags,
        )

    def __enter__(self) -> WorkflowBuilder:
        self._scope.__enter__()
        return self

    def __exit__(self, error_type: object, *_: object) -> None:
        self._scope.__exit__()
        if error_type is None:
            _workflows[self._scope.context.workflow_id] = self.build()

    def __repr__(self) -> str:
        return f"WorkflowBuilder(name='{self._name}')"


def registered_workflow(name: str) -> Workflow | None:
    """Give the workflow that a `with WorkflowBuilder(...)` block of this process registered."""
    return _workflows.get(name)


def _levels(tasks: Mapping[str, Task]) -> list[list[Task]]:
    levels: list[list[Task]] = []
    done: set[str] = set()
    pending = list(tasks.values())
    while pending:
        level = [task for task in pending if done.issuperset(task.dependencies)]
        if not level:
            raise ValueError(
                "Workflow validation failed: Circular dependency detected: "
                f"{json.dumps(_cycle(tasks, pending), ensure_ascii=False)}"
            )
        done.update(task.id for task in level)
        pending = [task for task in pending if task.id not in done]
        levels.append(level)
    return levels


def _cycle(tasks: Mapping[str, Task], pending: list[Task]) -> list[str]:
    """Follow dependencies among tasks that all wait for another, until one comes again."""
    waiting = {task.id for task in pending}
    path: list[str] = []
    current = pending[0].id
    while current not in path:
        path.append(current)
        current = next(name for name in tasks[current].dependencies if name in waiting)
    return [*path[path.index(current) :], current]


def _source(task: Task) -> str:
    from inspect import getsource  # in here: only a version needs it, and it is slow to import

    try:
        return getsource(task.function)
    except (OSError, TypeError):  # typed into a prompt, or not a plain function
        code = getattr(task.function, "__code__", None)
        return _code_text(code) if code is not None else ""


def _code_text(code: CodeType) -> str:
    constants = [
        _code_text(value) if isinstance(value, type(code)) else repr(value)
        for value in code.co_consts
    ]
    return repr((code.co_code, code.co_names, constants))
