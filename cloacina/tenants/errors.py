"""What can go wrong with tenants."""

from cloacina.errors import InvalidInput, NotFound


class TenantCreationFailed(InvalidInput):
    """The tenant could not be created."""

    code = "tenant_creation_failed"


class TenantRemovalFailed(InvalidInput):
    """The tenant could not be removed; try again."""

    code = "tenant_removal_failed"


class TenantNotFound(NotFound):
    """There is no such tenant."""

    code = "tenant_not_found"

    def __init__(self, name: str) -> None:
        super().__init__(f"tenant '{name}' not found")
