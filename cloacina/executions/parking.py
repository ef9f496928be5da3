"""Tasks that wait without a slot (`handle.defer_until`): their worker's main process has them.

A slot parks a task: it hands its child, its claim and its log over and is free. The lot, a thread
of the main process, holds on to the claim, keeps the log, and once the task wants to go on, has a
hint sent to the worker's own queue. Whichever slot takes that hint takes the task out of the lot.
"""

import json
import logging
import os
import select
import socket
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from cloaca import _handover
from cloacina.db import DATABASE_ERRORS, Database
from cloacina.errors import DatabaseUnavailable
from cloacina.executions import claims, finishing
from cloacina.executions.attempt_log import AttemptLog
from cloacina.executions.claims import RENEW_S, ClaimRef, GivenBack, Outcome, Terms
from cloacina.executions.drain import Drain
from cloacina.executions.errors import LostClaim
from cloacina.executions.graphs import GraphCache
from cloacina.executions.handing import Owner, Taken, hand_over, read
from cloacina.executions.log_sink import LogSink
from cloacina.executions.outcomes import of_failure
from cloacina.sandbox.attempt import Answer, Attempt, Deferred, Resumable
from cloacina.sandbox.errors import ChildDied, LeaseOver
from cloacina.tenants import services as tenants
from cloacina.tenants.errors import TenantNotFound
from cloacina.tenants.models import Tenant

log = logging.getLogger(__name__)

_LOOK_S = 0.5
_TAKE_WITHIN_S = 5.0


class Hinter(Protocol):
    """Tells the worker's slots that a task wants to go on."""

    def resume(self, tenant_id: UUID, task_uuid: UUID) -> bool:
        """Send a hint to the worker's own queue; False: the broker is away."""

    def run(self, tenant_id: UUID, tenant_name: str, execution_id: UUID) -> bool:
        """Send a hint to all workers of the tenant; returns the same."""


class Door:
    """A slot's way to the lot.

    Parameters:
        lot: of the worker.
    """

    def __init__(self, lot: "Lot") -> None:
        self._peer = lot.door

    def park(
        self, tenant: Tenant, ref: ClaimRef, attempt: Attempt, sink: LogSink, left_s: float
    ) -> None:
        """Hand a task over; the slot has nothing of it any more.

        Parameters:
            tenant: whose it is.
            ref: names its claim, which goes on.
            attempt: its child.
            sink: its log.
            left_s: seconds of its time limit that it has not used.

        Raises:
            OSError: the lot is gone; the child dies.
        """
        owner = Owner(tenant.id, tenant.schema, tenant.role)
        hand_over(self._peer, owner, ref, attempt, sink, left_s)

    def take(self, task_uuid: UUID) -> Taken | None:
        """Take a task out of the lot, None where it is not there: it was taken, or is lost."""
        mine, theirs = _handover.pair()
        with mine, theirs:
            request = json.dumps({"op": "take", "task": str(task_uuid)}).encode()
            _handover.send(self._peer, request, [theirs.fileno()])
            theirs.close()
            mine.settimeout(_TAKE_WITHIN_S)
            try:
                message, fds = _handover.receive(mine)
            except TimeoutError:
                return None
        return read(message, fds) if message else None


class Lot(threading.Thread):
    """Where a worker's tasks wait; a thread of its main process.

    It is made before the slots are forked, and started where they may see it.

    Parameters:
        database: its own.
        hinter: for tasks that want to go on.
        terms: of the worker.
        drain: says when the worker is to stop: what waits is then given back.
    """

    def __init__(self, database: Database, hinter: Hinter, terms: Terms, drain: Drain) -> None:
        super().__init__(name="parking", daemon=True)
        self._database = database
        self._hinter = hinter
        self._terms = terms
        self._drain = drain
        self._graphs = GraphCache()
        self._inbox, self.door = _handover.pair()
        self._inbox.setblocking(False)
        self._waiting: dict[UUID, _Entry] = {}
        self._poll = select.poll()
        self._poll.register(self._inbox, select.POLLIN)
        self._by_fd: dict[int, _Entry] = {}
        self._ended = threading.Event()
        self._renewed_at = time.monotonic()
        self._sends_hints = True

    def enter_slot(self) -> None:
        """Let go, in a slot that was forked, of what is the main process's alone."""
        self._inbox.close()
        for entry in list(self._waiting.values()):
            for fd in entry.fds:
                with suppress(OSError):
                    os.close(fd)

    def run(self) -> None:
        """Look after those that wait, until `close`."""
        while not self._ended.is_set():
            try:
                self._look(_LOOK_S)
            except Exception:
                # one task's trouble must not be that of all others that wait
                log.exception("tasks that wait could not be looked after")
                self._ended.wait(_LOOK_S)
        # what slots have handed over at their very end
        while self._hear():
            pass
        self._give_back()

    def close(self) -> None:
        """Give back all that waits, so that others run it anew."""
        self._ended.set()
        if self.is_alive():
            self.join()
        self._inbox.close()
        self.door.close()

    def __len__(self) -> int:
        """Give the number of tasks that wait."""
        return len(self._waiting)

    def _look(self, timeout_s: float) -> None:
        for fd, _ in self._poll.poll(timeout_s * 1000):
            if fd == self._inbox.fileno():
                self._keep_up()
            elif (entry := self._by_fd.get(fd)) is not None:
                self._attend(entry)
                self._drop_closed(entry)
                # a child that ends badly takes its time
                self._keep_up()
        if self._drain.has_begun():
            self._give_back()
        for entry in list(self._waiting.values()):
            # one whose claim was lost meanwhile has stored its lines
            if entry.ref.id in self._waiting:
                entry.sink.flush_if_due()
                # logs are stored one by one, and the next one's tenant may have its tables locked
                self._keep_up()
        self._keep_up()

    def _keep_up(self) -> None:
        """Do what claims depend on: those of tasks that slots hand over are not renewed so far."""
        while self._hear():
            pass
        self._renew_if_due()

    def _renew_if_due(self) -> None:
        if time.monotonic() - self._renewed_at >= RENEW_S:
            self._renewed_at = time.monotonic()
            self._renew()

    def _drop_closed(self, entry: "_Entry") -> None:
        """Look no more at an output that the code has closed: its end would be news for ever."""
        for fd in entry.fds:
            if fd in self._by_fd and not entry.attempt.is_open(fd):
                del self._by_fd[fd]
                self._poll.unregister(fd)

    def _hear(self) -> bool:
        """Do what a slot asks for; False: none does."""
        try:
            message, fds = _handover.receive(self._inbox)
        except BlockingIOError:
            return False
        request = json.loads(message)
        if request["op"] == "park":
            self._take_in(read(message, fds))
        else:
            self._hand_out(UUID(request["task"]), fds)
        return True

    def _give_back(self) -> None:
        for entry in list(self._waiting.values()):
            self._end(entry, GivenBack())

    def _take_in(self, taken: Taken) -> None:
        sink = LogSink(
            self._database,
            taken.owner,
            taken.ref.execution_id,
            taken.ref.task_id,
            taken.ref.attempt,
            log=AttemptLog.of_state(taken.log),
        )
        attempt = Attempt.attach(taken.state, taken.fds, sink.feed)
        attempt.extend(time.monotonic() + claims.LEASE_S)
        entry = _Entry(taken.owner, taken.ref, attempt, sink, taken.left_s, taken.fds)
        self._waiting[taken.ref.id] = entry
        for fd in taken.fds:
            self._by_fd[fd] = entry
            self._poll.register(fd, select.POLLIN)
        # it may have spoken on the way here
        self._attend(entry)

    def _hand_out(self, task_uuid: UUID, reply: Sequence[int]) -> None:
        entry = self._waiting.get(task_uuid)
        with socket.socket(fileno=reply[0]) as peer:
            if entry is None or not entry.wants_slot:
                # another hint was quicker; the task may even wait again by now
                return
            self._forget(entry)
            with suppress(OSError):
                # a slot that is gone takes its task with it: the claim comes back
                hand_over(peer, entry.owner, entry.ref, entry.attempt, entry.sink, entry.left_s)

    def _attend(self, entry: "_Entry") -> None:
        """Take what a waiting task's process says."""
        if entry.wants_slot:
            # all that it may do is to wait; its output stays in the pipe
            self._unwatch(entry)
            return
        try:
            match entry.attempt.wait(0):
                case Resumable():
                    entry.wants_slot = True
                    self._ask_for_slot(entry)
                case Answer() | Deferred():
                    raise ChildDied("the process that ran the code did not wait for its turn")
        except LeaseOver:
            # the claim was renewed too late for the child: it comes back as any that was lost
            self._drop(entry)
            entry.sink.close()
        except ChildDied as error:
            self._end(entry, of_failure(error, 0))

    def _ask_for_slot(self, entry: "_Entry") -> None:
        # a broker that hangs must not hold up the claims: once until the next round is enough
        if self._sends_hints:
            self._sends_hints = self._hinter.resume(entry.owner.id, entry.ref.id)

    def _renew(self) -> None:
        self._sends_hints = True
        by_tenant: dict[UUID, list[_Entry]] = {}
        for entry in self._waiting.values():
            by_tenant.setdefault(entry.owner.id, []).append(entry)
        for tenant_id, entries in by_tenant.items():
            held = self._renewed(tenant_id, entries)
            for entry in entries:
                if entry.ref.token not in held:
                    log.warning("execution %s: the claim was lost", entry.ref.execution_id)
                    self._drop(entry)
                    entry.sink.close()
        for entry in list(self._waiting.values()):
            if entry.wants_slot:
                # the last hint was lost, or all slots are busy
                self._ask_for_slot(entry)

    def _renewed(self, tenant_id: UUID, entries: "Sequence[_Entry]") -> set[UUID]:
        begun = time.monotonic()
        try:
            with self._database.unit(tenants.enter(tenant_id)) as unit:
                tenants.entered(unit, tenant_id)
                held = claims.renew(unit, [entry.ref for entry in entries])
        except DatabaseUnavailable:
            # nobody else can have claimed them before their leases are over
            return {
                entry.ref.token
                for entry in entries
                if time.monotonic() - entry.renewed_at < claims.LEASE_S
            }
        except (TenantNotFound, *DATABASE_ERRORS):
            return set()
        for entry in entries:
            if entry.ref.token in held:
                entry.renewed_at = begun
                entry.attempt.extend(begun + claims.LEASE_S)
        return held

    def _end(self, entry: "_Entry", outcome: Outcome) -> None:
        """Store what came of a task that ended here."""
        self._drop(entry)
        try:
            with self._database.unit(tenants.enter(entry.owner.id)) as unit:
                tenant = tenants.entered(unit, entry.owner.id)
                claim = claims.restore(unit, self._graphs, self._terms, entry.ref)
                finished = finishing.finish(
                    unit,
                    self._graphs,
                    self._terms,
                    claim,
                    outcome,
                    tenant_id=entry.owner.id,
                    also=entry.sink.rest_calls(),
                )
        except (LostClaim, TenantNotFound, DatabaseUnavailable, *DATABASE_ERRORS) as error:
            # its claim comes back when its lease is over
            log.warning("execution %s: %s", entry.ref.execution_id, error)
            return
        if finished.left:
            self._hinter.run(tenant.id, tenant.name, entry.ref.execution_id)

    def _drop(self, entry: "_Entry") -> None:
        self._forget(entry)
        entry.attempt.kill()

    def _forget(self, entry: "_Entry") -> None:
        self._waiting.pop(entry.ref.id, None)
        self._unwatch(entry)

    def _unwatch(self, entry: "_Entry") -> None:
        for fd in entry.fds:
            if self._by_fd.pop(fd, None) is not None:
                self._poll.unregister(fd)


@dataclass
class _Entry:
    owner: Owner
    ref: ClaimRef
    attempt: Attempt
    sink: LogSink
    left_s: float
    fds: list[int]
    wants_slot: bool = False
    renewed_at: float = field(default_factory=time.monotonic)
