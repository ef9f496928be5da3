"""Fills a server's tables with executions, as fast as it takes them in."""

import sys
import threading
from collections.abc import Sequence

from bench.load import CLIENTS
from bench.server import Server


def flood(server: Server, tenants: Sequence[str], workflow: str, count: int) -> dict[str, str]:
    """Start executions, one tenant after the other and again from the first.

    Parameters:
        server: takes them in, from several clients at once.
        tenants: each holds the workflow.
        workflow: its name.
        count: executions of all tenants together.

    Returns:
        The executions, and each one's tenant.
    """
    turns = [tenants[number % len(tenants)] for number in range(count)]
    clients = [_Client(server, turns[number::CLIENTS], workflow) for number in range(CLIENTS)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    started = {execution: tenant for client in clients for execution, tenant in client.started}
    if len(started) != count:
        sys.exit("a client of the flood failed; the reason stands above")
    return started


class _Client(threading.Thread):
    def __init__(self, server: Server, turns: Sequence[str], workflow: str) -> None:
        super().__init__(daemon=True)
        self._connection = server.connect()
        self._turns = turns
        self._workflow = workflow
        self.started: list[tuple[str, str]] = []

    def run(self) -> None:
        for tenant in self._turns:
            self.started.append((self._connection.execute(tenant, self._workflow), tenant))
        self._connection.close()
