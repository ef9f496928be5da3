"""Makes a tenant of an export: whole, in one transaction, or not at all."""

from dataclasses import dataclass

from sqlalchemy import exc
from sqlalchemy.orm import Session

from cloacina.db import Database, first_line, sqlstate
from cloacina.dispatch import Dispatcher
from cloacina.lifecycle.tenants import Tables, create_tenant
from cloacina.packages.bzip2_reader import Readable
from cloacina.tenants.models import Tenant
from cloacina.transfer import layout
from cloacina.transfer.checks import check_all
from cloacina.transfer.errors import TenantImportFailed
from cloacina.transfer.holding import hold_open
from cloacina.transfer.load import Loader
from cloacina.transfer.reader import ExportReader

# wrong values, broken constraints, and rows that are too large for an index
_OF_THE_FILE = ("22", "23", "54")


@dataclass(frozen=True)
class Imported:
    """A tenant that was made of an export.

    Parameters:
        tenant: the tenant.
        packages, schedules, executions, tasks, events, log_lines: how many came along.
        paused_executions: those that had not ended.
    """

    tenant: Tenant
    packages: int
    schedules: int
    executions: int
    tasks: int
    events: int
    log_lines: int
    paused_executions: int


def import_tenant(
    database: Database, dispatcher: Dispatcher, file: Readable, name: str | None = None
) -> Imported:
    """Make a tenant of an export. Nobody vouches for the file.

    Executions keep their ids. Those that had not ended are paused, since they may go on where they
    came from; packages that were not built are built here.

    Parameters:
        database: where to.
        dispatcher: for the hint that packages may have to be built.
        file: the export, read from where it stands.
        name: the tenant's name here; None: the one it had.

    Returns:
        The tenant, and what came along.

    Raises:
        TenantCreationFailed: the name cannot be used or is taken, or this is SQLite.
        TenantImportFailed: the file is no export, or something in it is wrong.
    """
    archive = ExportReader(file)
    manifest = archive.manifest
    loader = Loader(database, archive)
    paused = 0

    def fill(session: Session, tables: Tables) -> None:
        nonlocal paused
        try:
            loader.load(session, tables)
            check_all(session)
            paused = hold_open(session, manifest.exported_at)
        except exc.DBAPIError as error:
            if sqlstate(error).startswith(_OF_THE_FILE):
                raise TenantImportFailed(f"the rows do not fit: {first_line(error)}") from None
            raise

    tenant = create_tenant(
        database, name or manifest.tenant_name, description=manifest.description, fill=fill
    )
    dispatcher.reconcile(tenant.id, tenant.name)
    counts = loader.counts
    return Imported(
        tenant,
        packages=counts[layout.PACKAGES.member],
        schedules=counts[layout.SCHEDULES.member],
        executions=counts[layout.EXECUTIONS.member],
        tasks=counts[layout.TASKS.member],
        events=counts[layout.EVENTS.member],
        log_lines=counts[layout.LOGS.member],
        paused_executions=paused,
    )
