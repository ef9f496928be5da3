"""What will be disturbed and when, all of it decided by the seed before anything starts."""

from dataclasses import dataclass
from random import Random

from tests.chaos.limits import LEASE_S

KINDS = (
    "kill_worker",
    "kill_slot",
    "kill_scheduler",
    "kill_api",
    "stop_worker",
    "stop_slot_as_it_starts",
    "stop_scheduler",
    "stop_api",
    "flush_broker",
    "restart_broker_empty",
    "hang_broker",
    "terminate_connections",
    "restart_postgres_fast",
    "restart_postgres_immediate",
    "double_hints",
    "drop_hints",
)

SHORT_KINDS = (
    "kill_worker",
    "kill_slot",
    "flush_broker",
    "terminate_connections",
    "double_hints",
)

HANG_S = 20.0
_SHORT_STOP_S = (1.0, 4.0)
_GAP_S = (2.0, 8.0)


@dataclass(frozen=True)
class Disturbance:
    """Something to be done to the fleet.

    Parameters:
        at_s: seconds since the storm's begin.
        kind: one of `KINDS`.
        target: which of several parts, counted from 0, modulo their number.
        seconds: how long, where it lasts.
    """

    at_s: float
    kind: str
    target: int
    seconds: float


def long_storm(random: Random, seconds: float) -> list[Disturbance]:
    """Plan a storm: each kind at least once when there is time, then whichever."""
    kinds = random.sample(KINDS, len(KINDS))
    plan, at_s = [], random.uniform(*_GAP_S)
    while at_s < seconds:
        kind = kinds.pop() if kinds else random.choice(KINDS)
        plan.append(_one(random, at_s, kind))
        at_s += random.uniform(*_GAP_S)
    return plan


def short_storm(random: Random, seconds: float) -> list[Disturbance]:
    """Plan a storm of a few disturbances, each of a kind that is over soon."""
    step = seconds / (len(SHORT_KINDS) + 1)
    kinds = random.sample(SHORT_KINDS, len(SHORT_KINDS))
    return [_one(random, step * (n + 1), kind) for n, kind in enumerate(kinds)]


def _one(random: Random, at_s: float, kind: str) -> Disturbance:
    lasting = {
        "stop_worker": (LEASE_S + 1, 2 * LEASE_S),
        "stop_slot_as_it_starts": (LEASE_S + 1, 2 * LEASE_S),
        "stop_scheduler": _SHORT_STOP_S,
        "stop_api": _SHORT_STOP_S,
        "hang_broker": (HANG_S, HANG_S),
        "double_hints": _SHORT_STOP_S,
    }
    seconds = random.uniform(*lasting.get(kind, (0.0, 0.0)))
    return Disturbance(round(at_s, 2), kind, random.randrange(6), round(seconds, 2))
