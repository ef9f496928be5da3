"""What can go wrong with keys."""

from cloacina.errors import InvalidInput, NotFound


class InvalidKeyId(InvalidInput):
    """A key's id is a UUID; `key list` shows it."""

    code = "invalid_key_id"


class KeyNotFound(NotFound):
    """There is no such key, or it is revoked already."""

    code = "key_not_found"
