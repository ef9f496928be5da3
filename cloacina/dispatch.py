"""Sends hints to the workers. The tables carry the truth: a hint that is lost costs seconds.

A hint names a tenant and perhaps an execution by id, and is signed, since whoever can write to the
broker could otherwise make workers look after tenants of his choice.
"""

import hmac
import logging
from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Any
from uuid import UUID

from celery import Celery
from kombu.entity import Queue
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from cloacina import logs
from cloacina.db import Database
from cloacina.errors import DatabaseUnavailable
from cloacina.resp import command
from cloacina.tenants import services as tenants

log = logging.getLogger(__name__)

RUN = "executions.run"
RESUME = "executions.resume"
RECONCILE = "packages.reconcile"

BROKER_OPTIONS: dict[str, Any] = {
    "broker_transport_options": {
        # four keys a queue, one for each priority, would cost a third of the throughput
        "priority_steps": [0],
        # a broker that hangs must not hold a request for ever
        "socket_timeout": 10,
        "socket_connect_timeout": 5,
        "socket_keepalive": True,
        "health_check_interval": 10,
        # a new tenant's queue is seen when the pending read of the others ends
        "polling_interval": 0.2,
    },
    "task_serializer": "json",
    "accept_content": ["json"],
    "task_ignore_result": True,
    "task_create_missing_queues": False,
    "task_publish_retry": False,
}
"""How every process of ours talks to the broker (Celery's setting names)."""

MOST_WAITING = 16
"""Hints that may wait for one tenant. The work itself waits in its tables, and each of these leads
to all of it: more of them would only keep workers busy with looking, or fill the broker when no
worker is there."""

HINT_LOST_S = 3
"""Seconds until the scheduler looks after a tenant, in case a hint does not arrive."""

_PUBLISH_TIMEOUT_S = 1
# kombu's: sets with a member for each queue, which ends with the queue's name
_BINDINGS = "_kombu.binding*"
_BINDING_SEPARATOR = b"\x06\x16"
_BROKER_ERRORS = (OperationalError, RedisError, OSError)


def queue_name(tenant_name: str) -> str:
    """Name a tenant's queue."""
    return f"tenant.{tenant_name}"


def worker_queue_name(worker_id: UUID) -> str:
    """Name the queue of one worker, for what only its own slots can do."""
    return f"worker.{worker_id}"


def queue(name: str) -> Queue:
    """Describe a queue to Celery; by name alone it would guess an exchange."""
    return Queue(name, routing_key=name)  # type: ignore[no-untyped-call]


def sign(key: bytes, task: str, tenant_id: str, subject_id: str) -> str:
    """Give the signature of a hint, in hex; its subject is an execution, a task, or nothing."""
    signed = f"{task}\n{tenant_id}\n{subject_id}"
    # a forged hint may hold what UTF-8 has no bytes for
    return hmac.new(key, signed.encode(errors="backslashreplace"), sha256).hexdigest()


class Dispatcher:
    """Publishes hints, and never fails for it.

    Parameters:
        database: where the signing key lies.
        broker_url: `redis://…`.
    """

    def __init__(self, database: Database, broker_url: str) -> None:
        self._database = database
        self._key: bytes | None = None
        self._app = Celery("cloacina.dispatch", broker=broker_url, set_as_current=False)
        self._app.conf.update(BROKER_OPTIONS)
        self._app.conf.broker_transport_options = {
            **BROKER_OPTIONS["broker_transport_options"],
            "socket_timeout": _PUBLISH_TIMEOUT_S,
            "socket_connect_timeout": _PUBLISH_TIMEOUT_S,
            "max_retries": 0,
        }

    def run(self, tenant_id: UUID, tenant_name: str, execution_id: UUID | None = None) -> bool:
        """Hint that a tenant has tasks to run.

        Parameters:
            tenant_id: the tenant.
            tenant_name: its name, which names the queue.
            execution_id: where to look first; None: wherever, and after lost claims too.

        Returns:
            Whether the broker holds a hint for the tenant now.
        """
        return self._publish(RUN, tenant_id, queue_name(tenant_name), str(execution_id or ""))

    def reconcile(self, tenant_id: UUID, tenant_name: str) -> bool:
        """Hint that a tenant's packages are to be looked after; returns the same as `run`."""
        return self._publish(RECONCILE, tenant_id, queue_name(tenant_name), "")

    def resume(self, worker_id: UUID, tenant_id: UUID, task_uuid: UUID) -> bool:
        """Hint that a task which waits at a worker wants to go on; returns the same as `run`."""
        return self._publish(RESUME, tenant_id, worker_queue_name(worker_id), str(task_uuid))

    def is_any_waiting(self, queues: Sequence[str], *, but: str) -> bool:
        """Say whether a hint waits in one of these queues; False, too, while the broker is away.

        Parameters:
            queues: their names; all of them are asked for with one command.
            but: one that does not count, be it among them or not.
        """
        others = [name for name in queues if name != but]
        if not others:
            return False
        try:
            with self._app.producer_pool.acquire(block=True) as producer:
                pool = producer.channel.client.connection_pool
                connection = pool.get_connection()
                try:
                    connection.send_packed_command([command("EXISTS", *others)])
                    return bool(connection.read_response())
                finally:
                    pool.release(connection)
        except _BROKER_ERRORS:
            return False

    def delete_queue(self, name: str) -> bool:
        """Delete a queue that nobody reads any more, with what waits in it and leads to it.

        Returns:
            Whether it is gone; False: the broker is away.
        """
        try:
            with self._app.connection_for_write() as connection:
                client = connection.default_channel.client
                client.delete(name)
                # ours have none; a queue that an operator's tool has declared does
                for table, member in list(_bindings(client, name)):
                    client.srem(table, member)
        except _BROKER_ERRORS as error:
            log.info("the queue %s is left behind: the broker is away (%s)", name, error)
            return False
        return True

    def tenants_with_queues(self) -> set[str]:
        """Give the names of the tenants for which hints wait; none while the broker is away."""
        prefix = queue_name("")
        try:
            with self._app.connection_for_write() as connection:
                client = connection.default_channel.client
                keys = client.scan_iter(match=f"{prefix}*", count=1000, _type="LIST")
                return {key.decode().removeprefix(prefix) for key in keys}
        except _BROKER_ERRORS:
            return set()

    def keys_of(self, tenant_id: UUID, name: str | None) -> list[str]:
        """Give the keys on the broker that a tenant has, but for those that end by themselves.

        Parameters:
            tenant_id: its id, which any key may hold.
            name: its name, by which its queue goes; None: that is another tenant's.

        Raises:
            OperationalError, RedisError, OSError: the broker is away.
        """
        own = str(tenant_id)
        queue = None if name is None else queue_name(name)
        with self._app.connection_for_write() as connection:
            client = connection.default_channel.client
            keys = [key.decode(errors="replace") for key in client.scan_iter(count=1000)]
            found = [key for key in keys if key == queue or (own in key and client.ttl(key) < 0)]
            if queue is not None:
                found += [table.decode() for table, _ in _bindings(client, queue)]
        return found

    def is_reachable(self) -> bool:
        """Say whether the broker answers."""
        try:
            with self._app.connection_for_write() as connection:
                # asked often: no second try, and no pause before it
                connection.ensure_connection(max_retries=1, interval_start=0, interval_step=0)
                connection.default_channel.client.ping()
        except _BROKER_ERRORS:
            return False
        return True

    def _publish(self, task: str, tenant_id: UUID, name: str, subject_id: str) -> bool:
        try:
            signature = sign(self.hint_key(), task, str(tenant_id), subject_id)
            with self._app.producer_pool.acquire(block=True) as producer:
                full = task != RESUME and producer.channel.client.llen(name) >= MOST_WAITING
                if full:
                    return True
                self._app.send_task(
                    task,
                    args=[str(tenant_id), subject_id, signature],
                    queue=queue(name),
                    retry=False,
                    headers={"x_request_id": logs.request_id.get()},
                    producer=producer,
                )
        except _BROKER_ERRORS as error:
            # the tenant's wake-up covers it
            log.warning("no hint in %s: the broker is away (%s)", name, error)
            return False
        except DatabaseUnavailable:
            # what the hint is for is committed: its sender must not be told that it failed
            log.warning("no hint in %s: the database is away", name)
            return False
        return True

    def hint_key(self) -> bytes:
        """Give the key that hints are signed with."""
        if self._key is None:
            with self._database.platform() as session:
                self._key = tenants.hint_key(session)
        return self._key


def _bindings(client: Any, queue: str) -> Iterator[tuple[bytes, bytes]]:
    """Give the sets that lead to a queue, each with the member that does."""
    for table in client.scan_iter(match=_BINDINGS, count=1000, _type="SET"):
        for member in client.smembers(table):
            if member.rpartition(_BINDING_SEPARATOR)[2] == queue.encode():
                yield table, member
