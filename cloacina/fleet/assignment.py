"""Which workers serve which tenants: a function of who is there, the same in every process.

Shared workers divide the tenants among themselves by rendezvous: each tenant ranks them in an order
of its own, and those that it ranks first serve it. So nobody has to agree on anything, and a worker
that comes or goes moves few tenants.
"""

import heapq
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from hashlib import blake2b
from uuid import UUID

QUEUES = 100
"""Queues of which a worker looks after about so many in comfort."""


@dataclass(frozen=True, order=True)
class Server:
    """A live worker, as far as it matters for whom it serves.

    Parameters:
        id: of the worker.
        tenant_names: the tenants that it serves and no others; empty: it is shared.
        slots: tasks that it runs at once.
    """

    id: UUID
    tenant_names: tuple[str, ...]
    slots: int


def replicas(workers: int, tenants: int) -> int:
    """Say how many of the shared workers serve each tenant.

    As many as possible while a worker keeps to `QUEUES`: all of them where tenants are few, one
    where they are more than that.
    """
    return max(1, min(workers, QUEUES * workers // max(1, tenants)))


def ranking(tenant_id: UUID, server: Server) -> bytes:
    """Give what a tenant orders workers by, the highest first."""
    return blake2b(server.id.bytes + tenant_id.bytes, digest_size=8).digest()


@dataclass(frozen=True)
class Assignment:
    """Who serves whom.

    Parameters:
        servers: the live workers.
        tenants: the names of the tenants that are to be served, by their ids.
        on_top: those whose own workers come on top of the shared ones; the shared ones leave any
            other tenant that has workers of its own.
    """

    servers: frozenset[Server]
    tenants: Mapping[UUID, str]
    on_top: frozenset[UUID] = field(default=frozenset())

    @cached_property
    def _shared(self) -> list[Server]:
        return [server for server in self.servers if not server.tenant_names]

    @cached_property
    def _named(self) -> Mapping[str, list[Server]]:
        found: dict[str, list[Server]] = {}
        for server in self.servers:
            for name in server.tenant_names:
                found.setdefault(name, []).append(server)
        return found

    @cached_property
    def _replicas(self) -> int:
        return replicas(len(self._shared), sum(map(self._is_common, self.tenants)))

    def _is_common(self, tenant_id: UUID) -> bool:
        return tenant_id in self.on_top or self.tenants[tenant_id] not in self._named

    def of_tenant(self, tenant_id: UUID) -> list[Server]:
        """Give the workers that serve a tenant, if anyone does, its own ones first."""
        if tenant_id not in self.tenants:
            return []
        servers = list(self._named.get(self.tenants[tenant_id], ()))
        if not self._is_common(tenant_id):
            return servers
        if self._replicas >= len(self._shared):
            return servers + self._shared
        first = partial(ranking, tenant_id)
        return servers + heapq.nlargest(self._replicas, self._shared, key=first)

    def slots(self, tenant_id: UUID) -> int:
        """Say how many slots serve a tenant."""
        return sum(server.slots for server in self.of_tenant(tenant_id))

    def of_server(self, server: Server) -> Mapping[str, int]:
        """Give the names of the tenants that a worker serves, each with the slots that it has."""
        served = {}
        for tenant_id, name in self.tenants.items():
            if server.tenant_names and name not in server.tenant_names:
                continue
            servers = self.of_tenant(tenant_id)
            if server in servers:
                served[name] = sum(each.slots for each in servers)
        return served
