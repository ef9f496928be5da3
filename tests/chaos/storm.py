"""Carries out the disturbances that were planned."""

import heapq
import itertools
import json
import signal
import time
from collections.abc import Callable, Sequence

import psycopg
import redis

from cloacina.processes import watch
from tests.chaos import journal, kin, tables
from tests.chaos.evidence import Happening
from tests.chaos.kin import Ident
from tests.chaos.parts import Part
from tests.chaos.plan import Disturbance
from tests.chaos.world import World

_TERMINATE = """
    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
     WHERE datname = current_database() AND pid <> pg_backend_pid() AND usename <> current_user
"""
_LOOK_FOR_HINTS_S = 0.01
_LOOK_FOR_STARTS_S = 3.0


class Storm:
    """A storm over a world; all of it happens in the thread that calls `step`.

    Parameters:
        world: the fleet.
        plan: the disturbances.
        queues: the names of the tenants' queues.
    """

    def __init__(self, world: World, plan: Sequence[Disturbance], queues: Sequence[str]) -> None:
        self.happenings: list[Happening] = []
        self.copied_hints = 0
        self._world = world
        self._queues = queues
        self._order = itertools.count()
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        for disturbance in plan:
            self._at(disturbance.at_s, lambda it=disturbance: self._carry_out(it))
        self.began = 0.0

    def start(self) -> None:
        """Begin."""
        self.began = time.monotonic()

    def step(self) -> bool:
        """Do what is due; tell whether anything is left."""
        while self._due and self._due[0][0] <= time.monotonic() - self.began:
            heapq.heappop(self._due)[2]()
        return bool(self._due)

    def _at(self, at_s: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._due, (at_s, next(self._order), action))

    def _later(self, seconds: float, action: Callable[[], None]) -> None:
        self._at(time.monotonic() - self.began + seconds, action)

    def _carry_out(self, disturbance: Disturbance) -> None:
        begin = time.time()
        try:
            hit = getattr(self, f"_{disturbance.kind}")(disturbance)
        except (psycopg.OperationalError, redis.RedisError):
            # it was away already: nothing more to disturb
            hit = None
        if hit is not None:
            part, worker, slot = hit
            end = max(time.time(), begin + disturbance.seconds)
            self.happenings.append(Happening(disturbance.kind, begin, end, worker, slot, part))
            print(f"  {disturbance.at_s:6.1f} s  {disturbance.kind} {part}", flush=True)

    def _kill_worker(self, it: Disturbance) -> tuple[str, int, int] | None:
        part, _ = self._busy_slot(it)
        return self._signal(part, signal.SIGKILL)

    def _kill_scheduler(self, it: Disturbance) -> tuple[str, int, int] | None:
        return self._signal(_chosen(self._world.schedulers, it), signal.SIGKILL)

    def _kill_api(self, it: Disturbance) -> tuple[str, int, int] | None:
        return self._signal(_chosen(self._world.apis, it), signal.SIGKILL)

    def _kill_slot(self, it: Disturbance) -> tuple[str, int, int] | None:
        part, slot = self._busy_slot(it)
        if part is None or part.who is None or slot is None or not kin.send(slot, signal.SIGKILL):
            return None
        return part.name, part.who.pid, slot.pid

    def _busy_slot(self, it: Disturbance) -> tuple[Part | None, Ident | None]:
        """Choose a slot that runs a task, or whichever when none does."""
        slots = [
            (part, slot)
            for part in self._world.workers
            if part.who is not None
            for slot in kin.slots_of(part.who.pid)
        ]
        with self._world.journal.open() as lines:
            busy = journal.busy_slots(lines, time.time())
        chosen = [(part, slot) for part, slot in slots if slot.pid in busy] or slots
        return chosen[it.target % len(chosen)] if chosen else (None, None)

    def _stop_worker(self, it: Disturbance) -> tuple[str, int, int] | None:
        part = _chosen(self._world.workers, it)
        if part is None or part.who is None:
            return None
        # the main process first, which would start a slot that looks dead again
        stopped = [part.who, *kin.slots_of(part.who.pid)]
        return self._stop(part, stopped, it.seconds)

    def _stop_slot_as_it_starts(self, it: Disturbance) -> tuple[str, int, int] | None:
        """Stop a slot that has claimed a task, and has not begun to run it."""
        slots = [
            (part, slot, kin.children_of(slot.pid))
            for part in self._world.workers
            if part.who is not None
            for slot in kin.slots_of(part.who.pid)
        ]
        until = time.monotonic() + _LOOK_FOR_STARTS_S
        while time.monotonic() < until:
            for part, slot, before in slots:
                # a process for the task is being made: what is stopped now goes on from there
                if kin.children_of(slot.pid) - before and kin.send(slot, signal.SIGSTOP):
                    self._later(it.seconds, lambda slot=slot: _continue([slot]))
                    return part.name, part.who.pid if part.who else 0, slot.pid
        return None

    def _stop_scheduler(self, it: Disturbance) -> tuple[str, int, int] | None:
        part = _chosen(self._world.schedulers, it)
        return self._stop(part, [part.who], it.seconds) if part and part.who else None

    def _stop_api(self, it: Disturbance) -> tuple[str, int, int] | None:
        part = _chosen(self._world.apis, it)
        if part is None or part.who is None:
            return None
        return self._stop(part, [part.who, *kin.slots_of(part.who.pid)], it.seconds)

    def _stop(self, part: Part, stopped: list[Ident], seconds: float) -> tuple[str, int, int]:
        hit = part.name, stopped[0].pid, 0
        for who in stopped:
            kin.send(who, signal.SIGSTOP)
        self._later(seconds, lambda: _continue(stopped))
        return hit

    def _signal(self, part: Part | None, number: signal.Signals) -> tuple[str, int, int] | None:
        if part is None or part.who is None or not kin.send(part.who, number):
            return None
        return part.name, part.who.pid, 0

    def _flush_broker(self, _: Disturbance) -> tuple[str, int, int] | None:
        with self._world.broker() as broker:
            broker.flushall()
        return "broker", 0, 0

    def _restart_broker_empty(self, _: Disturbance) -> tuple[str, int, int] | None:
        self._world.empty_broker_and_end()
        return "broker", 0, 0

    def _hang_broker(self, it: Disturbance) -> tuple[str, int, int] | None:
        who = self._world.server_process(self._world.valkey)
        if who is None:
            return None
        # should we be killed meanwhile, it could not end while it is stopped
        watch(who.pid, signal.SIGCONT)
        kin.send(who, signal.SIGSTOP)
        self._later(it.seconds, lambda: _continue([who]))
        return "broker", 0, 0

    def _terminate_connections(self, _: Disturbance) -> tuple[str, int, int] | None:
        with tables.connect(self._world.admin_url) as connection:
            connection.execute(_TERMINATE)
        return "database", 0, 0

    def _restart_postgres_fast(self, _: Disturbance) -> tuple[str, int, int] | None:
        return self._end_postgres(signal.SIGINT)

    def _restart_postgres_immediate(self, _: Disturbance) -> tuple[str, int, int] | None:
        return self._end_postgres(signal.SIGQUIT)

    def _end_postgres(self, number: signal.Signals) -> tuple[str, int, int] | None:
        who = self._world.server_process(self._world.postgres)
        return ("database", 0, 0) if who is not None and kin.send(who, number) else None

    def _drop_hints(self, _: Disturbance) -> tuple[str, int, int] | None:
        with self._world.broker() as broker:
            broker.delete(*self._queues)
        return "broker", 0, 0

    def _double_hints(self, it: Disturbance) -> tuple[str, int, int] | None:
        """Deliver hints a second time: those that wait, and those that are being worked on."""
        seen: set[bytes] = set()
        until = time.monotonic() + min(it.seconds, 1.0)
        with self._world.broker() as broker:
            while time.monotonic() < until:
                waiting = {
                    message: queue
                    for queue in self._queues
                    for message in broker.lrange(queue, 0, -1)
                }
                for packed in broker.hvals("unacked"):
                    message, _, queue = json.loads(packed)
                    waiting[json.dumps(message).encode()] = queue
                for message, queue in waiting.items():
                    if message not in seen:
                        broker.lpush(queue, message)
                        self.copied_hints += 1
                seen |= waiting.keys()
                time.sleep(_LOOK_FOR_HINTS_S)
        return "broker", 0, 0


def _chosen(parts: Sequence[Part], it: Disturbance) -> Part | None:
    """Choose the part that is meant, or the next one that runs."""
    for turn in range(len(parts)):
        part = parts[(it.target + turn) % len(parts)]
        if part.who is not None:
            return part
    return None


def _continue(stopped: Sequence[Ident]) -> None:
    for who in stopped:
        kin.send(who, signal.SIGCONT)
