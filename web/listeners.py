"""Keeps the address of /metrics and the address of the API apart, where there are two."""

from flask import request
from werkzeug.exceptions import NotFound

from web.state import state


def keep_apart() -> None:
    """Refuse a path that belongs to the other address."""
    settings = state().settings
    if not settings.metrics_bind:
        return
    api, metrics = _split(settings.bind), _split(settings.metrics_bind)
    # where a request arrived, as the server says it, not as the client's Host header does
    name, port = request.environ["SERVER_NAME"], request.environ["SERVER_PORT"]
    on_metrics = port == metrics[1] and (port != api[1] or name == metrics[0])
    if on_metrics != (request.path == "/metrics"):
        raise NotFound


def _split(address: str) -> tuple[str, str]:
    host, _, port = address.rpartition(":")
    return host.strip("[]"), port
