"""Brings tenants' tables to this version: one first, then several at once, none after a failure.

A tenant's lock is the lock of its row in `tenants`, so that a migration that was killed holds up
nobody; `migrating_until` only tells servers that its tables are being changed. Each tenant is a
transaction of its own: whoever runs the same again goes on with those that are left.
"""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import exc, select, text, update
from sqlalchemy.orm import Session

from cloacina import schema as tables
from cloacina.audit import services as audit
from cloacina.db import Database, after, first_line
from cloacina.db.database import sqlstate
from cloacina.errors import CloacinaError
from cloacina.tenants import roles
from cloacina.tenants import services as tenants
from cloacina.tenants.errors import TenantMigrationFailed, TenantNotFound, TenantSchemaTooNew
from cloacina.tenants.models import DELETING, PUBLIC_TENANT, Tenant, TenantRow

log = logging.getLogger(__name__)

AT_ONCE = 4
"""Tenants that are migrated at the same time; each takes a connection."""

ANNOUNCED_S = 600
"""Seconds for which a tenant's tables count as being changed, should nobody say that they are not
any more; a statement of a migration may take as long."""

TRIES = 5
"""How often a tenant is tried whose tables somebody else holds locked."""

_PATIENCE = (
    text(f"SET LOCAL statement_timeout = '{ANNOUNCED_S}s'"),
    text("SET LOCAL lock_timeout = 0"),
)
# what waits for a table's lock makes everybody behind it wait too
_LITTLE_PATIENCE = text("SET LOCAL lock_timeout = '3s'")
_LOCK_TIMED_OUT = "55P03"


@dataclass(frozen=True)
class Migration:
    """What became of the tenants that were behind.

    Parameters:
        migrated: names of those whose tables are new by now.
        failed: names of those that could not be migrated, each with what the database said.
        left: names of those that were not tried, because of these failures.
        too_new: names of those whose tables belong to a newer server.
    """

    migrated: tuple[str, ...]
    failed: tuple[tuple[str, str], ...]
    left: tuple[str, ...]
    too_new: tuple[str, ...]

    def failure(self) -> str:
        """Tell an operator what failed and what to do; empty where nothing did."""
        if not self.failed:
            return ""
        told = "; ".join(f"'{name}': {reason}" for name, reason in self.failed)
        return (
            f"{len(self.migrated)} tenants were migrated, {len(self.failed)} could not be:"
            f" {told}; {len(self.left)} were not begun. Each keeps the tables that it has."
            " Mend this, and run `cloacinactl admin migrate` again: it goes on with those"
        )


def migrate_tenants(database: Database) -> Migration:
    """Migrate every tenant that is behind: one alone first, the others if that went well.

    Parameters:
        database: with as many connections as tenants are migrated at once.

    Returns:
        What was done. After a failure no other tenant is begun.
    """
    behind, too_new = _to_migrate(database)
    for tenant in too_new:
        log.warning("tenant %s: its tables belong to a newer server; left as they are", tenant.name)
    run = _Run(database)
    run.all(behind[:1], at_once=1)
    run.all(behind[1:], at_once=1 if database.is_sqlite else AT_ONCE)
    done = {*run.migrated, *run.gone, *(name for name, _ in run.failed)}
    if behind:
        log.info("migrated the tables of %d tenants of %d", len(run.migrated), len(behind))
    return Migration(
        migrated=tuple(run.migrated),
        failed=tuple(run.failed),
        left=tuple(tenant.name for tenant in behind if tenant.name not in done),
        too_new=tuple(tenant.name for tenant in too_new),
    )


def migrate_tenant(database: Database, tenant: Tenant) -> str:
    """Bring one tenant's tables to this version.

    While it is done, servers answer for this tenant that it is being migrated.

    Parameters:
        database: the database.
        tenant: which one.

    Returns:
        The revision that its tables are at.

    Raises:
        TenantSchemaTooNew: they belong to a newer server.
        TenantMigrationFailed: the database refused; they are as they were.
        TenantNotFound: it is gone.
    """
    if tenant.schema_version > tables.head("tenant"):
        raise TenantSchemaTooNew(tenant.name)
    try:
        for _ in range(TRIES - 1):
            try:
                return _migrate(database, tenant)
            except exc.DBAPIError as error:
                if sqlstate(error) != _LOCK_TIMED_OUT:
                    raise
                # the tenant itself may hold its tables, by a login of its own
                _end_logins(database, tenant)
        return _migrate(database, tenant)
    except exc.DBAPIError as error:
        _announce(database, tenant.id, None)
        raise TenantMigrationFailed(tenant.name, first_line(error)) from None


def _to_migrate(database: Database) -> tuple[list[Tenant], list[Tenant]]:
    """Give the tenants that are behind, and those that are ahead.

    The first is who is migrated first: `public`, which every server has, else the eldest.
    """
    head = tables.head("tenant")
    with database.platform() as session:
        every = [each for each in tenants.list_all(session) if each.status != DELETING]
    every.sort(key=lambda tenant: (tenant.name != PUBLIC_TENANT, tenant.created_at))
    return (
        [tenant for tenant in every if tenant.schema_version < head],
        [tenant for tenant in every if tenant.schema_version > head],
    )


class _Run:
    """Migrates tenants until one of them fails."""

    def __init__(self, database: Database) -> None:
        self.migrated: list[str] = []
        self.gone: list[str] = []
        self.failed: list[tuple[str, str]] = []
        self._database = database

    def all(self, them: Sequence[Tenant], at_once: int) -> None:
        turns = _shared(them)
        with ThreadPoolExecutor(at_once) as threads:
            ends = [threads.submit(self._some, turns) for _ in range(min(at_once, len(them)))]
        for end in ends:
            # what is no tenant's failure, such as a database that is away, ends the whole
            end.result()

    def _some(self, turns: Callable[[], Tenant | None]) -> None:
        while not self.failed and (tenant := turns()) is not None:
            try:
                migrate_tenant(self._database, tenant)
            except TenantMigrationFailed as failure:
                log.error("%s", failure)
                self.failed.append((tenant.name, failure.reason))
            except TenantNotFound:
                self.gone.append(tenant.name)
            else:
                self.migrated.append(tenant.name)


def _shared(them: Sequence[Tenant]) -> Callable[[], Tenant | None]:
    """Hand the tenants out to several threads, each to one."""
    rest: Iterator[Tenant] = iter(them)
    lock = threading.Lock()

    def following() -> Tenant | None:
        with lock:
            return next(rest, None)

    return following


def _migrate(database: Database, tenant: Tenant) -> str:
    _announce(database, tenant.id, ANNOUNCED_S)
    with database.platform() as session:
        row = _lock(session, database, tenant.id)
        if row is None:
            raise TenantNotFound(tenant.name)
        old, head = row.schema_version, tables.head("tenant")
        if old < head:
            database.act_as_owner(session, row.schema_name)
            if not database.is_sqlite:
                for statement in (_PATIENCE[0], _LITTLE_PATIENCE):
                    session.execute(statement)
            tables.upgrade(session, "tenant")
            database.act_as_platform(session)
            row.schema_version = head
            audit.record(session, "tenant.migrate", tenant, old=old, new=head)
        row.migrating_until = None
    return max(old, head)


def _lock(session: Session, database: Database, tenant_id: UUID) -> TenantRow | None:
    """Wait until nobody else changes the tenant, and keep others from it."""
    if not database.is_sqlite:
        for statement in _PATIENCE:
            session.execute(statement)
    # rows that refer to the tenant may come and go meanwhile
    row = select(TenantRow).where(TenantRow.id == tenant_id, TenantRow.status != DELETING)
    return session.scalar(row.with_for_update(key_share=True))


def _announce(database: Database, tenant_id: UUID, for_s: int | None) -> None:
    """Tell every server that the tenant's tables are being changed, or no longer are."""
    until = None if for_s is None else after(for_s)
    with database.platform() as session:
        if _lock(session, database, tenant_id) is not None:
            change = update(TenantRow).where(TenantRow.id == tenant_id)
            session.execute(
                change.where(TenantRow.schema_version < tables.head("tenant")).values(
                    migrating_until=until
                )
            )


def _end_logins(database: Database, tenant: Tenant) -> None:
    try:
        with database.platform() as session:
            roles.end_sessions(session, tenant.role)
    except (CloacinaError, exc.DBAPIError) as error:
        log.info("tenant %s: its logins could not be ended: %s", tenant.name, error)
