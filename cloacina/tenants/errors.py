"""What can go wrong with tenants."""

from cloacina.errors import Conflict, Forbidden, InvalidInput, NotFound, Unavailable


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


class TenantSuspended(Forbidden):
    """The tenant is suspended; an operator can resume it."""

    code = "tenant_suspended"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"tenant '{name}' is suspended: what runs ends, nothing new starts;"
            " an operator of this server can resume it"
        )


class TenantMigrationFailed(Conflict):
    """The tenant's tables could not be migrated; they are as they were.

    Parameters:
        name: of the tenant.
        reason: what the database said.
    """

    code = "tenant_migration_failed"

    def __init__(self, name: str, reason: str) -> None:
        self.reason = reason
        super().__init__(
            f"the tables of tenant '{name}' could not be migrated and are as they were: {reason}"
        )


class TenantMigrating(Unavailable):
    """The tenant's tables are being migrated; try again in a moment."""

    code = "tenant_migrating"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"the tables of tenant '{name}' are being brought to this server's version;"
            " try again in a moment (an operator can run: cloacinactl admin migrate)"
        )


class TenantSchemaTooNew(Unavailable):
    """The tenant's tables belong to a newer version of this server."""

    code = "tenant_schema_too_new"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"the tables of tenant '{name}' belong to a newer version of this server;"
            " upgrade the server that answered"
        )
