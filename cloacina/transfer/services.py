"""Makes a tenant of an export: whole, in one transaction, or not at all."""

from dataclasses import asdict, dataclass

from sqlalchemy import exc
from sqlalchemy.orm import Session

from cloacina.audit import services as audit
from cloacina.db import Database, first_line, sqlstate
from cloacina.dispatch import Dispatcher
from cloacina.lifecycle.tenants import Tables, create_tenant
from cloacina.packages.unpacking import Readable
from cloacina.tenants.models import Tenant
from cloacina.transfer import layout
from cloacina.transfer.checks import check_all
from cloacina.transfer.errors import TenantImportFailed
from cloacina.transfer.holding import hold_open
from cloacina.transfer.load import Loader
from cloacina.transfer.reader import ExportReader
from cloacina.transfer.values import to_json

# wrong values, broken constraints, and rows that are too large for an index
_OF_THE_FILE = ("22", "23", "54")


@dataclass(frozen=True)
class Counts:
    """What came along.

    Parameters:
        packages, schedules, executions, tasks, events, log_lines: how many of each.
        paused_executions: those that had not ended.
    """

    packages: int
    schedules: int
    executions: int
    tasks: int
    events: int
    log_lines: int
    paused_executions: int


@dataclass(frozen=True)
class Imported:
    """A tenant that was made of an export, and what came along."""

    tenant: Tenant
    counts: Counts


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
    filling = _Filling(database, archive)
    tenant = create_tenant(
        database, name or manifest.tenant_name, description=manifest.description, filling=filling
    )
    dispatcher.reconcile(tenant.id, tenant.name)
    return Imported(tenant, filling.counts())


class _Filling:
    """What a new tenant begins with: all that is in an export."""

    def __init__(self, database: Database, archive: ExportReader) -> None:
        self._manifest = archive.manifest
        self._loader = Loader(database, archive)
        self._paused = 0

    def fill(self, session: Session, tables: Tables) -> None:
        """Put the export's rows into the tenant's tables."""
        try:
            self._loader.load(session, tables)
            check_all(session)
            self._paused = hold_open(session, self._manifest.exported_at)
        except exc.DBAPIError as error:
            if sqlstate(error).startswith(_OF_THE_FILE):
                raise TenantImportFailed(f"the rows do not fit: {first_line(error)}") from None
            raise

    def settle(self, session: Session, tenant: Tenant) -> None:
        """Set what was set for it, and note where it came from."""
        self._loader.settings.set(session, tenant)
        audit.record(
            session,
            "tenant.import",
            tenant,
            exported_as=self._manifest.tenant_name,
            exported_at=to_json(self._manifest.exported_at),
            **asdict(self.counts()),
        )

    def counts(self) -> Counts:
        """Say what came along."""
        rows = self._loader.counts
        return Counts(
            packages=rows[layout.PACKAGES.member],
            schedules=rows[layout.SCHEDULES.member],
            executions=rows[layout.EXECUTIONS.member],
            tasks=rows[layout.TASKS.member],
            events=rows[layout.EVENTS.member],
            log_lines=rows[layout.LOGS.member],
            paused_executions=self._paused,
        )
