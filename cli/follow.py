"""Waiting for what the server works on: a build, an execution, further events and lines."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from cli.errors import ApiError, BuildFailed, ExecutionFailed, TransportError
from cli.state import State
from cli.text import printable

if TYPE_CHECKING:
    from rich.table import Table

T = TypeVar("T")
Answer = Mapping[str, Any]
# how a question to the API is asked: once, or for as long as the server is away
Asking = Callable[[Callable[[], Answer]], Answer]

FINISHED = frozenset({"Completed", "Failed", "Cancelled"})
FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 1.0
OUTAGE_S = 30.0


def polls() -> Iterator[None]:
    """Pace a loop: at once, then after pauses that grow from 50 ms to 1 s, without end."""
    pause = FIRST_PAUSE_S
    while True:
        yield
        time.sleep(pause)
        pause = min(pause * 1.5, LONGEST_PAUSE_S)


def steadily(ask: Callable[[], T]) -> T:
    """Ask again while the server is away, so that its restart does not end a long wait.

    Neither does a tenant that just sends more requests than it may.

    Parameters:
        ask: one question to the API.

    Returns:
        Its answer.

    Raises:
        TransportError, ApiError: the server is away, or at fault, for more than 30 s; any other
            refusal at once.
    """
    deadline = time.monotonic() + OUTAGE_S
    for _ in polls():
        try:
            return ask()
        except (TransportError, ApiError) as error:
            refused = isinstance(error, ApiError) and error.status < 500 and error.status != 429
            if refused or time.monotonic() > deadline:
                raise
    raise AssertionError("polls() has no end")


def wait_for_build(state: State, package_id: str) -> None:
    """Wait until a package is built.

    Raises:
        BuildFailed: it does not build; the text is the build's error.
    """
    path = state.tenant_path("workflows", package_id)
    with _status(state, "building") as tell:
        for _ in polls():
            package = steadily(lambda: state.client.get(path))
            tell(package["build_status"])
            if package["build_status"] == "success":
                return
            if package["build_status"] == "failed":
                raise BuildFailed(f"the build failed: {package.get('build_error')}")


def wait_for_execution(state: State, execution_id: str) -> None:
    """Wait until an execution has ended, and show its tasks meanwhile on a terminal.

    Raises:
        ExecutionFailed: it ended otherwise than Completed; the text says how and why.
    """
    path = state.tenant_path("executions", execution_id)
    with _live_tasks(state) as draw:
        for _ in polls():
            execution = steadily(lambda: state.client.get(path))
            if draw is not None:
                draw(execution["status"], steadily(lambda: state.client.get(f"{path}/tasks")))
            if execution["status"] in FINISHED:
                break
    if execution["status"] != "Completed":
        reason = f": {execution['error']}" if execution.get("error") else ""
        raise ExecutionFailed(f"execution {execution_id} ended as {execution['status']}{reason}")


@dataclass(frozen=True)
class Source:
    """Something of an execution that only ever grows.

    Parameters:
        path: its last segment in the API.
        rows: the key of its rows in an answer.
        cursor: the key of a row's number; the API gives those after it.
        page: rows that are asked for at a time; 0: the API gives all at once.
    """

    path: str
    rows: str
    cursor: str
    page: int = 0


EVENTS = Source("events", "events", "sequence_num")
LOGS = Source("logs", "lines", "sequence", page=5000)


class Reader:
    """Reads a source on and on, each row once.

    Parameters:
        state: the run.
        execution_id: whose rows.
        source: which of its rows.
        since: the oldest to begin with, as the API takes it; None for all.
        filters: more of the API's query; None values are left out.
    """

    def __init__(
        self,
        state: State,
        execution_id: str,
        source: Source,
        since: str | None,
        **filters: str | None,
    ) -> None:
        self._state = state
        self._source = source
        self._execution = state.tenant_path("executions", execution_id)
        self._path = f"{self._execution}/{source.path}"
        self._query: dict[str, object] = {**filters, "since": since}
        if source.page:
            self._query["limit"] = source.page

    def rest(self) -> Iterator[Answer]:
        """Yield the rows that there are by now and were not given before."""
        return self._rest(lambda question: question())

    def _rest(self, asking: Asking) -> Iterator[Answer]:
        while rows := self._ask(asking):
            # the number says more exactly than the time where to go on
            self._query |= {"since": None, "after": rows[-1][self._source.cursor]}
            yield from rows
            if not self._source.page:
                return

    def follow(self) -> Iterator[Answer]:
        """Yield the rows as they come, until the execution has ended."""
        for _ in polls():
            # the state is read first: what is written before the end is then among the rows
            execution = steadily(lambda: self._state.client.get(self._execution))
            yield from self._rest(steadily)
            if execution["status"] in FINISHED:
                return

    def _ask(self, asking: Asking) -> Sequence[Answer]:
        answer = asking(lambda: self._state.client.get(self._path, **self._query))
        rows: Sequence[Answer] = answer[self._source.rows]
        return rows


def local_name(task_name: str) -> str:
    """Give a task's own name out of `<tenant>::<package>::<workflow>::<task>`."""
    return task_name.rpartition("::")[2]


@contextmanager
def _status(state: State, text: str) -> Iterator[Callable[[str], None]]:
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console

    with Console(stderr=True, no_color=not state.color or None).status(text) as status:
        yield lambda said: status.update(printable(said))


@contextmanager
def _live_tasks(
    state: State,
) -> Iterator[Callable[[str, Answer], None] | None]:
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.live import Live

    console = Console(stderr=True, no_color=not state.color or None)
    with Live(console=console, auto_refresh=False) as live:
        yield lambda status, answer: live.update(_tasks_table(status, answer), refresh=True)


def _tasks_table(status: str, answer: Answer) -> "Table":
    from rich.table import Table
    from rich.text import Text

    colors = {"Completed": "green", "Failed": "red", "Running": "cyan", "Skipped": "dim"}
    table = Table(box=None, pad_edge=False, title=Text(printable(status)), title_justify="left")
    for task in answer["tasks"]:
        table.add_row(
            Text(printable(local_name(task["task_name"]))),
            Text(printable(task["status"]), style=colors.get(task["status"], "")),
            Text(f"attempt {task['attempt']} of {task['max_attempts']}"),
        )
    return table
