"""Every error's way out: one body, one code, one status, decided here and nowhere else."""

import logging

from flask import Flask, Response, g, jsonify
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from cloacina.db import DATABASE_ERRORS, first_line, is_passing
from cloacina.errors import (
    CloacinaError,
    Conflict,
    DatabaseUnavailable,
    Forbidden,
    InvalidInput,
    LimitReached,
    NotFound,
    PayloadTooLarge,
    Unauthorized,
    Unavailable,
    Unprocessable,
)
from cloacina.tenants import services as tenants
from cloacina.tenants.errors import TenantNotFound
from web.state import state

log = logging.getLogger(__name__)

# the first class that fits decides
STATUSES: tuple[tuple[type[CloacinaError], int], ...] = (
    (Unprocessable, 422),
    (InvalidInput, 400),
    (Unauthorized, 401),
    (Forbidden, 403),
    (NotFound, 404),
    (Conflict, 409),
    (PayloadTooLarge, 413),
    (LimitReached, 429),
    (Unavailable, 503),
)

# what the framework refuses by itself: code and text, None: its own text
_FRAMEWORK: dict[int, tuple[str, str | None]] = {
    400: ("invalid_request", None),
    404: ("not_found", "there is nothing here; /docs lists the routes"),
    405: ("method_not_allowed", "this path does not take this method; /docs lists the routes"),
    408: ("request_timeout", None),
    413: ("payload_too_large", "the request's body is too large"),
    415: ("unsupported_media_type", None),
}


class InvalidJson(InvalidInput):
    """The body is not JSON."""

    code = "invalid_json"


class InvalidPagination(InvalidInput):
    """The page cannot be given."""

    code = "invalid_pagination"


def register(app: Flask) -> None:
    """Have the application answer all errors in the one form."""
    app.register_error_handler(CloacinaError, _answer_known)
    app.register_error_handler(HTTPException, _answer_framework)
    app.register_error_handler(Exception, _answer_unexpected)


def _body(status: int, error: str, code: str) -> Response:
    g.error_code = code
    response = jsonify(error=error, code=code)
    response.status_code = status
    return response


def _answer_known(error: CloacinaError) -> Response:
    status = next((status for kind, status in STATUSES if isinstance(error, kind)), None)
    if status is None:
        return _answer_internal(error)
    if status == 503:
        log.warning("%s: %s", error.code, error.__cause__ or error)
    response = _body(status, error.message, error.code)
    if status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, LimitReached):
        response.headers["Retry-After"] = str(error.retry_after_s)
    return response


def _answer_framework(error: HTTPException) -> Response:
    status = error.code or 500
    if status >= 500:
        return _answer_internal(error)
    default = error.name.lower().replace(" ", "_"), None
    code, text = _FRAMEWORK.get(status, default)
    response = _body(status, text or error.description or error.name, code)
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        response.headers["Allow"] = ", ".join(sorted(error.valid_methods))
    return response


def _answer_unexpected(error: Exception) -> Response:
    if isinstance(error, DATABASE_ERRORS):
        if gone := _tenant_that_went():
            return _answer_known(gone)
        if is_passing(error):
            log.warning("%s: %s", DatabaseUnavailable.code, first_line(error))
            text = "the database does not get to this at present; try again in a moment"
            return _body(503, text, DatabaseUnavailable.code)
    return _answer_internal(error)


def _answer_internal(error: BaseException) -> Response:
    log.error("unexpected error", exc_info=error)
    return _body(
        500, "the server failed; its log says why, under this request's id", "internal_error"
    )


def _tenant_that_went() -> CloacinaError | None:
    """Say that the request's tenant was deleted while the request was served, if it was."""
    if "tenant" not in g:
        return None
    try:
        with state().database.platform() as session:
            tenants.find_by_id(session, g.tenant.id)
    except TenantNotFound:
        return TenantNotFound(g.tenant.name) if g.principal.key.is_admin else Unauthorized()
    except CloacinaError as error:
        return error
    return None
