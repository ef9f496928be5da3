"""`workflow`: look at what was uploaded, and run it."""

import json
import sys
from pathlib import Path
from typing import Any

import click

from cli.follow import wait_for_execution
from cli.options import Group
from cli.output import show_done, show_id, show_list, show_object
from cli.state import State, pass_state
from cloacina.errors import InvalidInput

workflow = Group("workflow", help="Look at workflows, and run them.")


@workflow.command("list")
@click.option("--package", metavar="NAME", help="Only the workflow of this package.")
@pass_state
def list_workflows(state: State, package: str | None) -> None:
    """List the workflows that can run."""
    items = state.client.items(state.tenant_path("workflows"))
    shown = [item for item in items if package in (None, item["package_name"])]
    columns = {
        "WORKFLOW": "workflow_name",
        "PACKAGE": "package_name",
        "VERSION": "version",
        "TASKS": "tasks",
        "PAUSED": "paused",
        "DESCRIPTION": "description",
    }
    show_list(state, shown, columns)


@workflow.command("inspect")
@click.argument("name")
@pass_state
def inspect(state: State, name: str) -> None:
    """Show a workflow: its tasks, their order, its parameters."""
    show_object(state, state.client.get(state.tenant_path("workflows", name)))


@workflow.command("run")
@click.argument("name")
@click.option("--context", metavar="FILE|-", help="JSON object to start with; - reads stdin.")
@click.option("--param", "params", metavar="K=V", multiple=True, help="One entry of the context.")
@click.option("--wait", is_flag=True, help="Wait for the end; exit 0 only when it Completed.")
@click.option("--idempotency-key", metavar="KEY", help="The same key again starts nothing new.")
@pass_state
def run(
    state: State,
    name: str,
    *,
    context: str | None,
    params: tuple[str, ...],
    wait: bool,
    idempotency_key: str | None,
) -> None:
    """Start a workflow and print the execution's id.

    The value of a --param is read as JSON where it is JSON, and is text otherwise.
    """
    given = _read_context(context) if context is not None else {}
    given |= dict(map(_param, params))
    headers = {"Idempotency-Key": idempotency_key} if idempotency_key else None
    path = state.tenant_path("workflows", name, "execute")
    started = state.client.post(path, {"context": given} if given else {}, headers)
    show_id(state, started)
    if wait:
        wait_for_execution(state, started["execution_id"])


@workflow.command("pause")
@click.argument("name")
@pass_state
def pause(state: State, name: str) -> None:
    """Accept no new executions of a workflow."""
    answer = state.client.post(state.tenant_path("workflows", name, "pause"))
    show_done(state, answer, f"paused workflow {name}")


@workflow.command("resume")
@click.argument("name")
@pass_state
def resume(state: State, name: str) -> None:
    """Accept new executions of a workflow again."""
    answer = state.client.post(state.tenant_path("workflows", name, "resume"))
    show_done(state, answer, f"resumed workflow {name}")


def _read_context(source: str) -> dict[str, Any]:
    where = "stdin" if source == "-" else source
    try:
        text = sys.stdin.read() if source == "-" else Path(source).read_text(encoding="utf-8")
        context = _json(text)
    except ValueError as error:
        raise InvalidInput(f"the context ({where}) is not valid JSON: {error}") from None
    if not isinstance(context, dict):
        raise InvalidInput(f"the context ({where}) must be a JSON object")
    return context


def _param(text: str) -> tuple[str, Any]:
    key, separator, value = text.partition("=")
    if not separator or not key:
        raise click.UsageError(f"--param {text!r}: write it as NAME=VALUE.")
    try:
        return key, _json(value)
    except ValueError:
        return key, value


def _json(text: str) -> Any:
    return json.loads(text, parse_constant=_refuse_constant)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
