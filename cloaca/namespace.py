"""The names that tasks have across tenants, packages and workflows."""

from __future__ import annotations

_SEPARATOR = "::"


class TaskNamespace:
    """The full name of a task, or of a workflow when `task_id` is empty.

    Parameters:
        tenant_id: the tenant.
        package_name: the package; `embedded` for a workflow that is built in place.
        workflow_id: the workflow.
        task_id: the task.
    """

    __slots__ = ("_parts",)

    def __init__(self, tenant_id: str, package_name: str, workflow_id: str, task_id: str) -> None:
        self._parts = (tenant_id, package_name, workflow_id, task_id)

    @staticmethod
    def from_string(namespace_str: str) -> TaskNamespace:
        """Read `tenant::package::workflow::task`.

        Raises:
            ValueError: it has not four parts.
        """
        parts = namespace_str.split(_SEPARATOR)
        if len(parts) != 4:
            raise ValueError(
                f"Invalid namespace format: {namespace_str!r} "
                "is not tenant::package::workflow::task"
            )
        return TaskNamespace(*parts)

    @property
    def tenant_id(self) -> str:
        """The tenant."""
        return self._parts[0]

    @property
    def package_name(self) -> str:
        """The package."""
        return self._parts[1]

    @property
    def workflow_id(self) -> str:
        """The workflow."""
        return self._parts[2]

    @property
    def task_id(self) -> str:
        """The task's plain id."""
        return self._parts[3]

    def parent(self) -> TaskNamespace:
        """Give the name of the workflow, whose task is empty."""
        return TaskNamespace(*self._parts[:3], "")

    def is_child_of(self, parent: TaskNamespace) -> bool:
        """Tell whether this names a task of the workflow that `parent` names."""
        return bool(self.task_id) and self.parent() == parent

    def is_sibling_of(self, other: TaskNamespace) -> bool:
        """Tell whether this and `other` name two tasks of one workflow."""
        return (
            self.parent() == other.parent()
            and "" not in (self.task_id, other.task_id)
            and self.task_id != other.task_id
        )

    def __str__(self) -> str:
        return _SEPARATOR.join(self._parts)

    def __repr__(self) -> str:
        return "TaskNamespace('{}', '{}', '{}', '{}')".format(*self._parts)

    def __eq__(self, other: object) -> bool:
        return self._parts == other._parts if isinstance(other, TaskNamespace) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._parts)


class WorkflowContext:
    """Where the tasks of one workflow are named.

    Parameters:
        tenant_id: the tenant.
        package_name: the package.
        workflow_id: the workflow.
    """

    __slots__ = ("_namespace",)

    def __init__(self, tenant_id: str, package_name: str, workflow_id: str) -> None:
        self._namespace = TaskNamespace(tenant_id, package_name, workflow_id, "")

    @property
    def tenant_id(self) -> str:
        """The tenant."""
        return self._namespace.tenant_id

    @property
    def package_name(self) -> str:
        """The package."""
        return self._namespace.package_name

    @property
    def workflow_id(self) -> str:
        """The workflow."""
        return self._namespace.workflow_id

    def task_namespace(self, task_id: str) -> TaskNamespace:
        """Give the full name of a task of this workflow."""
        return TaskNamespace(self.tenant_id, self.package_name, self.workflow_id, task_id)

    def resolve_dependency(self, task_name: str) -> TaskNamespace:
        """Give the full name of the task that a dependency's plain id means."""
        return self.task_namespace(task_name)

    def workflow_namespace(self) -> TaskNamespace:
        """Give the name of the workflow, whose task is empty."""
        return self._namespace

    def contains_namespace(self, namespace: TaskNamespace) -> bool:
        """Tell whether a name is of this workflow or of one of its tasks."""
        return namespace.parent() == self._namespace

    def __str__(self) -> str:
        return _SEPARATOR.join((self.tenant_id, self.package_name, self.workflow_id))

    def __repr__(self) -> str:
        return f"WorkflowContext('{self.tenant_id}', '{self.package_name}', '{self.workflow_id}')"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, WorkflowContext):
            return NotImplemented
        return self._namespace == other._namespace

    def __hash__(self) -> int:
        return hash(self._namespace)
