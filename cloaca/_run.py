"""One run of one task."""

from __future__ import annotations

import sys
from contextlib import suppress

from cloaca.context import Context
from cloaca.handle import TaskHandle
from cloaca.retry import error_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any

    from cloaca.handle import Slot
    from cloaca.tasks import Task


def run_task(task: Task, context_json: str, slot: Slot) -> str | None:
    """Call a task and its callbacks.

    Parameters:
        task: what to run.
        context_json: its input, as the JSON text of an object.
        slot: of the worker, which it holds.

    Returns:
        The JSON text of the context that it returned, or None when it returned None.

    Raises:
        TypeError: it returned something else.
        ValueError: the input or the output is not JSON.
        BaseException: whatever the task's code raises.
    """
    context = Context.from_json(context_json)
    try:
        output = _output(task, context, slot)
    except BaseException as error:
        _call_back(task.on_failure, (task.id, error_text(error)), context_json)
        raise
    _call_back(task.on_success, (task.id,), output or context_json)
    return output


def _output(task: Task, context: Context, slot: Slot) -> str | None:
    arguments = (context, TaskHandle(slot)) if task.takes_handle else (context,)
    returned = _completed(task.function(*arguments))
    if returned is None:
        return None
    if not isinstance(returned, Context):
        raise TypeError(
            f"Task '{task.id}' returned {type(returned).__name__}: return the context, or None"
        )
    return returned.to_json()


def _completed(returned: Any) -> Any:
    """Give what a function returned, or what its coroutine comes to."""
    if not hasattr(type(returned), "__await__"):
        return returned
    import asyncio  # in here: it is the slowest of all imports, and most tasks are not coroutines

    return asyncio.run(_awaited(returned))


async def _awaited(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


def _call_back(
    callback: Callable[..., Any] | None, arguments: tuple[str, ...], context_json: str
) -> None:
    """Call a callback with a context of its own, so that it changes nothing of the result."""
    if callback is None:
        return
    try:
        _completed(callback(*arguments, Context.from_json(context_json)))
    except BaseException as error:
        with suppress(Exception):  # the code may have closed it, or put anything in its place
            sys.stderr.write(f"A callback of task '{arguments[0]}' failed: {error_text(error)}\n")
