"""What the server promises, taken from its code, and the waits that follow from it."""

from cloacina.executions import claims
from cloacina.lifecycle import upkeep
from workers import scheduler

LEASE_S: float = claims.LEASE_S
MOST_RESETS: int = claims.MOST_RESETS
WORKER_LOST: str = claims.WORKER_LOST

SLACK_S = 2.0
"""Seconds that a busy machine may be late by."""

OUTLIVES_S: float = SLACK_S
"""Seconds that a body may live on after its lease: its nanny ends it with that, whoever sleeps."""

GIVE_BACK_S: float = LEASE_S + upkeep.SWEEP_S + scheduler.PATIENCE_S + SLACK_S
"""Seconds from a worker's death until its tasks may be claimed again, at the longest."""

WORKER_START_S = 10.0
"""Seconds that a worker takes from its start to its first claim on a busy machine."""

SETTLE_S: float = (MOST_RESETS + 1) * (GIVE_BACK_S + WORKER_START_S)
"""Seconds after the storm in which all that was accepted must end; the longest is a task that
kills its worker each time."""
