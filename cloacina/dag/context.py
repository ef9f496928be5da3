"""Contexts: the JSON objects that a workflow's tasks hand on.

Parsed JSON is treated as values that nobody changes: what these functions return shares the
parts that it has in common with what they were given.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from cloacina.dag.errors import ContextError, ContextTooLarge
from cloacina.dag.graph import Graph, Task
from cloacina.dag.values import dump_json, identity, load_json


def merge(outputs: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Merge the contexts that several tasks put out into one.

    Where several have a key: arrays are concatenated without duplicates, objects merge
    recursively, and of all else, also of values of different kinds, the later wins. A value that
    meets no other stays as it is, an array with its duplicates.

    Parameters:
        outputs: contexts, in declared order of the dependencies.

    Returns:
        A new object, made in time linear in the size of all.
    """
    merged: dict[str, Any] = {}
    pending: list[tuple[dict[str, Any], Iterable[Mapping[str, Any]]]] = [(merged, outputs)]
    while pending:
        target, objects = pending.pop()
        for key, values in _by_key(objects).items():
            met = _values_that_meet(values)
            if len(met) == 1:
                target[key] = met[0]
            elif isinstance(met[0], list):
                target[key] = _union(met)
            else:
                target[key] = {}
                pending.append((target[key], met))
    return merged


def _by_key(objects: Iterable[Mapping[str, Any]]) -> dict[str, list[Any]]:
    grouped: dict[str, list[Any]] = {}
    for item in objects:
        for key, value in item.items():
            grouped.setdefault(key, []).append(value)
    return grouped


def _values_that_meet(values: list[Any]) -> list[Any]:
    """Give the arrays or objects at the end of the list, or its last value alone."""
    kind = type(values[-1])
    first = len(values) - 1
    if kind in (list, dict):
        while first and type(values[first - 1]) is kind:
            first -= 1
    return values[first:]


def _union(arrays: Iterable[list[Any]]) -> list[Any]:
    first_of: dict[Any, Any] = {}
    for array in arrays:
        for item in array:
            first_of.setdefault(identity(item), item)
    return list(first_of.values())


def input_context(
    task: Task, outputs: Mapping[str, Mapping[str, Any]], initial: Mapping[str, Any]
) -> dict[str, Any]:
    """Give the context that a task starts with.

    Parameters:
        task: the task.
        outputs: the output context of each of its dependencies that Completed, by id. Those that
            Failed or were Skipped are not in it and contribute nothing.
        initial: the execution's initial context, which is the input of a task without
            dependencies.
    """
    if not task.dependencies:
        return dict(initial)
    return merge(outputs[name] for name in task.dependencies if name in outputs)


def final_context(
    graph: Graph, outputs: Mapping[str, Mapping[str, Any]], initial: Mapping[str, Any]
) -> dict[str, Any]:
    """Give the context that an execution ends with.

    Parameters:
        graph: the workflow.
        outputs: the output context of each leaf task that Completed, by id; other tasks' are not
            looked at.
        initial: the execution's initial context, which is the result when no leaf Completed.
    """
    leaves = frozenset(graph.leaves)
    ended = [name for name in graph.topological_order if name in leaves and name in outputs]
    return merge(outputs[name] for name in ended) if ended else dict(initial)


def parse_context(text: str, max_bytes: int) -> dict[str, Any]:
    """Read a context from JSON text.

    Parameters:
        text: JSON.
        max_bytes: the size limit for the text as UTF-8, in bytes.

    Raises:
        ContextTooLarge: the text is over the limit.
        ContextError: the text is not strict JSON (NaN and Infinity are not), nests too deep, is no
            object, or cannot be written as UTF-8.
    """
    check_size(text, max_bytes)
    try:
        value = load_json(text)
    except ValueError as error:
        raise ContextError(f"the context {error}") from None
    if not isinstance(value, dict):
        raise ContextError(f"the context must be a JSON object, not {_KINDS[type(value)]}")
    return value


_KINDS: dict[type, str] = {
    list: "an array",
    str: "a text",
    int: "a number",
    float: "a number",
    bool: "a boolean",
    type(None): "null",
}


def dump_context(context: Mapping[str, Any], max_bytes: int) -> str:
    """Write a context as JSON text, as it is stored.

    Parameters:
        context: a JSON object.
        max_bytes: the size limit for the text as UTF-8, in bytes.

    Raises:
        ContextTooLarge: the text is over the limit.
        ContextError: the context is not JSON, or nests too deep.
    """
    try:
        text = dump_json(context)
    except ValueError as error:
        raise ContextError(f"the context {error}") from None
    check_size(text, max_bytes)
    return text


def check_size(text: str, max_bytes: int) -> None:
    """Refuse a context that is too large.

    Parameters:
        text: its JSON text.
        max_bytes: the size limit for the text as UTF-8, in bytes.

    Raises:
        ContextTooLarge: the text is over the limit.
        ContextError: it cannot be written as UTF-8.
    """
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise ContextError(
            "the context is not valid Unicode: write an unpaired surrogate as a \\u escape"
        ) from None
    if size > max_bytes:
        raise ContextTooLarge(size, max_bytes)
