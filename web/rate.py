"""Holds each tenant to its requests a second, over all replicas: the broker keeps the count."""

import logging
import time
from functools import lru_cache
from threading import Lock
from uuid import UUID

from limits import RateLimitItemPerSecond
from limits.storage import RedisStorage
from limits.strategies import SlidingWindowCounterRateLimiter
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as LostConnection
from redis.exceptions import RedisError
from redis.retry import Retry

from cloacina.errors import ConfigurationError, LimitReached

log = logging.getLogger(__name__)

TIMEOUT_S = 0.5
"""Seconds that the one request waits which finds out that the broker does not answer."""

AWAY_S = 5.0
"""Seconds in which no request asks a broker that did not answer."""

_ERRORS = (RedisError, OSError)

_item = lru_cache(maxsize=1024)(RateLimitItemPerSecond)


class RateLimited(LimitReached):
    """The tenant sends too many requests; wait a second."""

    def __init__(self, most_per_s: int) -> None:
        super().__init__(
            f"this tenant may send {most_per_s:,} requests a second, and sends more: wait for a"
            " second and send fewer, or ask an operator of this server to raise max_requests_per_s"
        )


class RequestRates:
    """Counts the requests of tenants in a sliding second, in keys that end by themselves.

    While the broker is away nobody is limited, and only one request in some seconds asks for it.

    Parameters:
        broker_url: `redis://…`.

    Raises:
        ConfigurationError: the URL cannot be used.
    """

    def __init__(self, broker_url: str) -> None:
        try:
            self._storage = RedisStorage(
                broker_url,
                key_prefix="requests",
                socket_timeout=TIMEOUT_S,
                socket_connect_timeout=TIMEOUT_S,
                # a connection may have been lost while it was not used
                retry=Retry(NoBackoff(), 1, supported_errors=(LostConnection,)),  # type: ignore[arg-type]
            )
        except ValueError as error:
            raise ConfigurationError(f"broker_url: cannot be read: {error}") from None
        self._limiter = SlidingWindowCounterRateLimiter(self._storage)
        self._lock = Lock()
        self._is_away = False
        self._ask_again_at = 0.0

    def check(self, tenant_id: UUID, most_per_s: int) -> None:
        """Count a request of a tenant.

        Parameters:
            tenant_id: the tenant.
            most_per_s: requests a second that it may send.

        Raises:
            RateLimited: it has sent as many; this one is not counted.
        """
        if self._is_away and not self._is_my_turn():
            return
        try:
            admitted = self._limiter.hit(_item(most_per_s), str(tenant_id))
        except _ERRORS as error:
            self._note_away(error)
            return
        if self._is_away:
            self._note_back()
        if not admitted:
            raise RateLimited(most_per_s)

    def close(self) -> None:
        """Close the connections."""
        self._storage.storage.close()

    def _is_my_turn(self) -> bool:
        """Let one request in some seconds look whether the broker is back."""
        with self._lock:
            if time.monotonic() < self._ask_again_at:
                return False
            self._ask_again_at = time.monotonic() + AWAY_S
            return True

    def _note_away(self, error: Exception) -> None:
        with self._lock:
            self._ask_again_at = time.monotonic() + AWAY_S
            if self._is_away:
                return
            self._is_away = True
        log.warning("requests are not limited: the broker is away (%s)", error)

    def _note_back(self) -> None:
        with self._lock:
            if not self._is_away:
                return
            self._is_away = False
        log.info("requests are limited again: the broker is back")
