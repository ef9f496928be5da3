"""Requests to run an author's code, answered one at a time and each with one message.

    {"op": "load", "tenant", "package", "workflow", "entry_module", "paths": [folder, ...]}
      -> {"ok": true, "definition": {...}}
       | {"ok": false, "error": {"type", "message", "traceback"}}
    {"op": "run", "task": <plain id>, "context": <JSON text>}
      -> {"ok": true, "context": <JSON text, or null when the task returned None>}
       | {"ok": false, "error": {"type", "message", "traceback", "retryable": bool}}

A process loads one package. Its standard output and standard error are the author's.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress

from cloaca._failure import describe
from cloaca._frames import BrokenChannel, Channel
from cloaca._package import load_package
from cloaca._run import run_task

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cloaca.scope import Scope


def serve(fd: int) -> int:
    """Answer requests until the other end is closed.

    Parameters:
        fd: a connected stream socket.

    Returns:
        The process's exit code: 1 when what came over the socket was not a request.
    """
    channel, child = Channel(fd), _Child()
    process, folder = os.getpid(), os.getcwd()  # noqa: PTH109 - pathlib is slow to import
    try:
        while (request := channel.receive()) is not None:
            answer = child.answer(request)
            if os.getpid() != process:
                return 0  # the code forked, and this is its copy that came back as well
            usable = _restored(folder)
            _send(channel, answer)
            if not usable:
                break
    except BrokenChannel as error:
        sys.stderr.write(f"This is not a request: {error}\n")
        return 1
    except ConnectionError:
        pass  # nobody waits for the answer any more
    return 0


class _Child:
    def __init__(self) -> None:
        self._scope: Scope | None = None
        self._paths: list[str] = []

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Do what a request asks. Whatever the author's code raises, exits included, is told."""
        if request.get("op") == "load":
            return self._load(request)
        if request.get("op") == "run":
            return self._run(request["task"], request["context"])
        raise BrokenChannel(f"unknown operation {request.get('op')!r}")

    def _load(self, request: dict[str, Any]) -> dict[str, Any]:
        try:
            if self._scope is not None:
                raise RuntimeError("This process has loaded a package already: start another")
            self._paths = request["paths"]
            self._scope, definition = load_package(
                tenant=request["tenant"],
                package=request["package"],
                workflow=request["workflow"],
                entry_module=request["entry_module"],
                paths=self._paths,
            )
        except BaseException as error:
            return {"ok": False, "error": describe(error, self._paths)}
        return {"ok": True, "definition": definition}

    def _run(self, task_id: str, context_json: str) -> dict[str, Any]:
        task = self._scope.tasks.get(task_id) if self._scope is not None else None
        try:
            if task is None:
                raise LookupError(f"The package has no task '{task_id}'")
            return {"ok": True, "context": run_task(task, context_json)}
        except BaseException as error:
            retryable = task is not None and task.retry.condition.accepts(error)
            return {"ok": False, "error": {**describe(error, self._paths), "retryable": retryable}}


def _restored(folder: str) -> bool:
    """Undo what a task did to the process; tell whether that worked."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):  # the code may have closed it, or put anything in its place
            stream.flush()
    try:
        os.chdir(folder)
    except OSError:
        return False
    return True


def _send(channel: Channel, answer: dict[str, Any]) -> None:
    try:
        channel.send(answer)
    except ValueError as error:
        failure = {**describe(error, ()), "retryable": False}
        channel.send({"ok": False, "error": failure})
