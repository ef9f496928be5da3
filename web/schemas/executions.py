"""Shapes of executions."""

from marshmallow import fields, validate

from cloacina.dag.states import ExecutionState
from cloacina.executions.attempt_log import STDERR, STDOUT
from cloacina.executions.logs import MOST_LINES
from cloacina.lifecycle.control import FAILED, START
from web.schemas.common import Answer, Moment, Number, Pagination, RequestBody, Timestamp
from web.schemas.workflows import ExecuteResponse

_STATES = tuple(str(state.value) for state in ExecutionState)


class ExecutionsQuery(Pagination):
    """Which executions to list."""

    status = fields.String(
        load_default=None, validate=validate.OneOf(_STATES, error="must be one of: {choices}")
    )
    workflow = fields.String(load_default=None)


class ExecutionSummary(Answer):
    """An execution, as lists show it."""

    id = fields.UUID()
    workflow_name = fields.String()
    status = fields.String(validate=validate.OneOf(_STATES))
    started_at = Timestamp()
    completed_at = Timestamp(allow_none=True)
    trigger_origin = fields.String(allow_none=True)


class ExecutionDetail(Answer):
    """An execution."""

    tenant_id = fields.String()
    execution_id = fields.UUID(attribute="id")
    status = fields.String(validate=validate.OneOf(_STATES))
    workflow_name = fields.String()
    workflow_version = fields.String()
    context = fields.Raw(
        metadata={
            "type": "object",
            "description": "What it ended with; what it began with until it ends.",
        }
    )
    error = fields.String(allow_none=True)
    started_at = Timestamp()
    completed_at = Timestamp(allow_none=True)
    rerun_of = fields.UUID(
        allow_none=True, metadata={"description": "The execution that it repeats."}
    )


class ExecutionStatus(Answer):
    """An execution that was cancelled, paused or resumed."""

    tenant_id = fields.String()
    execution_id = fields.UUID()
    status = fields.String(
        validate=validate.OneOf(_STATES), metadata={"description": "Its new state."}
    )


class RerunRequest(RequestBody):
    """From where an execution is to be run again."""

    start_from = fields.String(
        data_key="from",
        load_default=START,
        validate=validate.OneOf((START, FAILED), error="must be one of: {choices}"),
        metadata={
            "description": "`failed` takes over what completed, and what no failed task led to."
        },
    )


class RerunResponse(ExecuteResponse):
    """An execution that repeats another, and was accepted."""

    rerun_of = fields.UUID()


class EventsQuery(RequestBody):
    """Which events of an execution to give."""

    since = Moment()
    after = Number("Only events of a higher sequence_num.")


class ExecutionEvent(Answer):
    """Something that happened in an execution."""

    id = fields.UUID()
    event_type = fields.String()
    event_data = fields.String(allow_none=True, metadata={"description": "JSON, as text."})
    task_name = fields.String(allow_none=True)
    created_at = Timestamp()
    sequence_num = fields.Integer(metadata={"format": "int64"})


class ExecutionEventsResponse(Answer):
    """What happened in an execution, in order."""

    tenant_id = fields.String()
    execution_id = fields.UUID()
    events = fields.List(fields.Nested(ExecutionEvent))


class TaskExecutionDetail(Answer):
    """A task of an execution."""

    id = fields.UUID()
    task_name = fields.String()
    status = fields.String()
    attempt = fields.Integer()
    max_attempts = fields.Integer()
    last_error = fields.String(allow_none=True)
    error_details = fields.String(allow_none=True)
    sub_status = fields.String(allow_none=True)
    started_at = Timestamp(allow_none=True)
    completed_at = Timestamp(allow_none=True)
    created_at = Timestamp()
    updated_at = Timestamp()


class ExecutionTasksResponse(Answer):
    """The tasks of an execution."""

    tenant_id = fields.String()
    execution_id = fields.UUID()
    tasks = fields.List(fields.Nested(TaskExecutionDetail))


class LogsQuery(RequestBody):
    """Which lines of an execution's log to give."""

    task = fields.String(
        load_default=None,
        metadata={"description": "Only of this task, by its id or its full name."},
    )
    since = Moment()
    after = Number(
        "Only lines of a higher sequence: the last one's, to go on with the next page. A page may"
        " be shorter than its limit when lines are long; an empty one is the last for now."
    )
    limit = fields.Integer(
        load_default=1000,
        validate=validate.Range(1, MOST_LINES, error=f"must be between 1 and {MOST_LINES}"),
        error_messages={"invalid": f"must be a whole number between 1 and {MOST_LINES}"},
        metadata={"description": "Lines at most."},
    )


class TaskLogLine(Answer):
    """A line that a task wrote to stdout or stderr."""

    sequence = fields.Integer(
        metadata={
            "format": "int64",
            "description": "Grows from line to line of an execution, with gaps.",
        }
    )
    task_name = fields.String()
    attempt = fields.Integer()
    stream = fields.String(validate=validate.OneOf((STDOUT, STDERR)))
    at = Timestamp()
    line = fields.String(metadata={"description": "Without its end, as the task wrote it."})


class ExecutionLogsResponse(Answer):
    """A page of what an execution's tasks wrote, in order."""

    tenant_id = fields.String()
    execution_id = fields.UUID()
    lines = fields.List(fields.Nested(TaskLogLine))
