"""`execution`: what ran, what runs, and what happened in it."""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import click

from cli.follow import EVENTS, LOGS, Reader, local_name, wait_for_execution
from cli.options import Group
from cli.output import Columns, identifier, show_done, show_id, show_list, show_object
from cli.state import State, pass_state
from cli.text import printable

STATUSES = ("Pending", "Running", "Completed", "Failed", "Cancelled", "Paused")

execution = Group("execution", help="Look at executions and what happened in them, and steer them.")


@execution.command("list")
@click.option("--workflow", metavar="NAME", help="Only of this workflow.")
@click.option("--status", type=click.Choice(STATUSES, case_sensitive=False), help="Only in it.")
@click.option("--limit", type=int, default=50, show_default=True, help="How many at most.")
@click.option("--offset", type=int, default=0, show_default=True, help="How many to pass over.")
@pass_state
def list_executions(
    state: State, workflow: str | None, status: str | None, limit: int, offset: int
) -> None:
    """List executions, the newest first."""
    query = {"workflow": workflow, "status": status, "limit": limit, "offset": offset}
    columns: Columns = {
        "ID": "id",
        "WORKFLOW": "workflow_name",
        "STATUS": "status",
        "STARTED": "started_at",
        "COMPLETED": "completed_at",
        "ORIGIN": "trigger_origin",
    }
    show_list(state, state.client.items(state.tenant_path("executions"), **query), columns)


@execution.command("status")
@click.argument("execution_id", metavar="ID")
@pass_state
def status(state: State, execution_id: str) -> None:
    """Show an execution's state and context."""
    show_object(state, state.client.get(state.tenant_path("executions", execution_id)))


@execution.command("events")
@click.argument("execution_id", metavar="ID")
@click.option("--since", metavar="DUR", help="Only later than that long ago (5m), or than a time.")
@click.option("--follow", is_flag=True, help="Go on until the execution ends; json: one a line.")
@pass_state
def events(state: State, execution_id: str, since: str | None, follow: bool) -> None:
    """Show what happened in an execution, in order."""
    if follow:
        rows = Reader(state, execution_id, EVENTS, since).follow()
        _print_stream(state, rows, _event_line)
        return
    path = state.tenant_path("executions", execution_id, "events")
    columns: Columns = {
        "SEQ": "sequence_num",
        "AT": "created_at",
        "EVENT": "event_type",
        "TASK": _task,
        "DATA": "event_data",
    }
    show_list(state, state.client.get(path, since=since)["events"], columns)


@execution.command("tasks")
@click.argument("execution_id", metavar="ID")
@pass_state
def tasks(state: State, execution_id: str) -> None:
    """Show an execution's tasks."""
    path = state.tenant_path("executions", execution_id, "tasks")
    columns: Columns = {
        "TASK": _task,
        "STATUS": "status",
        "ATTEMPT": lambda task: f"{task['attempt']}/{task['max_attempts']}",
        "STARTED": "started_at",
        "COMPLETED": "completed_at",
        "ERROR": lambda task: task["last_error"] or task["error_details"],
    }
    show_list(state, state.client.get(path)["tasks"], columns)


@execution.command("logs")
@click.argument("execution_id", metavar="ID")
@click.option("--task", metavar="T", help="Only of this task.")
@click.option("--since", metavar="DUR", help="Only later than that long ago (5m), or than a time.")
@click.option("--follow", is_flag=True, help="Go on until the execution ends; json: one a line.")
@pass_state
def logs(
    state: State, execution_id: str, task: str | None, since: str | None, follow: bool
) -> None:
    """Show what an execution's tasks wrote, in order.

    Each line has its time (UTC), its task and, from the second on, the attempt. A | stands before
    what went to stdout, a ! before what went to stderr.
    """
    reader = Reader(state, execution_id, LOGS, since, task=task)
    if follow:
        _print_stream(state, reader.follow(), _LogLines())
    elif state.output == "table":
        # a long log is not held in memory, and an empty one leaves a file empty
        _print_stream(state, reader.rest(), _LogLines())
    else:
        show_list(state, list(reader.rest()), {})


@execution.command("cancel")
@click.argument("execution_id", metavar="ID")
@pass_state
def cancel(state: State, execution_id: str) -> None:
    """End an execution: what runs is killed, and nothing of it runs any more."""
    _steer(state, execution_id, "cancel", "cancelled")


@execution.command("pause")
@click.argument("execution_id", metavar="ID")
@pass_state
def pause(state: State, execution_id: str) -> None:
    """Start no further task of an execution; those that run go on to their end."""
    _steer(state, execution_id, "pause", "paused")


@execution.command("resume")
@click.argument("execution_id", metavar="ID")
@pass_state
def resume(state: State, execution_id: str) -> None:
    """Let a paused execution go on."""
    _steer(state, execution_id, "resume", "resumed")


@execution.command("rerun")
@click.argument("execution_id", metavar="ID")
@click.option(
    "--from",
    "start_from",
    type=click.Choice(("failed", "start")),
    default="start",
    show_default=True,
    help="failed: what completed is taken over.",
)
@click.option("--wait", is_flag=True, help="Wait for the end; exit 0 only when it Completed.")
@pass_state
def rerun(state: State, execution_id: str, start_from: str, wait: bool) -> None:
    """Run an execution that has ended again, and print the new execution's id.

    It begins with the same context, on the same version of the package.
    """
    path = state.tenant_path("executions", execution_id, "rerun")
    started = state.client.post(path, {"from": start_from})
    show_id(state, started)
    if wait:
        wait_for_execution(state, started["execution_id"])


def _steer(state: State, execution_id: str, verb: str, done: str) -> None:
    answer = state.client.post(state.tenant_path("executions", execution_id, verb))
    show_done(state, answer, f"{done} execution {execution_id}")


def _task(row: Mapping[str, Any]) -> str | None:
    return local_name(row["task_name"]) if row["task_name"] else None


def _print_stream(
    state: State, rows: Iterable[Mapping[str, Any]], write: Callable[[Mapping[str, Any]], str]
) -> None:
    """Print rows one by one; a list's closing bracket would come only at the end.

    Parameters:
        state: says in which form.
        rows: the rows, as the API gave them.
        write: makes a row's line for people.
    """
    for row in rows:
        if state.output == "json":
            line = json.dumps(row, ensure_ascii=False)
        elif state.output == "yaml":
            import yaml

            line = yaml.safe_dump([row], sort_keys=False, allow_unicode=True).rstrip("\n")
        elif state.output == "id":
            line = identifier(row)
        else:
            line = printable(write(row)).replace("\n", "\\n")
        click.echo(line)


def _event_line(row: Mapping[str, Any]) -> str:
    parts = (row["created_at"], row["event_type"], _task(row), row["event_data"])
    return "  ".join(part for part in parts if part)


class _LogLines:
    """Writes lines of a log, the tasks' names padded to the widest that was seen so far."""

    def __init__(self) -> None:
        self._width = 0

    def __call__(self, row: Mapping[str, Any]) -> str:
        name = _task(row) or ""
        if row["attempt"] > 1:
            name += f" ({row['attempt']})"
        self._width = max(self._width, len(name))
        mark = "!" if row["stream"] == "stderr" else "|"
        # 2026-01-02T03:04:05.123456+00:00, which is always UTC
        return f"{row['at'][:23]}Z {name:{self._width}} {mark} {row['line']}".rstrip()
