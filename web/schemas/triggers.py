"""Shapes of triggers and schedules."""

from marshmallow import fields, validate

from web.schemas.common import Answer, Timestamp


class TriggerScheduleInfo(Answer):
    """What starts a workflow by itself."""

    id = fields.UUID()
    schedule_type = fields.String(validate=validate.OneOf(("cron", "trigger")))
    workflow_name = fields.String()
    enabled = fields.Boolean()
    cron_expression = fields.String(allow_none=True)
    trigger_name = fields.String(allow_none=True)
    poll_interval_ms = fields.Integer(allow_none=True, metadata={"format": "int64"})
    paused = fields.Boolean()
    paused_at = Timestamp(allow_none=True)


class TriggerScheduleSummary(TriggerScheduleInfo):
    """What starts a workflow by itself, as lists show it."""

    next_run_at = Timestamp(allow_none=True)
    last_run_at = Timestamp(allow_none=True)
    created_at = Timestamp()
    timezone = fields.String(allow_none=True)


class TriggerExecution(Answer):
    """An execution that a schedule started."""

    id = fields.UUID()
    scheduled_time = Timestamp(allow_none=True)
    started_at = Timestamp()
    completed_at = Timestamp(allow_none=True)


class TriggerDetailResponse(Answer):
    """A schedule and its last executions."""

    tenant_id = fields.String()
    schedule = fields.Nested(TriggerScheduleInfo)
    recent_executions = fields.List(fields.Nested(TriggerExecution))
