"""The workers' way to the broker."""

from typing import Any

from kombu.transport import TRANSPORT_ALIASES, redis


class Channel(redis.Channel):  # type: ignore[misc]  # kombu has no types
    """A channel that its broker may leave at any time.

    Kombu would return unacknowledged messages to the broker when a channel closes, and end the
    whole worker when the broker is what went away. Hints need no returning: the tables hold what
    they are about. The same goes for the end of a task whose hint came over a channel that is
    closed by then: nobody is there who could be told.
    """

    do_restore = False

    def basic_ack(self, delivery_tag: str, multiple: bool = False) -> None:
        """Acknowledge a message, while the channel is open."""
        if self.connection is not None:
            super().basic_ack(delivery_tag, multiple)

    def basic_reject(self, delivery_tag: str, requeue: bool = False) -> None:
        """Refuse a message, while the channel is open."""
        if self.connection is not None:
            super().basic_reject(delivery_tag, requeue)


class Transport(redis.Transport):  # type: ignore[misc]
    """Redis, with that channel."""

    Channel: Any = Channel


def register() -> None:
    """Have this process reach all brokers of `redis://` and `rediss://` in this way."""
    # as Celery's setting broker_transport, it would stand in the place of the URL's scheme in logs
    for scheme in ("redis", "rediss"):
        TRANSPORT_ALIASES[scheme] = f"{__name__}:{Transport.__name__}"
