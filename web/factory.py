"""Puts the application together."""

from flask import Flask, Response
from flask_cors import CORS
from werkzeug.middleware.proxy_fix import ProxyFix

from cloacina.settings import Settings, load_settings
from web import auditing, authz, body, errors, listeners, metrics, openapi, request_id, state
from web.resources import BLUEPRINTS

_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
_REQUEST_HEADERS = ["Authorization", "Content-Type", "Idempotency-Key", request_id.HEADER]

# the order matters: who asks is settled before a body is looked at
_IN_ORDER = (
    request_id.begin,
    metrics.pass_over_odd_methods,
    body.wrap,
    listeners.keep_apart,
    authz.authorize,
    body.refuse_announced,
)


def make_app(settings: Settings | None = None) -> Flask:
    """Do what `web.create_app` says."""
    settings = settings or load_settings()
    app = Flask(__name__, static_folder=None)
    # answers keep the order of their shapes; a path is one path, never redirected
    app.json.sort_keys = False  # type: ignore[attr-defined]  # of the default provider
    app.url_map.merge_slashes = False

    state.register(app, settings)
    metrics.register(app)
    errors.register(app)
    for before in _IN_ORDER:
        app.before_request(before)
    for after in (_keep_private, body.drain_after_answer, request_id.mark):
        app.after_request(after)
    # the last one is the first to run: it takes part of the time that the log says
    auditing.register(app)
    app.teardown_request(authz.forget)
    app.teardown_request(request_id.end)
    openapi.register(app, BLUEPRINTS)
    if settings.cors_origins:
        CORS(
            app,
            origins=list(settings.cors_origins),
            methods=_METHODS,
            allow_headers=_REQUEST_HEADERS,
            expose_headers=[request_id.HEADER, "Retry-After"],
        )
    _believe_proxies(app, settings.trusted_proxies)
    return app


def _believe_proxies(app: Flask, count: int) -> None:
    """Take a client's address from what the proxies in front say; nothing else that they say."""
    if count:
        believed = ProxyFix(app.wsgi_app, x_for=count, x_proto=0, x_host=0, x_port=0, x_prefix=0)
        app.wsgi_app = believed  # type: ignore[method-assign]  # Flask's own way


def _keep_private(response: Response) -> Response:
    """Have nobody store an answer: it may hold keys, or a tenant's data."""
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    return response
