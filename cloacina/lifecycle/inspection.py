"""Tells an operator how a tenant stands."""

from collections.abc import Mapping
from dataclasses import dataclass

from cloacina.db import Database
from cloacina.errors import Unavailable
from cloacina.executions import services as executions
from cloacina.fleet import services as fleet
from cloacina.keys import services as keys
from cloacina.packages import room
from cloacina.tenants import services as tenants
from cloacina.tenants import serving
from cloacina.tenants.errors import TenantNotFound
from cloacina.tenants.models import DELETING, Tenant
from cloacina.tenants.versions import check_tables


@dataclass(frozen=True)
class Stock:
    """What a tenant's tables hold.

    Parameters:
        packages: versions of packages that are stored, as its limits count them.
        storage_bytes: of their archives together.
        executions: how many, by status.
    """

    packages: int
    storage_bytes: int
    executions: Mapping[str, int]


@dataclass(frozen=True)
class Standing:
    """How a tenant stands.

    Parameters:
        tenant: the tenant, in whatever state.
        live_keys: keys of its own that open something.
        workers: names of the workers that serve it.
        stock: what its tables hold; None where they cannot be read now.
    """

    tenant: Tenant
    live_keys: int
    workers: tuple[str, ...]
    stock: Stock | None


def inspect(database: Database, name: str) -> Standing:
    """Say how a tenant stands.

    Parameters:
        database: the database.
        name: the tenant.

    Raises:
        TenantNotFound: there is none.
    """
    with database.platform() as session:
        tenant = tenants.find_named(session, name)
        if tenant is None:
            raise TenantNotFound(name)
        live_keys = keys.count_live(session, tenant)
        serve = {server.id for server in serving.assignment(session).of_tenant(tenant.id)}
        workers = tuple(one.name for one in fleet.list_live(session) if one.id in serve)
    return Standing(tenant, live_keys, workers, _stock(database, tenant))


def _stock(database: Database, tenant: Tenant) -> Stock | None:
    try:
        check_tables(tenant)
    except Unavailable:
        return None
    if tenant.status == DELETING:
        return None
    with database.tenant(tenant) as session:
        stored = room.stored(session)
        return Stock(stored.versions, stored.size_bytes, executions.count_by_status(session))
