"""What can go wrong with tenants' workers."""

from cloacina.errors import Conflict


class AtCapacity(Conflict):
    """The tenant has as many workers of its own as it may have."""

    code = "at_capacity"
