"""Tenants whose tables somebody holds locked: nobody here waits for them again and again.

Whoever logs in as a tenant may lock its tables for as long as they like. A slot or a request that
finds them so has waited for nothing, and what it waited for was also everybody else's turn.
"""

import time
from collections.abc import Callable, Hashable

from cloacina.errors import DatabaseUnavailable

FIRST_S = 2.0
"""Seconds in which a tenant is not asked for, after a first wait in vain; each further one doubles
them."""

MOST_S = 60.0


class TenantLocked(DatabaseUnavailable):
    """Somebody who is logged in as the tenant holds its tables locked; try again in a moment."""


class Locked:
    """Which tenants this process has lately waited for in vain.

    Parameters:
        clock: gives seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until: dict[Hashable, tuple[float, float]] = {}

    def check(self, tenant: Hashable) -> None:
        """Let only those go on who do not wait in vain.

        Raises:
            TenantLocked: the tenant's tables were locked just now.
        """
        found = self._until.get(tenant)
        if found is not None and self._clock() < found[0]:
            raise TenantLocked

    def note(self, tenant: Hashable) -> None:
        """Note a wait in vain."""
        _, last_s = self._until.get(tenant, (0.0, 0.0))
        wait_s = min(2 * last_s or FIRST_S, MOST_S)
        self._until[tenant] = (self._clock() + wait_s, wait_s)

    def forget(self, tenant: Hashable) -> None:
        """Note that a tenant answers again."""
        if self._until:
            self._until.pop(tenant, None)
