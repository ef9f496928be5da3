"""Requests to run an author's code, answered one at a time and each with one message.

    {"op": "load", "tenant", "package", "workflow", "entry_module", "paths": [folder, ...]}
      -> {"ok": true, "definition": {...}}
       | {"ok": false, "error": {"type", "message", "traceback"}}
    {"op": "run", "task": <plain id>, "context": <JSON text>}
      -> {"ok": true, "context": <JSON text, or null when the task returned None>}
       | {"ok": false, "error": {"type", "message", "traceback", "retryable": bool}}

A task that waits without its slot sends more before its answer:

    {"defer": <ms between two looks>}   the slot may be given to another task
    {"resume": true}                    it wants one again, and waits for {"go": true}

A process loads one package. Its standard output and standard error are the author's.
"""

from __future__ import annotations

import os
import sys

from cloaca._failure import describe
from cloaca._frames import LOST_CHANNEL, BrokenChannel
from cloaca._package import load_package
from cloaca._restore import ProcessState, reap_leftovers
from cloaca._run import run_task

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cloaca._frames import Channel
    from cloaca._streams import Streams
    from cloaca.scope import Scope


class Server:
    """Answers requests, over one channel after another.

    It is made where tasks are to run: in the process, and in its scratch folder.

    Parameters:
        streams: the author's standard output and error.
    """

    def __init__(self, streams: Streams) -> None:
        self._streams = streams
        self._scope: Scope | None = None
        self._paths: list[str] = []
        self._process = os.getpid()
        self._folder = os.getcwd()  # noqa: PTH109 - pathlib is slow to import
        self._before = ProcessState(self._folder)

    def serve(self, channel: Channel) -> int | None:
        """Answer requests until the other end of a channel is closed.

        Returns:
            None when another channel may be served, else the process's exit code: 1 when what came
            over the channel was not a request, LOST_CHANNEL when the code has closed it.
        """
        try:
            while (request := channel.receive()) is not None:
                reap_leftovers()
                answer = self._answer(request, channel)
                if os.getpid() != self._process:
                    return 0  # the code forked, and this is its copy that came back as well
                usable = self._restored()
                _send(channel, answer)
                if not usable:
                    return 0
        except BrokenChannel as error:
            sys.stderr.write(f"This is not a request: {error}\n")
            return 1
        except ConnectionError:
            pass  # nobody waits for the answer any more
        except OSError:
            return LOST_CHANNEL
        return None

    def _restored(self) -> bool:
        """Undo what the code did to the process; tell whether that worked."""
        restored = self._before.restore()
        self._streams.flush()
        try:
            self._streams.restore()
        except OSError:
            return False
        return restored

    def _answer(self, request: dict[str, Any], channel: Channel) -> dict[str, Any]:
        """Do what a request asks. Whatever the author's code raises, exits included, is told."""
        if request.get("op") == "load":
            return self._load(request)
        if request.get("op") == "run":
            return self._run(request["task"], request["context"], channel)
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
        # what the package set up for itself is kept
        self._before = ProcessState(self._folder)
        return {"ok": True, "definition": definition}

    def _run(self, task_id: str, context_json: str, channel: Channel) -> dict[str, Any]:
        task = self._scope.tasks.get(task_id) if self._scope is not None else None
        try:
            if task is None:
                raise LookupError(f"The package has no task '{task_id}'")
            return {"ok": True, "context": run_task(task, context_json, _Slot(channel))}
        except BaseException as error:
            retryable = task is not None and task.retry.condition.accepts(error)
            return {"ok": False, "error": {**describe(error, self._paths), "retryable": retryable}}


class _Slot:
    """The slot of the worker that a task holds."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def give_up(self, poll_interval_ms: int) -> None:
        self._channel.send({"defer": poll_interval_ms})

    def take_again(self) -> None:
        self._channel.send({"resume": True})
        if self._channel.receive() != {"go": True}:
            raise BrokenChannel("the worker did not let the task go on")


def _send(channel: Channel, answer: dict[str, Any]) -> None:
    try:
        channel.send(answer)
    except ValueError as error:
        failure = {**describe(error, ()), "retryable": False}
        channel.send({"ok": False, "error": failure})
