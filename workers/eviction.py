"""Ends what a worker keeps of tenants that are being deleted, or are gone."""

import logging
from collections.abc import Collection
from uuid import UUID

from cloacina.packages.cache import PackageCache
from cloacina.sandbox import Host

log = logging.getLogger(__name__)

LOOKS_PER_SWEEP = 30
"""Looks at the tenants per look at all folders of the cache, where something may have come late."""


class Evictions:
    """What a worker keeps of tenants besides its tasks: children that wait, unpacked packages.

    Parameters:
        host: of the worker.
        cache: that all workers of this machine share.
    """

    def __init__(self, host: Host, cache: PackageCache) -> None:
        self._host = host
        self._cache = cache
        self._known: set[UUID] = set()
        self._folders: set[str] = set()
        self._looks = 0

    def look(self, present: Collection[UUID], killed: Collection[UUID]) -> None:
        """End what is kept of tenants that are not there any more.

        Parameters:
            present: the ids of all tenants.
            killed: of those that are being deleted and whose tasks may not run any more.
        """
        staying = set(present) - set(killed)
        for tenant_id in {*killed, *(self._known - staying)}:
            self._evict(tenant_id)
        self._known = staying
        # seen before the tenants were read: none of them belongs to one that has just come
        for folder in self._folders - {str(tenant_id) for tenant_id in staying}:
            self._cache.evict(folder)
        sweeps = self._looks % LOOKS_PER_SWEEP == 0
        self._folders = self._cache.owners() if sweeps else set()
        self._looks += 1

    def _evict(self, tenant_id: UUID) -> None:
        try:
            self._host.evict(tenant_id)
        except OSError as error:
            log.warning("children of tenant %s are left until they are old: %s", tenant_id, error)
        self._cache.evict(str(tenant_id))
