"""A package that this process has imported, and the definition of its workflow."""

from __future__ import annotations

import importlib
import sys

from cloaca.docstrings import first_line
from cloaca.namespace import WorkflowContext
from cloaca.params import declared_params
from cloaca.scope import Scope

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any


def load_package(
    *, tenant: str, package: str, workflow: str, entry_module: str, paths: Sequence[str]
) -> tuple[Scope, dict[str, Any]]:
    """Import a package, whose tasks and triggers register while it is imported.

    Parameters:
        tenant, package, workflow: name its tasks.
        entry_module: the module to import, as a dotted path.
        paths: the folders to import from, before all others; the first one comes first.

    Returns:
        What was registered, and the workflow's definition as the server stores it.

    Raises:
        ValueError: no task was registered, or two declare the same differently.
        BaseException: whatever the package's code raises.
    """
    sys.path[:0] = paths
    scope = Scope(WorkflowContext(tenant, package, workflow), is_package=True)
    with scope:
        module = importlib.import_module(entry_module)
    if not scope.tasks:
        raise ValueError("Empty package: registered no tasks")
    return scope, {
        "description": first_line(module.__doc__),
        "tasks": [task.definition() for task in scope.tasks.values()],
        "params": declared_params(task.function for task in scope.tasks.values()),
        "triggers": [trigger.definition() for trigger in scope.triggers.values()],
    }
