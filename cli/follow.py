"""Waiting for what the server works on: a build, an execution, further events."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from cli.errors import ApiError, BuildFailed, ExecutionFailed, TransportError
from cli.state import State
from cli.text import printable

if TYPE_CHECKING:
    from rich.table import Table

T = TypeVar("T")
Answer = Mapping[str, Any]

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

    Parameters:
        ask: one question to the API.

    Returns:
        Its answer.

    Raises:
        TransportError, ApiError: the server is away, or at fault, for more than 30 s; any refusal
            at once.
    """
    deadline = time.monotonic() + OUTAGE_S
    for _ in polls():
        try:
            return ask()
        except (TransportError, ApiError) as error:
            refused = isinstance(error, ApiError) and error.status < 500
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


def follow_events(state: State, execution_id: str, since: str | None) -> Iterator[Answer]:
    """Yield an execution's events as they come, until it has ended.

    Parameters:
        state: the run.
        execution_id: whose events.
        since: the oldest to begin with, as the API takes it; None for all.
    """
    path = state.tenant_path("executions", execution_id)
    after: int | None = None
    for _ in polls():
        # the state is read first: what is written before the end is then among the events
        status = steadily(lambda: state.client.get(path))["status"]
        query = {"after": after} if after is not None else {"since": since}
        for event in steadily(lambda: state.client.get(f"{path}/events", **query))["events"]:  # noqa: B023
            after = event["sequence_num"]
            yield event
        if status in FINISHED:
            return


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
