"""Shapes of workflows and the packages that hold them."""

from flask_smorest.fields import Upload
from marshmallow import Schema, fields, validate

from web.schemas.common import Answer, RequestBody, Timestamp


class PackageUploadForm(Schema):
    """A package to be uploaded."""

    file = Upload(required=True)


class WorkflowUploadedResponse(Answer):
    """A package that was taken in, and is going to be built."""

    package_id = fields.UUID()
    tenant_id = fields.String()


class InputSlot(Schema):
    """A param that a workflow declares."""

    name = fields.String(required=True)
    schema = fields.Dict(required=True, metadata={"description": "Its JSON Schema."})
    required = fields.Boolean(required=True)
    encrypted = fields.Boolean(required=True)
    default = fields.Raw(
        allow_none=True, metadata={"description": "Left out where there is no default."}
    )


class WorkflowTaskNode(Answer):
    """A task of a workflow."""

    id = fields.String()
    dependencies = fields.List(fields.String())
    description = fields.String(allow_none=True)
    doc_what = fields.String(allow_none=True)
    doc_why = fields.String(allow_none=True)


class WorkflowSummary(Answer):
    """A workflow, as lists show it."""

    id = fields.UUID()
    package_name = fields.String()
    workflow_name = fields.String()
    version = fields.String()
    description = fields.String(allow_none=True)
    tasks = fields.List(fields.String())
    created_at = Timestamp()
    paused = fields.Boolean()


class WorkflowDetail(WorkflowSummary):
    """A workflow."""

    tenant_id = fields.String()
    task_graph = fields.List(fields.Nested(WorkflowTaskNode))
    build_status = fields.String(
        validate=validate.OneOf(("pending", "building", "success", "failed"))
    )
    build_error = fields.String(allow_none=True)
    declared_params = fields.List(fields.Nested(InputSlot))


class WorkflowSourceFile(Answer):
    """A text of a package."""

    path = fields.String()
    contents = fields.String()
    language = fields.String(allow_none=True)


class WorkflowSourceResponse(Answer):
    """The texts of a package."""

    tenant_id = fields.String()
    id = fields.UUID()
    package_name = fields.String()
    workflow_name = fields.String()
    version = fields.String()
    files = fields.List(fields.Nested(WorkflowSourceFile))


class WorkflowPauseResponse(Answer):
    """A workflow that was paused or resumed."""

    tenant_id = fields.String()
    id = fields.UUID()
    name = fields.String()
    status = fields.String(validate=validate.OneOf(("paused", "resumed")))
    paused = fields.Boolean()


class WorkflowDeletedResponse(Answer):
    """A version of a package that is not there any more."""

    status = fields.String()
    package_name = fields.String()
    version = fields.String()


class ExecuteRequest(RequestBody):
    """An execution to be started."""

    context = fields.Dict(
        load_default=None,
        allow_none=True,
        error_messages={"invalid": "must be a JSON object"},
        metadata={"description": "What the workflow starts with."},
    )


class ExecuteResponse(Answer):
    """An execution that was accepted."""

    execution_id = fields.UUID()
    workflow_name = fields.String()
    tenant_id = fields.String()
    status = fields.String()
