"""Ends what a worker keeps of tenants that are being deleted, or are gone."""

import logging
from collections.abc import Collection

from sqlalchemy.orm import Session

from cloacina.packages.cache import PackageCache
from cloacina.sandbox import Host
from cloacina.tenants import services as tenants

log = logging.getLogger(__name__)

LOOKS_PER_SWEEP = 30
"""Looks for tenants that are being deleted per look at all tenants and all folders."""


class Evictions:
    """What a worker keeps of tenants besides its tasks: children that wait, unpacked packages.

    Parameters:
        host: of the worker.
        cache: that all workers of this machine share.
    """

    def __init__(self, host: Host, cache: PackageCache) -> None:
        self._host = host
        self._cache = cache
        self._known: set[str] = set()
        self._looks = 0

    def find(self, session: Session) -> Collection[str]:
        """Give the ids of tenants of which nothing is to be kept any more.

        Those are most often found while they are being deleted. Now and then it looks for others:
        whoever was away meanwhile, or wrote something late, has left it there.

        Parameters:
            session: acts as the platform.

        Returns:
            Ids as text, and names of folders that are left in the cache.
        """
        found = {str(tenant_id) for tenant_id in tenants.list_killed(session)}
        if self._looks % LOOKS_PER_SWEEP == 0:
            # before the tenants are read: none of them belongs to one that has just come
            folders = self._cache.owners()
            present = {str(tenant_id) for tenant_id in tenants.list_ids(session)}
            found |= (folders | self._known) - present
            self._known = present
        self._looks += 1
        return found

    def end(self, found: Collection[str]) -> None:
        """End what is kept of tenants that were found."""
        for owner in found:
            try:
                self._host.evict(owner)
            except OSError as error:
                log.warning("children of tenant %s are left until they are old: %s", owner, error)
            self._cache.evict(owner)
