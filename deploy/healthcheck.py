"""Says by its exit code whether a worker or a scheduler does its work: neither listens on a port.

A process that runs may still be deaf, so what is looked at is what it leaves in the database.
"""

import socket
import sys

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloacina.db import Database, after
from cloacina.errors import CloacinaError
from cloacina.fleet import services as fleet
from cloacina.settings import load_settings
from cloacina.tenants.models import ACTIVE, TenantRow, WakeupRow

LATE_S = 15
"""Seconds that a due tenant may wait for a scheduler, which looks every second."""


def worker_problem(session: Session) -> str | None:
    """Say what is wrong with this container's worker, None when it reports for duty."""
    prefix = f"{socket.gethostname()}-"
    if any(worker.name.startswith(prefix) for worker in fleet.list_live(session)):
        return None
    return f"no worker of {socket.gethostname()} has reported for duty in {fleet.GONE_S} s"


def scheduler_problem(session: Session) -> str | None:
    """Say what is wrong with the schedulers, None when every due tenant was seen in time."""
    late = (
        select(TenantRow.name)
        .join(WakeupRow, WakeupRow.tenant_id == TenantRow.id)
        .where(TenantRow.status == ACTIVE, WakeupRow.due_at < after(-LATE_S))
        .limit(1)
    )
    name = session.scalar(late)
    return f"tenant {name} has been due for more than {LATE_S} s" if name else None


CHECKS = {"worker": worker_problem, "scheduler": scheduler_problem}


def main() -> None:
    """Check what the argument names."""
    if len(sys.argv) != 2 or sys.argv[1] not in CHECKS:
        sys.exit(f"usage: healthcheck.py {'|'.join(CHECKS)}")
    try:
        database = Database(load_settings().database_url, pool_size=1)
        with database.platform() as session:
            problem = CHECKS[sys.argv[1]](session)
    except CloacinaError as error:
        problem = str(error)
    if problem:
        sys.exit(problem)


if __name__ == "__main__":
    main()
