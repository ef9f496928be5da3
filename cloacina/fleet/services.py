"""Keeps the list of workers on duty."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from cloacina.db import after, now, rows_changed
from cloacina.fleet.assignment import Server
from cloacina.fleet.models import WorkerRow

BEAT_S = 2
"""Seconds between two reports of a worker."""

GONE_S = 4 * BEAT_S
"""Seconds of silence after which a worker counts as gone, and others serve its tenants."""

FORGET_S = 10 * GONE_S
"""Seconds of silence after which nothing is kept of a worker."""


@dataclass(frozen=True)
class Worker:
    """A worker on duty.

    Parameters:
        id: new at each start.
        name: for people.
        tenant_names: the tenants that it serves and no others; empty: it serves all.
        concurrency: tasks that it runs at once.
        in_flight: hints that it works on now.
        seconds_since_heartbeat: since its last report.
    """

    id: UUID
    name: str
    tenant_names: tuple[str, ...]
    concurrency: int
    in_flight: int
    seconds_since_heartbeat: float


def beat(session: Session, worker: Worker, at: datetime | None = None) -> None:
    """Report a worker for duty.

    Parameters:
        session: acts as the platform.
        worker: what it has to say of itself.
        at: when it began to look at what is wanted of it; None: now.
    """
    row = session.get(WorkerRow, worker.id)
    if row is None:
        row = WorkerRow(
            id=worker.id,
            name=worker.name,
            tenant_names=",".join(worker.tenant_names) or None,
            concurrency=worker.concurrency,
            started_at=now(),
        )
        session.add(row)
    row.in_flight = worker.in_flight
    row.heartbeat_at = at or now()
    session.flush()


def retire(session: Session, worker_id: UUID) -> None:
    """Have a worker count as gone, while it still brings what it runs to an end."""
    row = update(WorkerRow).where(WorkerRow.id == worker_id)
    rows_changed(session, row.values(heartbeat_at=after(-GONE_S)))


def leave(session: Session, worker_id: UUID) -> None:
    """Sign a worker off."""
    rows_changed(session, delete(WorkerRow).where(WorkerRow.id == worker_id))


def list_live(session: Session) -> Sequence[Worker]:
    """Give the workers on duty, by name."""
    rows = session.execute(
        select(WorkerRow, now())
        .where(WorkerRow.heartbeat_at > after(-GONE_S))
        .order_by(WorkerRow.name)
    )
    return [
        Worker(
            id=row.id,
            name=row.name,
            tenant_names=_names(row.tenant_names),
            concurrency=row.concurrency,
            in_flight=row.in_flight,
            seconds_since_heartbeat=(present - row.heartbeat_at).total_seconds(),
        )
        for row, present in rows
    ]


def not_heard_of_since(session: Session, moment: datetime) -> list[str]:
    """Give the names of workers on duty whose last report is of a look that began before."""
    late = WorkerRow.heartbeat_at <= moment, WorkerRow.heartbeat_at > after(-GONE_S)
    return list(session.scalars(select(WorkerRow.name).where(*late).order_by(WorkerRow.name)))


def list_servers(session: Session) -> frozenset[Server]:
    """Give the workers on duty, as far as it matters for whom they serve."""
    rows = session.execute(
        select(WorkerRow.id, WorkerRow.tenant_names, WorkerRow.concurrency).where(
            WorkerRow.heartbeat_at > after(-GONE_S)
        )
    )
    return frozenset(Server(row.id, _names(row.tenant_names), row.concurrency) for row in rows)


def count_own(session: Session, tenant_name: str) -> int:
    """Say how many of the workers on duty serve a tenant and name it."""
    return sum(tenant_name in server.tenant_names for server in list_servers(session))


def _names(joined: str | None) -> tuple[str, ...]:
    return tuple(joined.split(",")) if joined else ()


def forget_gone(session: Session) -> Sequence[UUID]:
    """Drop the rows of workers that left without signing off, and give their ids.

    Several may ask at once: each worker is given to one of them.
    """
    gone = delete(WorkerRow).where(WorkerRow.heartbeat_at <= after(-FORGET_S))
    return session.scalars(gone.returning(WorkerRow.id)).all()
