"""What operators and their tools ask: is it up, is it ready, how busy is it, what can it do."""

import hmac
import secrets
from pathlib import Path
from typing import Any

from flask import Response, jsonify

from cloacina.errors import Unauthorized
from web import metrics as exporter
from web.authz import presented_token
from web.blueprint import Blueprint
from web.openapi import document
from web.schemas.operational import HealthResponse, NotReadyResponse, ReadyResponse
from web.state import state

_PAGE = Path(__file__).parents[1] / "docs.html"
_POLICY = "default-src 'none'; connect-src 'self'; style-src 'nonce-{0}'; script-src 'nonce-{0}'"

blueprint = Blueprint("operational", "For operators and their tools.")


def _answers(status: int, description: str, content_type: str, schema: object) -> dict[int, Any]:
    content = {content_type: {"schema": schema}}
    return {status: {"description": description, "content": content}}


@blueprint.operation("GET", "/health", HealthResponse)
def health() -> dict[str, Any]:
    """Say that the process is there."""
    return {"status": "ok"}


@blueprint.operation(
    "GET",
    "/ready",
    ReadyResponse,
    responses=_answers(503, "Not ready", "application/json", NotReadyResponse),
)
def ready() -> Any:
    """Say whether requests can be served; without the broker they can, and run later."""
    readiness = state().readiness
    problem = readiness.problem()
    if problem is not None:
        response = jsonify(status="not ready", reason=problem)
        response.status_code = 503
        return response
    degraded = [] if readiness.broker_answers() else ["broker"]
    return {"status": "ready"} | ({"degraded": degraded} if degraded else {})


@blueprint.operation(
    "GET",
    "/metrics",
    errors=(401,),
    responses=_answers(200, "Metrics", "text/plain", {"type": "string"}),
)
def metrics() -> Response:
    """Give the metrics to Prometheus; where a token is set, as a bearer's."""
    token = state().settings.metrics_token
    if token and not hmac.compare_digest(presented_token().encode(), token.encode()):
        raise Unauthorized("pass the metrics token as 'Authorization: Bearer <token>'")
    return exporter.exposition()


@blueprint.operation(
    "GET",
    "/openapi.json",
    responses=_answers(200, "This document", "application/json", {"type": "object"}),
)
def openapi() -> Response:
    """Describe the API in OpenAPI 3.1."""
    return jsonify(document())


@blueprint.operation(
    "GET", "/docs", responses=_answers(200, "The page", "text/html", {"type": "string"})
)
def docs() -> Response:
    """Show the API's description as a page that needs nothing from elsewhere."""
    nonce = secrets.token_urlsafe(16)
    page = _PAGE.read_text(encoding="utf-8").replace("{nonce}", nonce)
    policy = {"Content-Security-Policy": _POLICY.format(nonce)}
    return Response(page, mimetype="text/html", headers=policy)
