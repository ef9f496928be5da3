"""Puts the application together."""

from flask import Flask, Response
from flask_cors import CORS

from cloacina.settings import Settings, load_settings
from web import body, errors, listeners, metrics, openapi, request_id, state
from web.authz import authorize
from web.resources import BLUEPRINTS

_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
_REQUEST_HEADERS = ["Authorization", "Content-Type", "Idempotency-Key", request_id.HEADER]


def make_app(settings: Settings | None = None) -> Flask:
    """Do what `web.create_app` says."""
    settings = settings or load_settings()
    app = Flask(__name__, static_folder=None)
    # answers keep the order of their shapes; a path is one path, never redirected
    app.json.sort_keys = False  # type: ignore[attr-defined]  # of the default provider
    app.url_map.merge_slashes = False

    state.register(app, settings)
    request_id.register(app)
    metrics.register(app)
    errors.register(app)
    listeners.register(app, settings)
    body.register(app, authorize)
    app.after_request(_keep_private)
    openapi.register(app, BLUEPRINTS)
    if settings.cors_origins:
        CORS(
            app,
            origins=list(settings.cors_origins),
            methods=_METHODS,
            allow_headers=_REQUEST_HEADERS,
            expose_headers=[request_id.HEADER],
        )
    return app


def _keep_private(response: Response) -> Response:
    # answers hold keys and tenants' data
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    return response
