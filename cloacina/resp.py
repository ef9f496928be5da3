"""Writes commands to the broker that have very many arguments, and the same ones each time.

The client library encodes each argument anew; a thousand of them take it most of a millisecond.
"""

from functools import lru_cache

_MOST_KNOWN = 20_000


@lru_cache(maxsize=_MOST_KNOWN)
def _argument(text: str) -> bytes:
    data = text.encode()
    return b"$%d\r\n%b\r\n" % (len(data), data)


def command(*arguments: str) -> bytes:
    """Give a command as it is sent."""
    return b"*%d\r\n" % len(arguments) + b"".join(map(_argument, arguments))
