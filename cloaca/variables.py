"""Settings of a tenant that its code reads from the environment."""

from __future__ import annotations

import os

_PREFIX = "CLOACINA_VAR_"


def var(name: str) -> str:
    """Give the value of a variable, from the environment variable CLOACINA_VAR_<name>.

    Raises:
        KeyError: it is not set.
    """
    try:
        return os.environ[_PREFIX + name]
    except KeyError:
        raise KeyError(
            f"required variable '{name}' not set (expected env var {_PREFIX}{name})"
        ) from None


def var_or(name: str, default: str) -> str:
    """Give the value of a variable, or `default` when it is not set."""
    return os.environ.get(_PREFIX + name, default)
