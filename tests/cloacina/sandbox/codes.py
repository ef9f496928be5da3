"""Packages on disk for the sandbox, and tasks that are called by name."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

from cloacina.sandbox import Answer, Attempt, Code, Sandbox

ACME, GLOBEX = UUID(int=1), UUID(int=2)


def write_code(
    folder: Path, tasks: str, *, tenant_id: UUID = ACME, content_hash: str = "one", **files: str
) -> Code:
    """Write a package whose module `demo.tasks` is `tasks`; `files` are further modules."""
    paths = folder / content_hash / "workflow"
    (paths / "demo").mkdir(parents=True)
    (paths / "demo" / "__init__.py").touch()
    (paths / "demo" / "tasks.py").write_text("import cloaca\n" + tasks)
    for name, content in files.items():
        (paths / f"{name}.py").write_text(content)
    return Code(
        tenant_id=tenant_id,
        content_hash=content_hash,
        tenant="acme",
        package="demo",
        workflow="demo-flow",
        entry_module="demo.tasks",
        paths=(paths,),
    )


class Output:
    """What a task wrote, by stream."""

    def __init__(self) -> None:
        self.streams: dict[str, bytes] = {"stdout": b"", "stderr": b""}

    def __call__(self, stream: str, data: bytes) -> None:
        """Take note of a piece."""
        self.streams[stream] += data

    @property
    def out(self) -> str:
        """All that went to stdout."""
        return self.streams["stdout"].decode()

    @property
    def err(self) -> str:
        """All that went to stderr."""
        return self.streams["stderr"].decode()


def start(
    sandbox: Sandbox,
    code: Code,
    task_id: str = "it",
    /,
    *,
    on_output: Callable[[str, bytes], None] = lambda _stream, _data: None,
    still_wanted: Callable[[], bool] = lambda: True,
    lease_s: float = 30,
    **context: Any,
) -> Attempt:
    """Start a task."""
    return sandbox.start(
        code,
        task_id,
        json.dumps(context),
        lease=lambda: time.monotonic() + lease_s,
        on_output=on_output,
        still_wanted=still_wanted,
    )


def run(
    sandbox: Sandbox, code: Code, task_id: str = "it", /, *, timeout_s: float = 20, **more: Any
) -> dict[str, Any]:
    """Run a task; gives the child's answer."""
    answer = start(sandbox, code, task_id, **more).wait(timeout_s)
    assert isinstance(answer, Answer), answer
    return answer.content


def result(sandbox: Sandbox, code: Code, task_id: str = "it", /, **context: Any) -> Any:
    """Run a task that puts what it found under `found`; gives that."""
    answer = run(sandbox, code, task_id, **context)
    assert answer["ok"] is True, answer
    return json.loads(answer["context"])["found"]


def finding(expression: str, imports: str = "os", task_id: str = "it") -> str:
    """Declare a task that finds something."""
    return (
        f"import {imports}\n@cloaca.task(id={task_id!r})\ndef it_{task_id}(context):\n"
        f"    context.set('found', {expression})\n    return context\n"
    )
