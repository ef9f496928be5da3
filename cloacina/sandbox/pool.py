"""Keeps children for their next task, since a start costs a hundred times a task."""

import os
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import cloaca
from cloacina.sandbox.child import Child
from cloacina.sandbox.errors import ChildDied, ChildTimedOut, LoadFailed

MOST_IDLE = 8
IDLE_S = 300
LOAD_TIMEOUT_S = 60
"""Seconds that importing a package may take (spec: Validation)."""

VARIABLE_PREFIX = "CLOACINA_VAR_"


@dataclass(frozen=True)
class Code:
    """A version of a tenant's package, unpacked.

    Parameters:
        tenant_id, content_hash: what a child is kept for; it never serves another.
        tenant, package, workflow: names that the code may read.
        entry_module: what is imported.
        paths: what leads `sys.path`.
    """

    tenant_id: UUID
    content_hash: str
    tenant: str
    package: str
    workflow: str
    entry_module: str
    paths: tuple[Path, ...]


class Sandbox:
    """The children of one slot of a worker.

    Parameters:
        root: a folder of this process alone, for the SDK's copy and the scratch folders.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._sdk = _copy_sdk(root)
        self._idle: dict[tuple[UUID, str], Child] = {}
        self._variables = {
            name: value for name, value in os.environ.items() if name.startswith(VARIABLE_PREFIX)
        }

    def load(self, code: Code) -> dict[str, Any]:
        """Load a package in a new child and give the definition of its workflow.

        Raises:
            LoadFailed: the code raised, or registered no workflow that can be used.
            ChildError: the process died or took too long.
        """
        child, definition = self._start(code, lambda: True)
        self._keep(code, child)
        return definition

    def run(
        self,
        code: Code,
        task_id: str,
        context: str,
        timeout_s: float,
        still_wanted: Callable[[], bool],
    ) -> dict[str, Any]:
        """Run one task in a child of its package.

        Parameters:
            code: the package.
            task_id: the task.
            context: its input, as JSON text.
            timeout_s: seconds until it is killed; loading the package does not count.
            still_wanted: asked every few seconds, also while the package is loaded; False kills it.

        Returns:
            The child's answer.

        Raises:
            LoadFailed: the code cannot be loaded.
            ChildError: the process died, took too long or was not wanted any more.
        """
        child = self._idle.pop((code.tenant_id, code.content_hash), None)
        if child is None or not child.is_alive():
            if child is not None:
                child.kill()
            child, _ = self._start(code, still_wanted)
        answer = child.ask(
            {"op": "run", "task": task_id, "context": context}, timeout_s, still_wanted
        )
        self._keep(code, child)
        return answer

    def close(self) -> None:
        """End all children."""
        for child in self._idle.values():
            child.kill()
        self._idle.clear()

    def _start(self, code: Code, still_wanted: Callable[[], bool]) -> tuple[Child, dict[str, Any]]:
        scratch = Path(tempfile.mkdtemp(prefix="scratch-", dir=self._root))
        child = Child(self._sdk, scratch, self._variables)
        request = {
            "op": "load",
            "tenant": code.tenant,
            "package": code.package,
            "workflow": code.workflow,
            "entry_module": code.entry_module,
            "paths": [str(path) for path in code.paths],
        }
        try:
            answer = child.ask(request, LOAD_TIMEOUT_S, still_wanted)
        except ChildTimedOut:
            message = f"importing {code.entry_module} took longer than {LOAD_TIMEOUT_S} s"
            raise LoadFailed({"type": "TimeoutError", "message": message}) from None
        definition = answer.get("definition")
        if answer.get("ok") is not True or not isinstance(definition, dict):
            child.kill()
            error = answer.get("error")
            if not isinstance(error, dict):
                raise ChildDied("the process that ran the code sent an answer of a wrong form")
            raise LoadFailed(error)
        return child, definition

    def _keep(self, code: Code, child: Child) -> None:
        key = (code.tenant_id, code.content_hash)
        if key in self._idle or not child.tidy():
            child.kill()
            return
        self._idle[key] = child
        oldest_first = sorted(self._idle, key=lambda kept: self._idle[kept].last_used)
        stale = time.monotonic() - IDLE_S
        for position, kept in enumerate(oldest_first):
            if len(oldest_first) - position > MOST_IDLE or self._idle[kept].last_used < stale:
                self._idle.pop(kept).kill()


def _copy_sdk(root: Path) -> Path:
    """Copy `cloaca` alone: beside the original lie the server's own modules."""
    origin = Path(cloaca.__file__).parent
    sdk = root / "sdk"
    ignore = shutil.ignore_patterns("__pycache__", "py.typed")
    shutil.copytree(origin, sdk / origin.name, ignore=ignore, dirs_exist_ok=True)
    return sdk
