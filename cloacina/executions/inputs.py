"""What a task starts with: the initial context, or what its dependencies put out."""

import json
from collections.abc import Mapping, Sequence
from uuid import UUID

from cloacina.dag.context import input_context
from cloacina.dag.errors import ContextTooLarge
from cloacina.dag.graph import Task
from cloacina.dag.values import dump_json
from cloacina.db import Call, Row
from cloacina.executions.transition import SQL, output_texts, outputs_call


def input_calls(
    execution_id: UUID, task: Task, max_context_bytes: int, known: Mapping[str, str]
) -> list[Call]:
    """Ask for what a task starts with, as far as it is not known."""
    if not task.dependencies:
        return [Call(SQL.root_input, {"execution_id": execution_id})]
    if known.keys() >= set(task.dependencies):
        return []
    return [outputs_call(execution_id, task.dependencies, max_context_bytes)]


def read_input(
    task: Task, max_context_bytes: int, known: Mapping[str, str], rows: Sequence[list[Row]]
) -> tuple[str | None, int]:
    """Give what a task starts with, and its size; the last of the rows are `input_calls`'."""
    names = task.dependencies
    if not names:
        return rows[-1][0].text, rows[-1][0].total
    if known.keys() >= set(names):
        texts = {name: known[name] for name in names}
    else:
        try:
            texts = output_texts(rows[-1], max_context_bytes)
        except ContextTooLarge as error:
            return None, error.size
    if len(texts) == 1:
        # merged with nothing it stays as it is
        text = next(iter(texts.values()))
    else:
        outputs = {name: json.loads(found) for name, found in texts.items()}
        text = dump_json(input_context(task, outputs, {}))
    return text, len(text.encode(errors="surrogatepass"))
