"""A blueprint whose routes are declared and documented in one breath."""

from collections.abc import Callable, Sequence
from http import HTTPStatus
from inspect import getdoc
from typing import Any

import flask_smorest
from marshmallow import Schema

from web.authz import LEVELS, Level
from web.parsing import RequestParser

View = Callable[..., Any]

LIMIT_REACHED = "LIMIT_REACHED"
"""The name, in the API's description, of the answer that says when to try again."""


class Blueprint(flask_smorest.Blueprint):  # type: ignore[misc]  # it comes without types
    """The routes of one resource.

    Parameters:
        name: of the resource; also the tag in the API's description.
        description: of the resource.
    """

    ARGUMENTS_PARSER = RequestParser()

    def __init__(self, name: str, description: str) -> None:
        super().__init__(name, __name__, description=description)

    def operation(
        self,
        method: str,
        path: str,
        answer: type[Schema] | None = None,
        *,
        status: int = 200,
        body: type[Schema] | None = None,
        query: type[Schema] | None = None,
        errors: Sequence[int] = (),
        **manual: Any,
    ) -> Callable[[View], View]:
        """Declare a route.

        Parameters:
            method: the HTTP method.
            path: the path, with its parameters in <>.
            answer: what the view's result is written with.
            status: of the answer.
            body, query: what is read into the view's first argument.
            errors: statuses that it answers beyond those of its level and of its body.
            manual: more of OpenAPI's operation object.

        Returns:
            The decorator; it gives back the view itself.
        """

        def declare(view: View) -> View:
            level = LEVELS.get(f"{self.name}.{view.__name__}")
            shown = view
            of_body = (400, 413, 415) if body is not None else ()
            for code in sorted({*errors, *of_body, *_errors_of(level)}):
                named = LIMIT_REACHED if code == 429 else HTTPStatus(code).name
                shown = self.alt_response(code, named)(shown)
            if answer is not None:
                shown = self.response(status, answer)(shown)
            if query is not None:
                shown = self.arguments(query, location="query", error_status_code=400)(shown)
            if body is not None:
                shown = self.arguments(body, required=False)(shown)
            shown = self.doc(**_describe(view, level), **manual)(shown)
            self.route(path, methods=[method])(shown)
            return view

        return declare


def _errors_of(level: Level | None) -> tuple[int, ...]:
    if level is None or level.scope == "public":
        return ()
    return (401, 403, 429, 500, 503) + ((400, 404) if level.scope == "tenant" else ())


def _describe(view: View, level: Level | None) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": view.__name__,
        "summary": (getdoc(view) or "").partition("\n")[0],
        "description": f"Access: {level}.",
    }
    if level is not None and level.scope == "public":
        described["security"] = []
    return described
