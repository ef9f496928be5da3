"""Which revisions of a tenant's tables this server can work with.

Between two releases tables only grow: a server serves tables of the newest revision and of the one
before it, so that tenants can be migrated while it runs. Revisions' names sort in their order. A
test holds the names here against the revisions that there are.
"""

from cloacina.tenants.errors import TenantMigrating, TenantSchemaTooNew
from cloacina.tenants.models import Tenant

NEWEST = "0003"
OLDEST_SERVED = "0003"


def check_tables(tenant: Tenant) -> None:
    """Make sure that a tenant's tables can be used now.

    Parameters:
        tenant: as it was just read.

    Raises:
        TenantMigrating: they are older than what this server serves, or are just being changed.
        TenantSchemaTooNew: a newer server has changed them.
    """
    if tenant.schema_version > NEWEST:
        raise TenantSchemaTooNew(tenant.name)
    if tenant.is_migrating or tenant.schema_version < OLDEST_SERVED:
        raise TenantMigrating(tenant.name)
