"""What Prometheus collects: requests by route, never by path, in a registry of the application."""

from typing import cast

from flask import Flask, Request, Response, current_app, request
from prometheus_client import CollectorRegistry
from prometheus_flask_exporter import PrometheusMetrics

_EXTENSION = "cloacina-metrics"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def register(app: Flask) -> None:
    """Have the application count and time its requests."""
    app.extensions[_EXTENSION] = PrometheusMetrics(
        app,
        path=None,
        defaults_prefix="cloacina",
        group_by=route,
        excluded_paths="^/metrics$",
        registry=CollectorRegistry(),
    )


def route(request: Request) -> str:
    """Give the pattern that a request's path fits; it names the label too."""
    return request.url_rule.rule if request.url_rule else "unmatched"


def exposition() -> Response:
    """Write what was counted in the form that the asking Prometheus understands."""
    exporter = cast(PrometheusMetrics, current_app.extensions[_EXTENSION])
    text, content_type = exporter.generate_metrics(
        request.headers.get("Accept"), request.args.getlist("name[]")
    )
    return Response(text, content_type=content_type)


def pass_over_odd_methods() -> None:
    """Count no method that a client made up: each would be a series of its own."""
    if request.method not in _METHODS:
        request.prom_do_not_track = True  # type: ignore[attr-defined]  # as the exporter marks it
