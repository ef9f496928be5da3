"""`trigger`: what starts workflows by itself."""

import click

from cli.options import Group
from cli.output import Columns, Row, show_list, show_object
from cli.state import State, pass_state

_PAGE = 1000

trigger = Group("trigger", help="Look at triggers and schedules.")


@trigger.command("list")
@pass_state
def list_triggers(state: State) -> None:
    """List triggers and cron schedules."""
    path, items = state.tenant_path("triggers"), list[Row]()
    while True:
        page = state.client.items(path, limit=_PAGE, offset=len(items))
        items += page
        if len(page) < _PAGE:
            break
    columns: Columns = {
        "NAME": lambda item: item["trigger_name"] or item["workflow_name"],
        "TYPE": "schedule_type",
        "WORKFLOW": "workflow_name",
        "WHEN": _when,
        "ENABLED": "enabled",
        "PAUSED": "paused",
        "NEXT RUN": "next_run_at",
        "LAST RUN": "last_run_at",
    }
    show_list(state, items, columns)


@trigger.command("inspect")
@click.argument("name")
@pass_state
def inspect(state: State, name: str) -> None:
    """Show a trigger or schedule, and its last runs."""
    answer = state.client.get(state.tenant_path("triggers", name))
    if state.output == "id":
        show_object(state, answer["schedule"])
    else:
        runs = {"recent_executions": answer["recent_executions"]}
        show_object(state, answer, table=answer["schedule"] | runs)


def _when(item: Row) -> str | None:
    if item["cron_expression"]:
        zone = item.get("timezone")
        return f"{item['cron_expression']} ({zone})" if zone else item["cron_expression"]
    return f"every {item['poll_interval_ms']} ms" if item["poll_interval_ms"] else None
