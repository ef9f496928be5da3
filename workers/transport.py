"""The workers' way to the broker."""

import sys
from time import monotonic
from typing import Any

from kombu.transport import TRANSPORT_ALIASES, redis

from cloacina.resp import command


class Channel(redis.Channel):
    """A channel on which a hint is done with as soon as it is taken.

    Hints need no receipts: the tables hold what they are about, and the scheduler sends another for
    what is left lying. Without receipts a hint costs the broker one command in place of several,
    and there is nothing to put back when the channel closes, at which kombu ends the whole worker
    if the broker is what went away.
    """

    do_restore = False

    def _brpop_start(self, timeout: float | None = None) -> None:
        """Wait for the next message of any queue; those that were served last come last.

        A worker may serve a thousand queues, and does this for each hint: what kombu does for each
        queue each time would cost more than all else that a hint costs the worker.
        """
        queues = self._queue_cycle.consume(sys.maxsize)
        if not queues:
            return
        self._in_poll = self.client.connection
        self._brpop_sent_at = monotonic()  # type: ignore[assignment]  # it is declared as None
        wait_s = str(timeout or self.brpop_timeout)
        self.client.connection.send_packed_command([command("BRPOP", *queues, wait_s)])

    def basic_consume(self, queue: str, no_ack: bool, *args: Any, **kwargs: Any) -> Any:  # noqa: ARG002  # kombu's
        """Take messages for good."""
        consume: Any = super().basic_consume
        return consume(queue, True, *args, **kwargs)

    def basic_ack(self, delivery_tag: str, multiple: bool = False) -> None:
        """Nothing waits for it."""

    def basic_reject(self, delivery_tag: str, requeue: bool = False) -> None:
        """Nothing waits for it."""


class Transport(redis.Transport):
    """Redis, with that channel."""

    Channel: Any = Channel


def register() -> None:
    """Have this process reach all brokers of `redis://` and `rediss://` in this way."""
    # as Celery's setting broker_transport, it would stand in the place of the URL's scheme in logs
    for scheme in ("redis", "rediss"):
        TRANSPORT_ALIASES[scheme] = f"{__name__}:{Transport.__name__}"
