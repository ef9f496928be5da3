"""The one tree of errors that this project raises on purpose.

    CloacinaError
    ├── InvalidInput       what was sent cannot be used as it is
    │   └── Unprocessable  its form is right, a field of it is wrong
    ├── Unauthorized       no valid key
    ├── Forbidden          a valid key that may not do this
    ├── NotFound
    ├── Conflict           right in itself, not in the present state
    ├── PayloadTooLarge
    ├── LimitReached       a tenant has used up what it may use, for now
    ├── Unavailable        a part that this needs is away for now
    └── ConfigurationError a setting, a flag or a configuration file is wrong

A feature defines its own errors in its `errors.py`, as subclasses that set `code`. The HTTP status
of a class is decided in `web.errors`, the exit code of a command in `cli.errors`, nowhere else.
"""


class CloacinaError(Exception):
    """Something went wrong that a person can be told about.

    Parameters:
        message: what happened and what to do about it, for people. Without one, the first line of
            the class's docstring is used. It never holds a secret.

    Attributes:
        code: the stable name that programs match on.
    """

    code = "internal_error"

    def __init__(self, message: str | None = None) -> None:
        self.message = message or (type(self).__doc__ or type(self).__name__).split("\n")[0]
        super().__init__(self.message)


class InvalidInput(CloacinaError):
    """The request cannot be used as it is."""

    code = "invalid_request"


class Unprocessable(InvalidInput):
    """A field has a wrong value."""

    code = "validation_error"


class Unauthorized(CloacinaError):
    """Pass a valid API key as 'Authorization: Bearer <key>'."""

    code = "unauthorized"


class Forbidden(CloacinaError):
    """This key may not do that."""

    code = "insufficient_permissions"


class NotFound(CloacinaError):
    """There is nothing here."""

    code = "not_found"


class Conflict(CloacinaError):
    """This is not possible in the present state."""

    code = "conflict"


class PayloadTooLarge(CloacinaError):
    """The request's body is too large."""

    code = "payload_too_large"


class LimitReached(CloacinaError):
    """The tenant has used up what it may use; try again later.

    Attributes:
        retry_after_s: seconds after which trying again makes sense.
    """

    code = "rate_limited"
    retry_after_s = 1


class Unavailable(CloacinaError):
    """A part of the server is not available; try again in a moment."""

    code = "unavailable"


class DatabaseUnavailable(Unavailable):
    """The database cannot be reached; try again in a moment."""

    code = "database_unavailable"


class ConfigurationError(CloacinaError):
    """The configuration is wrong."""

    code = "configuration_error"
