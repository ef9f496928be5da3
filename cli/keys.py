"""The forms in which an API key may be given: itself, or where to find it."""

import os
from collections.abc import Mapping
from pathlib import Path

from cloacina.errors import ConfigurationError

KEYRING_SERVICE = "cloacinactl"


def resolve_key(given: str, environ: Mapping[str, str] = os.environ) -> str:
    """Turn a key as it was given into the key.

    Parameters:
        given: a literal key, `env:VAR`, `file:PATH` (its first line that is not empty) or
            `keyring:NAME` (an entry of the service `cloacinactl` in the system's keyring).
        environ: the environment.

    Returns:
        The key, fit for an HTTP header.

    Raises:
        ConfigurationError: there is no key at that place; the text names the place, never a key.
    """
    form, separator, place = given.partition(":")
    if separator and form == "env":
        key = _from_environment(place, environ)
    elif separator and form == "file":
        key = _from_file(place)
    elif separator and form == "keyring":
        key = _from_keyring(place)
    else:
        place, key = "as given", given.strip()
    if not key or not key.isprintable():
        raise ConfigurationError(f"the API key ({place}) is empty or has unprintable characters")
    return key


def _from_environment(name: str, environ: Mapping[str, str]) -> str:
    key = environ.get(name, "").strip()
    if not key:
        raise ConfigurationError(f"the API key's variable {name} is not set, or empty")
    return key


def _from_file(name: str) -> str:
    path = Path(name).expanduser()
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ConfigurationError(f"the API key's file {path} cannot be read: {reason}") from None
    key = next((line.strip() for line in lines if line.strip()), "")
    if not key:
        raise ConfigurationError(f"the API key's file {path} is empty")
    return key


def _from_keyring(name: str) -> str:
    import keyring
    from keyring.errors import KeyringError

    try:
        key = keyring.get_password(KEYRING_SERVICE, name)
    except KeyringError as error:
        raise ConfigurationError(f"the keyring cannot be read: {error}") from None
    if not key:
        raise ConfigurationError(
            f"the keyring has no key {name!r}; add it with: keyring set {KEYRING_SERVICE} {name}"
        )
    return key
