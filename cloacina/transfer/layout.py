"""What an export holds: its members, and of each table the columns that travel.

    manifest.json       what this is, and of each further member its size and hash
    settings.json       what the platform has set for the tenant
    packages.jsonl      a row a line, as all that ends so
    archives/ID.cloacina
    schedules.jsonl
    executions.jsonl
    tasks.jsonl
    events.jsonl
    logs.jsonl

Claims stay behind: tokens, leases and workers are the old server's.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, DefaultClause

from cloacina.dag.states import TERMINAL_EXECUTION_STATES, ExecutionState, TaskState
from cloacina.db.models import TenantBase
from cloacina.executions.attempt_log import STDERR, STDOUT
from cloacina.executions.models import EventRow, ExecutionRow, LogLineRow, TaskRow
from cloacina.packages.models import BUILDING, FAILED, PENDING, SUCCESS, PackageRow
from cloacina.schedules.models import ScheduleRow
from cloacina.transfer import values
from cloacina.transfer.values import MOST_INTEGER, MOST_SERIAL, Read, whole

FORMAT: Final = 1

MANIFEST: Final = "manifest.json"
SETTINGS: Final = "settings.json"

_COUNT = whole(0, MOST_INTEGER)
_SERIAL = whole(1, MOST_SERIAL)
_TEXT = values.text(10_000_000)
_SHORT = values.text(2_000)

Check = Callable[[Mapping[str, Any]], str | None]
"""Says what is wrong between the values of a row."""


@dataclass(frozen=True)
class Field:
    """A column that travels.

    Parameters:
        column: its name, in the table and in a line.
        read: takes its value.
        nullable: it may be null.
        default: what it is in exports that are older than the column; None: they need not have it
            where it may be null.
    """

    column: str
    read: Read
    nullable: bool
    default: Any = None


@dataclass(frozen=True)
class Table:
    """A table that travels.

    Parameters:
        member: the name of its member.
        noun: what a row is, for people.
        row: its model.
        order: columns by which it is written; each has an index.
        fields: what travels.
        at_once: rows that are read from the database at a time; of long ones few.
        check: of a row whose values are each right.
        serial: the column that the database numbers, if there is one; it grows from line to line.
    """

    member: str
    noun: str
    row: type[TenantBase]
    order: tuple[str, ...]
    fields: tuple[Field, ...]
    at_once: int
    check: Check = lambda _: None
    serial: str | None = None

    @property
    def name(self) -> str:
        """The table's name in the database."""
        return str(self.row.__tablename__)

    @property
    def columns(self) -> list[ColumnElement[Any]]:
        """The columns that travel."""
        columns = self.row.__table__.columns
        return [columns[field.column] for field in self.fields]


def archive_member(package_id: UUID) -> str:
    """Name the member that holds a package's archive; the id is the exporting server's."""
    return f"archives/{package_id}.cloacina"


def _fields(
    row: type[TenantBase], left_out: Collection[str] = (), **reads: Read
) -> tuple[Field, ...]:
    """Name the columns of a table; those whose reader is not given have that of their type."""
    by_type: dict[type, Read] = {
        UUID: values.uuid,
        bool: values.boolean,
        int: _COUNT,
        str: _TEXT,
    }
    found = []
    for column in row.__table__.columns:
        if column.name in left_out:
            continue
        # columns of moments have a type of their own
        plain = getattr(column.type, "impl", None) is None
        kind = by_type[column.type.python_type] if plain else values.moment
        default = 0 if isinstance(column.server_default, DefaultClause) else None
        found.append(
            Field(column.name, reads.pop(column.name, kind), bool(column.nullable), default)
        )
    assert not reads, reads  # noqa: S101  # a misspelt column
    return tuple(found)


def _build_status(value: Any) -> str:
    known: str = values.one_of((PENDING, BUILDING, SUCCESS, FAILED))(value)
    # who built it does so on the old server
    return PENDING if known == BUILDING else known


def _check_package(row: Mapping[str, Any]) -> str | None:
    is_built = row["build_status"] == SUCCESS
    if is_built != (row["definition"] is not None) or is_built != bool(row["workflow_version"]):
        return "a package has a definition and a workflow_version exactly when it is built"
    if row["active"] and (not is_built or row["deleted_at"] is not None):
        return "only a package that is built and not deleted can be active"
    return None


def _check_execution(row: Mapping[str, Any]) -> str | None:
    has_ended = row["status"] in TERMINAL_EXECUTION_STATES
    if has_ended != (row["open_tasks"] == 0) or has_ended != (row["completed_at"] is not None):
        return "an execution has open tasks and no completed_at exactly until it has ended"
    return None


def _check_task(row: Mapping[str, Any]) -> str | None:
    if row["status"] == TaskState.COMPLETED and row["output_context"] is None:
        return "a task that completed has an output_context"
    if row["status"] == TaskState.RUNNING and row["attempt"] == 0:
        return "a task that runs has been started"
    return None


PACKAGES: Final = Table(
    "packages.jsonl",
    "package",
    PackageRow,
    ("upload_order",),
    _fields(
        PackageRow,
        ("build_token", "build_lease_until"),
        upload_order=_SERIAL,
        package_name=values.name,
        version=values.name,
        workflow_name=_SHORT,
        entry_module=_SHORT,
        content_hash=values.hexadecimal(64),
        source_hash=values.hexadecimal(64),
        size_bytes=whole(0, MOST_SERIAL),
        build_status=_build_status,
        definition=values.definition,
        workflow_version=values.hexadecimal(16),
    ),
    at_once=20,
    check=_check_package,
    serial="upload_order",
)
SCHEDULES: Final = Table(
    "schedules.jsonl",
    "schedule",
    ScheduleRow,
    ("id",),
    _fields(
        ScheduleRow,
        schedule_type=values.one_of(("cron", "trigger")),
        workflow_name=_SHORT,
        cron_expression=_SHORT,
        timezone=_SHORT,
        trigger_name=_SHORT,
    ),
    at_once=500,
)
EXECUTIONS: Final = Table(
    "executions.jsonl",
    "execution",
    ExecutionRow,
    ("id",),
    _fields(
        ExecutionRow,
        workflow_name=_SHORT,
        workflow_version=values.text(64),
        status=values.one_of(tuple(map(str, ExecutionState))),
        trigger_origin=_SHORT,
        request_id=_SHORT,
        idempotency_key=values.text(255),
        request_hash=values.hexadecimal(64),
        input_context=values.json_object,
        final_context=values.json_object,
    ),
    at_once=20,
    check=_check_execution,
)
TASKS: Final = Table(
    "tasks.jsonl",
    "task",
    TaskRow,
    ("execution_id", "task_id"),
    _fields(
        TaskRow,
        ("claim_token", "worker", "lease_until", "sub_status"),
        task_id=values.name,
        status=values.one_of(tuple(map(str, TaskState))),
        max_attempts=whole(1, MOST_INTEGER),
        output_context=values.json_object,
    ),
    at_once=40,
    check=_check_task,
)
EVENTS: Final = Table(
    "events.jsonl",
    "event",
    EventRow,
    ("serial",),
    _fields(
        EventRow,
        serial=_SERIAL,
        sequence_num=whole(1, MOST_INTEGER),
        event_type=values.name,
        event_data=values.json_object,
        task_id=values.name,
    ),
    at_once=500,
    serial="serial",
)
LOGS: Final = Table(
    "logs.jsonl",
    "line",
    LogLineRow,
    ("serial",),
    _fields(
        LogLineRow,
        serial=_SERIAL,
        task_id=values.name,
        attempt=whole(1, MOST_INTEGER),
        stream=values.one_of((STDOUT, STDERR)),
    ),
    at_once=500,
    serial="serial",
)

AFTER_ARCHIVES: Final = (SCHEDULES, EXECUTIONS, TASKS, EVENTS, LOGS)
"""The tables that follow packages and their archives, each after those that it points at."""

TABLES: Final = (PACKAGES, *AFTER_ARCHIVES)
