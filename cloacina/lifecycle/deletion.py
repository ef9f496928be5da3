"""Deletes tenants, step by step: a deletion that is broken off goes on with its next step.

The mark is the first step: from then on the tenant is closed, its keys are dead and nothing starts
there. Whoever marked it goes on with the others; should he end, the scheduler does. Each step is a
transaction that locks the tenant's row, and is recorded once. The row goes with the last.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, exc, exists, func, select, text
from sqlalchemy.orm import Session

from cloacina.audit import services as audit
from cloacina.audit.models import AuditRow
from cloacina.dag.states import TaskState
from cloacina.db import Database, after, first_line, instant, is_passing, now
from cloacina.db.database import sqlstate
from cloacina.dispatch import Dispatcher, queue_name
from cloacina.executions.models import TaskRow
from cloacina.fleet import services as fleet
from cloacina.keys import services as keys
from cloacina.tenants import leftovers, roles
from cloacina.tenants import services as tenants
from cloacina.tenants.errors import TenantRemovalFailed
from cloacina.tenants.models import (
    DELETING,
    DELETION_STEPS,
    PUBLIC_TENANT,
    Tenant,
    TenantRow,
    WakeupRow,
)

log = logging.getLogger(__name__)

ACTION = "tenant.delete"

LOOK_S = 0.1
LONGEST_LOOK_S = 0.5
"""Seconds between two looks at what is waited for: at first, and at last."""

WORKERS_WITHIN_S = 5.0
"""Seconds in which workers must have ended what they keep; those that have not do so later."""

_PATIENCE = (
    # the files of many or large tables
    text("SET LOCAL statement_timeout = '600s'"),
    text("SET LOCAL lock_timeout = '10s'"),
)

_HAS_DEPENDENTS = "2BP01"
_MOST_HINDRANCES = 5

Details = Mapping[str, Any]


@dataclass(frozen=True)
class Removal:
    """What the deletion of a tenant did.

    Parameters:
        revoked_keys: live keys that it revoked.
        removed: there was such a tenant.
    """

    revoked_keys: int
    removed: bool


def delete_tenant(
    database: Database, dispatcher: Dispatcher, name: str, *, drain_timeout_s: float = 0
) -> Removal:
    """Delete a tenant with all that it has, and wait for the end of it.

    Parameters:
        database: the database.
        dispatcher: for the tenant's queue.
        name: the tenant.
        drain_timeout_s: seconds that running tasks get; then they are killed.

    Returns:
        What was done; nothing for an unknown name.

    Raises:
        TenantRemovalFailed: it is the tenant that always exists, or a step failed; the keys are
            revoked by then, and the scheduler tries again.
    """
    if name == PUBLIC_TENANT:
        raise TenantRemovalFailed("the tenant 'public' always exists and cannot be removed")
    marked = mark(database, name, drain_timeout_s)
    if marked is None:
        return Removal(revoked_keys=0, removed=False)
    tenant, revoked = marked
    try:
        for _ in Deletion(database, dispatcher, tenant).steps():
            pass
    except exc.DBAPIError as error:
        log.warning("tenant %s could not be removed: %s", name, reason(error))
        raise TenantRemovalFailed(
            f"tenant '{name}' could not be removed yet, its keys are revoked: {reason(error)};"
            " the server goes on trying"
        ) from None
    return Removal(revoked_keys=revoked, removed=True)


def reason(error: exc.DBAPIError) -> str:
    """Say why the database refused a step, with what hinders it."""
    text = first_line(error)
    if sqlstate(error) != _HAS_DEPENDENTS:
        return text
    # names of objects, never what they hold
    hindrances = getattr(getattr(error.orig, "diag", None), "message_detail", None) or ""
    return f"{text}: {', '.join(hindrances.splitlines()[:_MOST_HINDRANCES])}"


def mark(database: Database, name: str, drain_timeout_s: float) -> tuple[Tenant, int] | None:
    """Begin a deletion: close the tenant, and revoke its keys.

    Parameters:
        database: the database.
        name: the tenant; one that is marked already keeps the time that its tasks have.
        drain_timeout_s: seconds that running tasks get.

    Returns:
        The tenant and how many keys were revoked; None where there is no tenant of this name.
    """
    with database.platform() as session:
        row = session.scalar(select(TenantRow).where(TenantRow.name == name).with_for_update())
        if row is None:
            return None
        revoked = keys.revoke_all_of(session, row.id)
        if row.status != DELETING:
            row.status = DELETING
            row.drain_until = after(drain_timeout_s)
            session.flush()
            audit.record(
                session,
                ACTION,
                row,
                phase="begun",
                revoked_keys=revoked,
                drain_timeout_s=drain_timeout_s,
            )
        return tenants.find_in_any_state(session, row.id), revoked


def unfinished(database: Database) -> list[Tenant]:
    """Give the tenants that are being deleted."""
    with database.platform() as session:
        return [each for each in tenants.list_all(session) if each.status == DELETING]


class Deletion:
    """What is left to do of the deletion of one tenant; any number may do it at once.

    Parameters:
        database: the database.
        dispatcher: for the tenant's queue.
        tenant: it is marked.
    """

    def __init__(self, database: Database, dispatcher: Dispatcher, tenant: Tenant) -> None:
        self._database = database
        self._dispatcher = dispatcher
        self._tenant = tenant

    def steps(self) -> Iterator[str]:
        """Do the steps that were not done yet, and give the name of each once it is committed.

        Raises:
            DBAPIError: the database refused a step; the next call begins with it again.
            DatabaseUnavailable: the database is away.
        """
        works: Mapping[str, Callable[[], Callable[[Session], Details]]] = {
            "drain": self._drain,
            "logins": lambda: self._close_logins,
            "sessions": lambda: self._end_sessions,
            "kill": lambda: self._kill,
            "caches": self._wait_for_workers,
            "schema": lambda: self._drop_schema,
            "queue": self._delete_queue,
            "role": lambda: self._drop_role,
        }
        for step in DELETION_STEPS:
            if not self._is_due(step):
                continue
            begun = time.monotonic()
            work = works[step]()
            if self._commit(step, begun, work):
                yield step

    def is_drained(self) -> bool:
        """Say whether no task runs any more, or those that do had all the time that they get."""
        with self._database.platform() as session:
            waits = (TenantRow.deletion_step.is_(None), TenantRow.drain_until > now())
            if not session.scalar(select(exists().where(TenantRow.id == self._tenant.id, *waits))):
                return True
        return self._running() == 0

    def _is_due(self, step: str) -> bool:
        with self._database.platform() as session:
            row = session.execute(
                select(TenantRow.deletion_step).where(TenantRow.id == self._tenant.id)
            ).first()
        return row is not None and _comes_after(step, row.deletion_step)

    def _commit(self, step: str, begun: float, work: Callable[[Session], Details]) -> bool:
        """Do a step in one transaction; False where somebody else has done it."""
        with self._database.platform() as session:
            row = session.scalar(
                select(TenantRow).where(TenantRow.id == self._tenant.id).with_for_update()
            )
            if row is None or not _comes_after(step, row.deletion_step):
                return False
            row.deletion_step = step
            session.flush()
            details = work(session)
            self._database.act_as_platform(session)
            duration_ms = round((time.monotonic() - begun) * 1000)
            audit.record(
                session, f"{ACTION}.{step}", self._tenant, duration_ms=duration_ms, **details
            )
            if step == DELETION_STEPS[-1]:
                self._forget(session, row)
        return True

    def _drain(self) -> Callable[[Session], Details]:
        wait_s = LOOK_S
        while not self.is_drained():
            time.sleep(wait_s)
            wait_s = min(2 * wait_s, LONGEST_LOOK_S)
        left = self._running()
        return lambda _: {"still_running": left}

    def _running(self) -> int | None:
        """Give the number of tasks that run; None where a login of the tenant's own hides them."""
        live = TaskRow.status == TaskState.RUNNING, TaskRow.lease_until > instant()
        try:
            with self._database.tenant(self._tenant) as session:
                session.execute(text("SET LOCAL lock_timeout = '1s'"))
                return session.scalar(select(func.count()).where(*live)) or 0
        except exc.DBAPIError as error:
            if is_passing(error):
                return None
            # there are no tables, or none that anybody could use
            log.warning("tenant %s: nothing runs: %s", self._tenant.name, first_line(error))
            return 0

    def _close_logins(self, session: Session) -> Details:
        if roles.role_exists(session, self._tenant.role):
            roles.close_logins(session, self._tenant.role)
        return {}

    def _end_sessions(self, session: Session) -> Details:
        if not roles.role_exists(session, self._tenant.role):
            return {}
        return {"ended": roles.end_sessions(session, self._tenant.role)}

    def _kill(self, session: Session) -> Details:
        """Take all rights on the tables from the role: whatever still runs can store nothing.

        Those who renew claims of such tasks are refused, and kill them.
        """
        if roles.role_exists(session, self._tenant.role):
            self._act_as_owner(session)
            roles.take_tables(session, self._tenant.role, self._tenant.schema)
        return {}

    def _act_as_owner(self, session: Session) -> None:
        self._database.act_as_owner(session, "public")
        for statement in _PATIENCE:
            session.execute(statement)

    def _wait_for_workers(self) -> Callable[[Session], Details]:
        """Wait until each worker has looked, and ended what it keeps of the tenant."""
        with self._database.platform() as session:
            since = session.scalar(select(instant()))
        until = time.monotonic() + WORKERS_WITHIN_S
        while True:
            with self._database.platform() as session:
                late = fleet.not_heard_of_since(session, since) if since else []
            if not late or time.monotonic() >= until:
                return lambda _: {"not_heard_of": late} if late else {}
            time.sleep(LOOK_S)

    def _drop_schema(self, session: Session) -> Details:
        self._act_as_owner(session)
        roles.drop_schema(session, self._tenant.schema)
        return {}

    def _delete_queue(self) -> Callable[[Session], Details]:
        deleted = self._dispatcher.delete_queue(queue_name(self._tenant.name))
        # the scheduler deletes queues of nobody's
        return lambda _: {} if deleted else {"left": "the broker is away"}

    def _drop_role(self, session: Session) -> Details:
        role = self._tenant.role
        if roles.role_exists(session, role):
            roles.end_sessions(session, role)
            self._database.act_as_platform(session)
            for statement in _PATIENCE:
                session.execute(statement)
            leftovers.clear(session, role)
            roles.drop_role(session, role)
        return {}

    def _forget(self, session: Session, row: TenantRow) -> None:
        began = session.scalar(
            select(AuditRow.at)
            .where(
                AuditRow.tenant_name == self._tenant.name,
                AuditRow.tenant_id == self._tenant.id,
                AuditRow.action == ACTION,
                AuditRow.outcome == audit.OK,
            )
            .order_by(AuditRow.serial)
            .limit(1)
        )
        ended = session.scalar(select(instant()))
        took = {}
        if began is not None and ended is not None:
            took = {"duration_ms": round((ended - began).total_seconds() * 1000)}
        audit.record(session, ACTION, self._tenant, phase="ended", **took)
        session.execute(delete(WakeupRow).where(WakeupRow.tenant_id == row.id))
        # the row's limits go with it
        session.delete(row)


def _comes_after(step: str, done: str | None) -> bool:
    return done is None or DELETION_STEPS.index(step) > DELETION_STEPS.index(done)
