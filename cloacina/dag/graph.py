"""A workflow as a graph of tasks, refused unless it can run."""

import hashlib
import heapq
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from cloacina.dag.errors import InvalidWorkflow
from cloacina.dag.retry import RetryPolicy
from cloacina.dag.rules import ALWAYS, validate_rule
from cloacina.dag.values import finite_number, shown

LONGEST_TIMEOUT_S: Final = 365 * 24 * 3600

LONGEST_ID: Final = 255
"""Characters of a task's id."""

_CYCLE_IDS_SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class Task:
    """One task of a workflow.

    Attributes:
        id: unique in the workflow.
        dependencies: ids of the tasks whose outputs it takes, in declared order, each once.
        trigger_rules: the rule on which it runs, as `cloacina.dag.rules` describes.
        timeout_s: of one attempt, in seconds; None: the service's default.
        retry: what follows a failed attempt.
        description, doc_what, doc_why: what its author says about it.
    """

    id: str
    dependencies: tuple[str, ...] = ()
    trigger_rules: Mapping[str, Any] = field(default_factory=lambda: ALWAYS, hash=False)
    timeout_s: float | None = None
    retry: RetryPolicy = RetryPolicy()
    description: str | None = None
    doc_what: str | None = None
    doc_why: str | None = None


class Graph:
    """The tasks of a workflow and what depends on what; it does not change.

    Parameters:
        tasks: in order of declaration.

    Raises:
        InvalidWorkflow: there is no task, two have one id, a dependency is missing, dependencies
            are circular, or a trigger rule is malformed.
    """

    def __init__(self, tasks: Iterable[Task]) -> None:
        self.tasks = tuple(tasks)
        """In order of declaration."""
        if not self.tasks:
            raise InvalidWorkflow("Empty package: registered no tasks")
        self._by_id = _by_id(self.tasks)
        self._positions = {task.id: place for place, task in enumerate(self.tasks)}
        self._dependents = _dependents(self.tasks, self._by_id)
        self.roots = tuple(task.id for task in self.tasks if not task.dependencies)
        """The ids of the tasks without dependencies, in order of declaration."""
        self.leaves = tuple(task.id for task in self.tasks if not self._dependents[task.id])
        """The ids of the tasks that no other depends on, in order of declaration."""
        self.topological_order = _topological_order(self.tasks, self._dependents)
        """Every task's id after those of its dependencies; of those that may come next, the one
        that was declared first."""
        for task in self.tasks:
            try:
                validate_rule(task.trigger_rules, self._by_id)
            except InvalidWorkflow as error:
                raise InvalidWorkflow(f"Task '{task.id}': {error.message}") from None

    @classmethod
    def from_definition(cls, definition: Mapping[str, Any]) -> "Graph":
        """Read a workflow's definition, as loading its package yields it.

        Parameters:
            definition: parsed JSON of any shape; it comes from a tenant's code. Of its keys only
                `tasks` is read.

        Raises:
            InvalidWorkflow: as for the class, or a field of a task has a wrong value.
        """
        tasks = definition.get("tasks", []) if isinstance(definition, Mapping) else None
        if not isinstance(tasks, list):
            raise InvalidWorkflow("Workflow: its definition must be an object with a list 'tasks'")
        return cls(_task(item) for item in tasks)

    def task(self, task_id: str) -> Task:
        """Give the task with this id, or raise KeyError."""
        return self._by_id[task_id]

    def position(self, task_id: str) -> int:
        """Give a task's place in the order of declaration, from 0."""
        return self._positions[task_id]

    def dependents(self, task_id: str) -> tuple[str, ...]:
        """Give the ids of the tasks that depend on this one directly, in order of declaration."""
        return self._dependents[task_id]

    def content_version(self, source_sha256: str) -> str:
        """Give the version of a workflow's content.

        Parameters:
            source_sha256: a digest of the package's source, as text.

        Returns:
            16 hexadecimal digits, the same for the same source and the same tasks (ids,
            dependencies, rules, timeouts, retries) in the same order.
        """
        graph = [
            [task.id, task.dependencies, task.trigger_rules, task.timeout_s, asdict(task.retry)]
            for task in self.tasks
        ]
        content = json.dumps([source_sha256, graph], sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(content.encode()).hexdigest()[:16]


def _by_id(tasks: Iterable[Task]) -> dict[str, Task]:
    found: dict[str, Task] = {}
    for task in tasks:
        if task.id in found:
            raise InvalidWorkflow(f"Duplicate task id: '{task.id}' is registered twice")
        found[task.id] = task
    return found


def _dependents(tasks: Iterable[Task], by_id: Mapping[str, Task]) -> dict[str, tuple[str, ...]]:
    dependents: dict[str, list[str]] = {task_id: [] for task_id in by_id}
    for task in tasks:
        for name in task.dependencies:
            if name not in by_id:
                raise InvalidWorkflow(
                    f"Missing dependency: task '{task.id}' depends on {shown(name)} "
                    "which is not registered"
                )
            dependents[name].append(task.id)
    return {task_id: tuple(names) for task_id, names in dependents.items()}


def _topological_order(
    tasks: tuple[Task, ...], dependents: Mapping[str, tuple[str, ...]]
) -> tuple[str, ...]:
    place = {task.id: index for index, task in enumerate(tasks)}
    missing = {task.id: len(task.dependencies) for task in tasks}
    available = [index for index, task in enumerate(tasks) if not task.dependencies]
    order: list[str] = []
    while available:
        task_id = tasks[heapq.heappop(available)].id
        order.append(task_id)
        for name in dependents[task_id]:
            missing[name] -= 1
            if not missing[name]:
                heapq.heappush(available, place[name])
    if len(order) < len(tasks):
        raise InvalidWorkflow(_describe_cycle(_find_cycle(tasks, frozenset(order))))
    return tuple(order)


def _find_cycle(tasks: tuple[Task, ...], outside: frozenset[str]) -> list[str]:
    """Follow dependencies until one comes again; each task that is not outside has one inside."""
    inside = {
        task.id: next(name for name in task.dependencies if name not in outside)
        for task in tasks
        if task.id not in outside
    }
    path: dict[str, None] = {}
    name = next(iter(inside))
    while name not in path:
        path[name] = None
        name = inside[name]
    walked = list(path)
    cycle = walked[walked.index(name) :]
    members = set(cycle)
    first = cycle.index(next(task.id for task in tasks if task.id in members))
    return cycle[first:] + cycle[:first]


def _describe_cycle(cycle: list[str]) -> str:
    shown_ids = cycle[:_CYCLE_IDS_SHOWN]
    if len(cycle) > len(shown_ids):
        shown_ids.append(f"... {len(cycle) - len(shown_ids)} more ...")
    return f"Circular dependency detected: [{' -> '.join([*shown_ids, cycle[0]])}]"


def _task(definition: object) -> Task:
    if not isinstance(definition, Mapping):
        raise InvalidWorkflow("Workflow: each task must be an object")
    task_id = _id(definition.get("id"))
    try:
        return Task(
            id=task_id,
            dependencies=_dependencies(definition.get("dependencies", [])),
            trigger_rules=definition.get("trigger_rules", ALWAYS),
            timeout_s=_timeout_s(definition.get("timeout_s")),
            retry=RetryPolicy.from_definition(definition.get("retry", {})),
            description=_text_or_none(definition, "description"),
            doc_what=_text_or_none(definition, "doc_what"),
            doc_why=_text_or_none(definition, "doc_why"),
        )
    except InvalidWorkflow as error:
        raise InvalidWorkflow(f"Task '{task_id}': {error.message}") from None


def _id(value: object) -> str:
    # Printable, so that no id can break a log line, a terminal or a database's text.
    if (
        not isinstance(value, str)
        or not 0 < len(value) <= LONGEST_ID
        or not value.isprintable()
        or "::" in value
    ):
        raise InvalidWorkflow(
            f"Task id {shown(value)} cannot be used: it must be a text of 1 to {LONGEST_ID} "
            "printable characters without '::', which separates the parts of a full name"
        )
    return value


def _dependencies(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise InvalidWorkflow("dependencies must be a list of task ids")
    # One named twice is one dependency: it ends once.
    return tuple(dict.fromkeys(value))


def _timeout_s(value: object) -> float | None:
    if value is None:
        return None
    number = finite_number(value)
    if number is None or not 0 < number <= LONGEST_TIMEOUT_S:
        raise InvalidWorkflow(
            f"timeout_s must be a number of seconds above 0, up to {LONGEST_TIMEOUT_S} (a year)"
        )
    return number


def _text_or_none(definition: Mapping[str, Any], key: str) -> str | None:
    value = definition.get(key)
    if value is not None and not isinstance(value, str):
        raise InvalidWorkflow(f"{key} must be a text")
    return value
