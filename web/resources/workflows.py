"""Workflows: uploaded, looked at, paused, deleted, executed."""

from dataclasses import asdict
from pathlib import PurePosixPath
from typing import Any

from flask import Response, request

from cloacina.errors import InvalidInput
from cloacina.lifecycle import changes, intake, removal
from cloacina.packages import services as packages
from cloacina.packages.archive import SourceFile
from cloacina.packages.services import Package
from cloacina.tenants.models import Tenant
from web.blueprint import Blueprint
from web.schemas.common import tenant_items, tenant_list_of
from web.schemas.workflows import (
    ExecuteRequest,
    ExecuteResponse,
    PackageUploadForm,
    WorkflowDeletedResponse,
    WorkflowDetail,
    WorkflowPauseResponse,
    WorkflowSourceResponse,
    WorkflowSummary,
    WorkflowUploadedResponse,
)
from web.spool import spooled_json
from web.state import state
from web.uploads import FORM, uploaded_file

_ALL = "/v1/tenants/<tenant_id>/workflows"
_ONE = f"{_ALL}/<name>"

_SOURCE_HEAD = WorkflowSourceResponse(exclude=("files",))
_IDEMPOTENCY_KEY = "Idempotency-Key"
_LONGEST_IDEMPOTENCY_KEY = 255
_LANGUAGES = {
    ".py": "python",
    ".pyi": "python",
    ".toml": "toml",
    ".json": "json",
    ".yaml": "yaml",
    ".yml": "yaml",
    ".md": "markdown",
    ".sql": "sql",
    ".sh": "shell",
    ".html": "html",
    ".js": "javascript",
    ".css": "css",
}

blueprint = Blueprint("workflows", "Workflows and the packages that hold them.")


@blueprint.operation(
    "POST",
    _ALL,
    WorkflowUploadedResponse,
    status=201,
    errors=(413, 415),
    requestBody={"required": True, "content": {FORM: {"schema": PackageUploadForm}}},
)
def upload_workflow(tenant: Tenant) -> dict[str, Any]:
    """Take in a package, and have it built."""
    with uploaded_file("the package") as archive:
        package_id = intake.upload_package(
            state().database, state().dispatcher, tenant, archive, state().defaults
        )
    return {"package_id": package_id, "tenant_id": tenant.name}


@blueprint.operation("GET", _ALL, tenant_list_of(WorkflowSummary))
def list_workflows(tenant: Tenant) -> dict[str, Any]:
    """List the workflows that can be executed."""
    with state().database.tenant(tenant) as session:
        found = packages.list_active(session)
    return tenant_items(tenant, [_summary(package) for package in found])


@blueprint.operation("GET", _ONE, WorkflowDetail)
def get_workflow(tenant: Tenant, name: str) -> dict[str, Any]:
    """Show a workflow: by its package's id in any state of the build, or by its name."""
    with state().database.tenant(tenant) as session:
        package = packages.find(session, name)
    definition = package.definition or {"tasks": [], "params": []}
    return _summary(package) | {
        "tenant_id": tenant.name,
        "task_graph": definition["tasks"],
        "build_status": package.build_status,
        "build_error": package.build_error,
        "declared_params": definition["params"],
    }


@blueprint.operation("GET", f"{_ONE}/source", WorkflowSourceResponse)
def get_workflow_source(tenant: Tenant, name: str) -> Response:
    """Show the texts of a workflow's package."""
    with state().database.tenant(tenant) as session:
        package = packages.find(session, name)
        head = _SOURCE_HEAD.dump(asdict(package) | {"tenant_id": tenant.name})
        files = map(_source_file, packages.read_source(session, package))
        return spooled_json(head, "files", files)


@blueprint.operation("POST", f"{_ONE}/pause", WorkflowPauseResponse)
def pause_workflow(tenant: Tenant, name: str) -> dict[str, Any]:
    """Accept no new executions of a workflow."""
    return _set_paused(tenant, name, paused=True)


@blueprint.operation("POST", f"{_ONE}/resume", WorkflowPauseResponse)
def resume_workflow(tenant: Tenant, name: str) -> dict[str, Any]:
    """Accept new executions of a workflow again."""
    return _set_paused(tenant, name, paused=False)


@blueprint.operation("DELETE", f"{_ONE}/<version>", WorkflowDeletedResponse)
def delete_workflow(tenant: Tenant, name: str, version: str) -> dict[str, Any]:
    """Delete a version of a package; an unknown one is no error, and what runs goes on."""
    removal.delete_package(state().database, tenant, name, version)
    return {"status": "deleted", "package_name": name, "version": version}


@blueprint.operation(
    "POST",
    f"{_ONE}/execute",
    ExecuteResponse,
    status=202,
    body=ExecuteRequest,
    errors=(409,),
    parameters=[
        {
            "in": "header",
            "name": _IDEMPOTENCY_KEY,
            "schema": {"type": "string", "minLength": 1, "maxLength": _LONGEST_IDEMPOTENCY_KEY},
            "description": "The same key with the same request starts nothing again for a day.",
        }
    ],
)
def execute_workflow(body: dict[str, Any], tenant: Tenant, name: str) -> dict[str, Any]:
    """Start an execution; once this is answered, it is committed."""
    started = intake.start_execution(
        state().database,
        state().dispatcher,
        state().graphs,
        tenant,
        name,
        body["context"] or {},
        max_context_bytes=state().settings.max_context_bytes,
        defaults=state().defaults,
        idempotency_key=_idempotency_key(),
    )
    return asdict(started) | {"tenant_id": tenant.name, "status": "scheduled"}


def _idempotency_key() -> str | None:
    key = request.headers.get(_IDEMPOTENCY_KEY)
    if key is None:
        return None
    if not key or len(key) > _LONGEST_IDEMPOTENCY_KEY or not (key.isascii() and key.isprintable()):
        raise InvalidInput(
            f"{_IDEMPOTENCY_KEY}: use 1 to {_LONGEST_IDEMPOTENCY_KEY} printable ASCII characters"
        )
    return key


def _summary(package: Package) -> dict[str, Any]:
    tasks = package.definition["tasks"] if package.definition else []
    return asdict(package) | {"tasks": [task["id"] for task in tasks]}


def _source_file(file: SourceFile) -> dict[str, Any]:
    language = _LANGUAGES.get(PurePosixPath(file.path).suffix)
    return {"path": file.path, "contents": file.text, "language": language}


def _set_paused(tenant: Tenant, name: str, *, paused: bool) -> dict[str, Any]:
    package = changes.set_paused(state().database, tenant, name, paused=paused)
    return {
        "tenant_id": tenant.name,
        "id": package.id,
        "name": package.workflow_name,
        "status": "paused" if paused else "resumed",
        "paused": package.paused,
    }
