import re
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from jsonschema import Draft202012Validator

from tests.web.conformance import resolve
from tests.web.conftest import Caller
from web.authz import LEVELS

Description = dict[str, Any]

# the names that clients made from the reference's description know
SCHEMAS = {
    "CreateKeyRequest",
    "CreateTenantRequest",
    "ErrorBody",
    "ExecuteRequest",
    "ExecuteResponse",
    "ExecutionDetail",
    "ExecutionEvent",
    "ExecutionEventsResponse",
    "ExecutionSummary",
    "ExecutionTasksResponse",
    "InputSlot",
    "KeyCreatedResponse",
    "KeyInfo",
    "KeyRevokedResponse",
    "ListResponse_AgentInfo",
    "ListResponse_KeyInfo",
    "ListResponse_TenantSummary",
    "PackageUploadForm",
    "TaskExecutionDetail",
    "TenantCreatedResponse",
    "TenantListResponse_ExecutionSummary",
    "TenantListResponse_TriggerScheduleSummary",
    "TenantListResponse_WorkflowSummary",
    "TenantRemovedResponse",
    "TenantSummary",
    "TriggerDetailResponse",
    "TriggerExecution",
    "TriggerScheduleInfo",
    "TriggerScheduleSummary",
    "WhoamiResponse",
    "WorkflowDeletedResponse",
    "WorkflowDetail",
    "WorkflowPauseResponse",
    "WorkflowSourceFile",
    "WorkflowSourceResponse",
    "WorkflowSummary",
    "WorkflowTaskNode",
    "WorkflowUploadedResponse",
}


@pytest.fixture
def description(anyone: Caller) -> Description:
    """The document, as a client gets it."""
    document: Description = anyone.get("/openapi.json").json
    return document


def operations(description: Description) -> Iterator[tuple[str, str, Description]]:
    """Every path, method and operation of the document."""
    for path, item in description["paths"].items():
        for method, operation in item.items():
            if method != "parameters":
                yield path, method, operation


def references(node: Any) -> Iterator[str]:
    """Every reference inside a part of the document."""
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    if isinstance(node, list):
        for value in node:
            yield from references(value)


def test_the_document_and_the_routes_are_the_same(app: Flask, description: Description) -> None:
    routes = {
        (re.sub(r"<(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert description["openapi"].startswith("3.1")
    assert {(path, method) for path, method, _ in operations(description)} == routes


def test_every_operation_has_its_own_id_and_its_endpoints_name(description: Description) -> None:
    ids = [operation["operationId"] for _, _, operation in operations(description)]
    assert sorted(ids) == sorted(endpoint.partition(".")[2] for endpoint in LEVELS)
    assert all(operation["summary"] for _, _, operation in operations(description))


def test_exactly_the_open_routes_need_no_key(description: Description) -> None:
    assert description["security"] == [{"key": []}]
    scheme = description["components"]["securitySchemes"]["key"]
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    scopes = {endpoint.partition(".")[2]: level.scope for endpoint, level in LEVELS.items()}
    for _, _, operation in operations(description):
        is_open = operation.get("security") == []
        assert is_open == (scopes[operation["operationId"]] == "public")
        assert is_open or {"401", "403"} <= operation["responses"].keys()


def test_every_error_has_the_one_shape(description: Description) -> None:
    for path, _, operation in operations(description):
        for status, response in operation["responses"].items():
            if int(status) >= 400 and path != "/ready":
                schema = resolve(description, response)["content"]["application/json"]["schema"]
                assert schema == {"$ref": "#/components/schemas/ErrorBody"}


def test_every_reference_leads_to_a_valid_schema(description: Description) -> None:
    for reference in set(references(description)):
        found = resolve(description, {"$ref": reference})
        if "/schemas/" in reference:
            Draft202012Validator.check_schema(found)


def test_every_path_parameter_is_described(description: Description) -> None:
    for path, item in description["paths"].items():
        named = {each["name"] for each in item.get("parameters", []) if each["in"] == "path"}
        assert named == set(re.findall(r"{(\w+)}", path))


def test_schemas_have_the_names_of_the_reference(description: Description) -> None:
    assert description["components"]["schemas"].keys() >= SCHEMAS
