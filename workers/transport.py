"""The workers' way to the broker."""

from typing import Any

from kombu.transport import redis


class Channel(redis.Channel):
    """A channel that puts nothing back when it closes.

    Kombu would return unacknowledged messages to the broker, and ends the whole worker when the
    broker is what went away. Hints need no returning: the tables hold what they are about.
    """

    do_restore = False


class Transport(redis.Transport):
    """Redis, with that channel."""

    Channel: Any = Channel
