"""Starts executions all through the storm, each until it is known to be accepted."""

import queue
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random

from tests.chaos.client import Client, NotAccepted
from tests.chaos.evidence import Accepted
from tests.chaos.mix import Order
from tests.chaos.world import World

CLIENTS = 4
_REPEATED = 0.1
"""Share of requests that are sent again after they were accepted, which must change nothing."""


class Load:
    """Clients that start what was ordered.

    Parameters:
        world: whose APIs they ask.
        orders: in the order of their moments.
        seed: decides which requests are repeated.
    """

    def __init__(self, world: World, orders: Sequence[Order], seed: int) -> None:
        self.accepted: list[Accepted] = []
        self.problems: list[str] = []
        self._clients = [
            Client(world.addresses, world.admin_key, first=number) for number in range(CLIENTS)
        ]
        self._files = {"journal": str(world.journal), "workers": str(world.workers_file)}
        self._orders: queue.SimpleQueue[Order] = queue.SimpleQueue()
        for order in orders:
            self._orders.put(order)
        self._began = 0.0
        self._given_up = threading.Event()
        self._random = Random(seed)
        self._threads = [
            threading.Thread(target=self._work, args=(client,), daemon=True)
            for client in self._clients
        ]

    @property
    def troubles(self) -> Counter[str]:
        """What requests met that had to be sent again."""
        return Counter(trouble for client in self._clients for trouble in client.troubles)

    def start(self) -> None:
        """Begin."""
        self._began = time.monotonic()
        for thread in self._threads:
            thread.start()

    def is_done(self) -> bool:
        """Say whether all is started."""
        return not any(thread.is_alive() for thread in self._threads)

    def give_up(self) -> None:
        """Ask no more."""
        self._given_up.set()
        for thread in self._threads:
            thread.join()

    def _work(self, client: Client) -> None:
        while not self._given_up.is_set():
            try:
                order = self._orders.get_nowait()
            except queue.Empty:
                return
            self._given_up.wait(max(0.0, self._began + order.at_s - time.monotonic()))
            try:
                self._start(client, order)
            except NotAccepted as error:
                self.problems.append(f"not accepted: {error}")

    def _start(self, client: Client, order: Order) -> None:
        context = {**self._files, **order.context, "run": order.key}
        again = self._random.random() < _REPEATED
        ids = [
            client.execute(order.tenant, order.workflow, context, order.key, self._given_up.is_set)
            for _ in range(2 if again else 1)
        ]
        if len(set(ids)) > 1:
            self.problems.append(f"{order.key}: asked twice, two executions: {ids}")
        self.accepted.append(Accepted(order.key, ids[0], order.workflow, order.tenant, time.time()))


def upload_all(client: Client, packages: Sequence[Path], tenants: Sequence[str]) -> None:
    """Create the tenants and upload all packages to each of them, and wait for the builds."""
    for tenant in tenants:
        client.create_tenant(tenant)
    waiting = [
        (tenant, client.upload(tenant, package)) for tenant in tenants for package in packages
    ]
    for tenant, package_id in waiting:
        client.wait_until_built(tenant, package_id)
