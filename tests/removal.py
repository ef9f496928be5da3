"""Deletes tenants where no broker is needed for it."""

from cloacina.db import Database
from cloacina.dispatch import Dispatcher
from cloacina.lifecycle import deletion
from cloacina.lifecycle.deletion import Removal

NO_BROKER = "redis://127.0.0.1:1"


def delete_tenant(database: Database, name: str) -> Removal:
    """Delete a tenant at once; its queue, if it has one, is left to the scheduler."""
    return deletion.delete_tenant(database, Dispatcher(database, NO_BROKER), name)
