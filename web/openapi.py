"""The API's description of itself (OpenAPI 3.1), made from the routes and their shapes."""

from collections.abc import Iterable
from typing import Any, cast

import flask_smorest
from flask import Flask, current_app

from web.blueprint import LIMIT_REACHED, Blueprint
from web.schemas.common import ErrorBody

_EXTENSION = "cloacina-openapi"
_ABOUT = (
    "Tenants upload packages of Python workflows, execute them, and see what happened. "
    "A time is RFC 3339 with its offset; an error is an ErrorBody; every answer bears an "
    "`x-request-id`, which the server's log shows too."
)


class _Api(flask_smorest.Api):  # type: ignore[misc]  # it comes without types
    ERROR_SCHEMA = ErrorBody
    DEFAULT_ERROR_RESPONSE_NAME = None

    def _register_error_handlers(self) -> None:
        """Leave errors to web.errors, which knows all of them and not the framework's alone."""


def register(app: Flask, blueprints: Iterable[Blueprint]) -> None:
    """Add resources to the application and to its description."""
    app.config.update(
        API_TITLE="Cloacina",
        API_VERSION="1",
        OPENAPI_VERSION="3.1.0",
        API_SPEC_OPTIONS={"info": {"description": _ABOUT}, "security": [{"key": []}]},
    )
    api = app.extensions[_EXTENSION] = _Api(app)
    api.spec.components.security_scheme(
        "key", {"type": "http", "scheme": "bearer", "description": "An API key, `clk_…`."}
    )
    api.spec.components.response(
        LIMIT_REACHED,
        {
            "description": "The tenant has used up what it may use, for now.",
            "headers": {
                "Retry-After": {
                    "description": "Seconds after which trying again makes sense.",
                    "schema": {"type": "integer", "minimum": 1},
                }
            },
            "content": {"application/json": {"schema": ErrorBody}},
        },
    )
    for blueprint in blueprints:
        api.register_blueprint(blueprint)


def document() -> dict[str, Any]:
    """Give the description."""
    return cast("dict[str, Any]", current_app.extensions[_EXTENSION].spec.to_dict())
