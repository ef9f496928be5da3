"""Every function that takes a transaction, found in the code, each with something to be asked.

A function that is new wants a line here: of a tenant's tables in `TENANTS`, of the platform's in
`PLATFORMS`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import insert
from sqlalchemy.orm import Session

from cloacina.audit import services as audit
from cloacina.dag.graph import Graph
from cloacina.db import Call, Unit, now
from cloacina.executions import (
    claiming,
    claims,
    control,
    creation,
    finishing,
    idempotency,
    inputs,
    logs,
    queue,
    services,
    transition,
)
from cloacina.executions.attempt_log import AttemptLog
from cloacina.executions.claims import Claim, ClaimRef, Completed
from cloacina.executions.control import Control
from cloacina.executions.graphs import GraphCache
from cloacina.executions.log_sink import LogSink
from cloacina.executions.transition import NewExecution, Records, Transition
from cloacina.fleet import demand, posts
from cloacina.fleet import services as fleet
from cloacina.fleet.posts import Staff
from cloacina.fleet.services import Worker
from cloacina.keys import services as keys
from cloacina.keys.models import KeyInfo, Principal
from cloacina.lifecycle import removal
from cloacina.packages import builds, room
from cloacina.packages import services as packages
from cloacina.packages.archive import ArchiveInfo, inspect_archive
from cloacina.packages.room import Room
from cloacina.packages.services import Package
from cloacina.schedules import services as schedules
from cloacina.schedules.models import ScheduleRow
from cloacina.tenants import limits
from cloacina.tenants import services as tenants
from cloacina.tenants.models import Tenant
from tests.cloacina.executions.runs import MAX_BYTES, Runs, task
from tests.cloacina.packages import uploads

Ask = Callable[["World", Any], object]

TENANTS_FEATURES = ("packages", "executions", "schedules", "lifecycle")
PLATFORMS_FEATURES = ("tenants.services", "tenants.limits", "keys", "fleet", "audit")


@dataclass
class World:
    """A tenant that has something of everything, made when it is asked for."""

    runs: Runs

    @cached_property
    def package(self) -> Package:
        """A built package; two tasks follow one."""
        return self.runs.workflow(task("a"), task("b", "a"), task("c", "a"))

    @cached_property
    def stored(self) -> Package:
        """A built package with an archive."""
        return uploads.built(self.runs.database, self.runs.tenant, uploads.archive("kept"))

    @cached_property
    def graph(self) -> Graph:
        """The graph of `package`."""
        return Graph.from_definition(self.package.definition or {})

    @cached_property
    def graphs(self) -> GraphCache:
        """A cache that is never asked twice."""
        return GraphCache()

    @cached_property
    def schedule_id(self) -> UUID:
        """A schedule of the workflow `scheduled`."""
        values = {
            "id": uuid4(),
            "schedule_type": "cron",
            "workflow_name": "scheduled",
            "enabled": True,
            "paused": False,
            "created_at": now(),
        }
        with self.runs.database.tenant(self.runs.tenant) as session:
            session.execute(insert(ScheduleRow).values(values))
        return UUID(str(values["id"]))

    @cached_property
    def limited(self) -> Tenant:
        """The tenant, once it has a row for limits of its own."""
        limits.keep_row(self.runs.database, self.runs.tenant.id)
        return self.runs.tenant

    def execution(self) -> UUID:
        """Start an execution."""
        return self.runs.start(self.package)

    def paused(self) -> UUID:
        """Start an execution, and pause it."""
        execution_id = self.execution()
        self.runs.pause(execution_id)
        return execution_id

    def ended(self) -> UUID:
        """Start an execution, and end it."""
        execution_id = self.execution()
        self.runs.cancel(execution_id)
        return execution_id

    def claim(self) -> Claim:
        """Start an execution, and claim its first task."""
        return self.runs.must_claim(self.execution())

    def lost(self) -> UUID:
        """Start an execution, and let the lease of its first task end."""
        claim = self.claim()
        self.runs.set_task(claim.execution_id, claim.task.id, lease_until=-1)
        return claim.execution_id

    def overdue(self) -> UUID:
        """Start an execution whose time is over."""
        claim = self.claim()
        self.runs.set_execution(claim.execution_id, deadline_at=-1)
        return claim.execution_id

    def build(self) -> builds.Build:
        """Upload a package, and claim its build."""
        tenant = self.runs.tenant
        uploads.upload(self.runs.database, tenant, uploads.archive(f"p-{uuid4().hex[:8]}"))
        return uploads.claim(self.runs.database, tenant)

    def step(self, unit: Unit) -> Transition:
        """Begin an execution that is not in the tables yet."""
        new = NewExecution(uuid4(), datetime.now(UTC), open_tasks=3, skipped_tasks=0)
        return Transition(unit, new, self.graph, max_context_bytes=MAX_BYTES)

    def control(self, unit: Unit) -> Control:
        """Do something to an execution."""
        return Control(unit, self.graphs, MAX_BYTES)

    def sink(self) -> LogSink:
        """Take a line of a claim's attempt."""
        claim = self.claim()
        of = (claim.execution_id, claim.task.id, claim.attempt)
        log = LogSink(self.runs.database, self.runs.tenant, *of, log=AttemptLog(1000))
        log.feed("stdout", b"a line\n")
        return log


def _store(_: World, session: Session) -> UUID:
    packed = uploads.archive(f"p-{uuid4().hex[:8]}")
    info = inspect_archive(packed)
    packed.seek(0)
    return packages.store(session, info, packed)


def _info() -> ArchiveInfo:
    return inspect_archive(uploads.archive(f"p-{uuid4().hex[:8]}"))


def _create(world: World, unit: Unit) -> object:
    made = creation.create(unit, world.package, world.graph, _request(), MAX_BYTES)
    return unit.ask(*made[1])


def _transition_of(world: World, unit: Unit) -> Transition:
    which = {"execution_id": world.execution()}
    with world.runs.unit() as own:
        ((row,),) = own.ask(Call(transition.SQL.lock_execution, which))
    return Transition(unit, row, world.graph, max_context_bytes=MAX_BYTES)


def _taking(world: World, unit: Unit) -> object:
    step, claimed = _transition_of(world, unit), claiming.NewlyReady("a")
    return unit.ask(*claiming.Taking(step, world.package, claimed, world.runs.terms()).calls())


def _records(world: World, unit: Unit) -> Records:
    return Records(unit, world.claim().execution_id, MAX_BYTES, {}, {})


TENANTS: Mapping[str, Ask] = {
    "packages.services.store_archive": lambda w, s: packages.store_archive(
        s, w.package.id, uploads.archive("more")
    ),
    "packages.builds.is_any_open": lambda _, s: builds.is_any_open(s),
    "packages.builds.claim_next": lambda _, s: builds.claim_next(s),
    "packages.builds.succeed": lambda w, s: builds.succeed(s, w.build(), uploads.DEFINITION, "0"),
    "packages.builds.fail": lambda w, s: builds.fail(s, w.build(), "broken"),
    "packages.services.store": _store,
    "packages.services.stored_id": lambda _, s: packages.stored_id(s, _info()),
    "packages.room.stored": lambda _, s: room.stored(s),
    "packages.room.Room.check_for": lambda _, s: Room(1000, 10**9).check_for(s, _info()),
    "packages.room.Room.check_with": lambda _, s: Room(1000, 10**9).check_with(s, _info()),
    "packages.services.list_active": lambda _, s: packages.list_active(s),
    "packages.services.find": lambda w, s: packages.find(s, w.package.workflow_name),
    "packages.services.find_active_call": lambda w, u: u.ask(
        packages.find_active_call(w.package.workflow_name)
    ),
    "packages.services.fetch": lambda w, u: packages.fetch(u, w.package.id),
    "packages.services.get": lambda w, s: packages.get(s, w.package.id),
    "packages.services.set_paused": lambda w, s: packages.set_paused(
        s, w.package.workflow_name, paused=False
    ),
    "packages.services.delete_version": lambda w, s: packages.delete_version(
        s, w.package.package_name, w.package.version
    ),
    "packages.services.read_source": lambda w, s: list(packages.read_source(s, w.stored)),
    "packages.services.open_archive": lambda w, s: packages.open_archive(s, w.stored.id).read(),
    "executions.claiming.claim_next": lambda w, u: claiming.claim_next(
        u, w.graphs, w.runs.terms(), None, lambda: 100
    ),
    "executions.claiming.lock_any_other": lambda w, u: claiming.lock_any_other(u, w.execution()),
    "executions.claiming.Taking.calls": _taking,
    "executions.claims.renew": lambda w, u: claims.renew(u, [w.claim()]),
    "executions.claims.restore": lambda w, u: claims.restore(
        u, w.graphs, w.runs.terms(), ClaimRef.of(w.claim())
    ),
    "executions.claims.set_deferred": lambda w, u: claims.set_deferred(
        u, w.claim(), w.runs.terms(), deferred=True
    ),
    "executions.control.Control.cancel": lambda w, u: w.control(u).cancel(w.execution()),
    "executions.control.Control.pause": lambda w, u: w.control(u).pause(w.execution()),
    "executions.control.Control.resume": lambda w, u: w.control(u).resume(
        w.paused(), w.runs.tenant.id
    ),
    "executions.control.Control.rerun": lambda w, u: w.control(u).rerun(
        w.ended(), w.runs.tenant.id, start_from="start", request_id=None, most_open=1000
    ),
    "executions.control.Control.end_overdue": lambda w, u: w.control(u).end_overdue(w.overdue(), 1),
    "executions.control.overdue_executions": lambda _, u: control.overdue_executions(u),
    "executions.creation.create": _create,
    "executions.finishing.finish": lambda w, u: finishing.finish(
        u,
        w.graphs,
        w.runs.terms(),
        w.claim(),
        Completed("{}"),
        tenant_id=w.runs.tenant.id,
        claim_more=True,
    ),
    "executions.finishing.give_back_lost": lambda w, u: finishing.give_back_lost(
        u, w.graphs, w.runs.terms(), w.lost()
    ),
    "executions.finishing.lost_executions": lambda _, u: finishing.lost_executions(u, grace_s=0),
    "executions.graphs.GraphCache.entry": lambda w, u: GraphCache().entry(u, w.package.id),
    "executions.idempotency.calls": lambda _, u: u.ask(
        *idempotency.calls(idempotency.Idempotency("key", "hash"))
    ),
    "executions.inputs.input_calls": lambda w, u: u.ask(
        *inputs.input_calls(w.execution(), w.claim().task, MAX_BYTES, {})
    ),
    "executions.log_sink.LogSink.rest_calls": lambda w, u: u.ask(*w.sink().rest_calls()),
    "executions.logs.append": lambda w, u: logs.append(u, w.execution(), "a", 1, (), 0.0),
    "executions.logs.append_call": lambda w, u: u.ask(
        logs.append_call(w.execution(), "a", 1, (), 0.0)
    ),
    "executions.logs.list_lines": lambda w, s: logs.list_lines(s, w.execution(), "acme"),
    "executions.queue.count_call": lambda _, u: u.ask(queue.count_call(10)),
    "executions.services.list_executions": lambda _, s: services.list_executions(
        s, status=None, workflow=None, limit=10, offset=0
    ),
    "executions.services.count_by_status": lambda _, s: services.count_by_status(s),
    "executions.services.get": lambda w, u: services.get(u, w.execution()),
    "executions.services.list_events": lambda w, s: services.list_events(s, w.execution(), "acme"),
    "executions.services.list_tasks": lambda w, s: services.list_tasks(s, w.execution(), "acme"),
    "executions.services.task_prefix": lambda w, s: services.task_prefix(s, w.execution(), "acme"),
    "executions.transition.Transition.calls": lambda w, u: u.ask(*_transition_of(w, u).calls()),
    "executions.transition.Transition.calls_of_new": lambda w, u: u.ask(
        *w.step(u).calls_of_new(creation._execution_columns(w.package, _request()))
    ),
    "executions.transition.Records.remaining": lambda w, u: _records(w, u).remaining(["b"]),
    "executions.transition.Records.outcomes": lambda w, u: _records(w, u).outcomes(["a"]),
    "executions.transition.Records.outputs": lambda w, u: _records(w, u).outputs(["a"]),
    "executions.transition.outputs_call": lambda w, u: u.ask(
        transition.outputs_call(w.execution(), ["a"], MAX_BYTES)
    ),
    "executions.transition.read_outputs": lambda w, u: transition.read_outputs(
        u, w.execution(), ["a"], MAX_BYTES
    ),
    "schedules.services.list_schedules": lambda _, s: schedules.list_schedules(s, 10, 0),
    "schedules.services.get_schedule": lambda w, s: (
        w.schedule_id,
        schedules.get_schedule(s, "scheduled"),
    ),
    "schedules.services.recent_executions": lambda w, s: schedules.recent_executions(
        s, w.schedule_id
    ),
    "lifecycle.removal.is_any_left": lambda _, s: removal.is_any_left(s),
    "lifecycle.removal.purge_deleted": lambda _, s: removal.purge_deleted(s),
}


def _request() -> creation.Request:
    return creation.Request(moment=datetime.now(UTC), context="{}")


def _key() -> KeyInfo:
    return KeyInfo(
        id=uuid4(),
        name="key",
        role="admin",
        is_admin=True,
        tenant_name=None,
        revoked=False,
        created_at=datetime.now(UTC),
        expires_at=None,
        last_used_at=None,
    )


PLATFORMS: Mapping[str, Ask] = {
    "tenants.services.find": lambda w, s: tenants.find(s, w.runs.tenant.name),
    "tenants.services.find_by_id": lambda w, s: tenants.find_by_id(s, w.runs.tenant.id),
    "tenants.services.find_in_any_state": lambda w, s: tenants.find_in_any_state(
        s, w.runs.tenant.id
    ),
    "tenants.services.find_open": lambda w, s: tenants.find_open(s, w.runs.tenant.id),
    "tenants.services.re_enter": lambda w, u: u.ask(tenants.re_enter(w.runs.tenant)),
    "tenants.limits.lock": lambda w, s: limits.lock(s, w.limited.id),
    "tenants.limits.change": lambda w, s: limits.change(s, w.limited, {"max_packages": 5}),
    "tenants.limits.clear": lambda w, s: limits.clear(s, w.limited),
    "tenants.services.list_ids": lambda _, s: tenants.list_ids(s),
    "tenants.services.list_killed": lambda _, s: tenants.list_killed(s),
    "tenants.services.find_named": lambda w, s: tenants.find_named(s, w.runs.tenant.name),
    "keys.services.count_live": lambda w, s: keys.count_live(s, w.runs.tenant),
    "fleet.services.not_heard_of_since": lambda _, s: fleet.not_heard_of_since(
        s, datetime.now(UTC)
    ),
    "audit.services.list_events": lambda _, s: audit.list_events(
        s, audit.Wanted(), limit=10, offset=0
    ),
    "audit.services.record": lambda w, s: audit.record(s, "key.create", w.runs.tenant),
    "tenants.services.enter": lambda w, u: u.ask(tenants.enter(w.runs.tenant.id)),
    "tenants.services.find_call": lambda w, u: u.ask(tenants.find_call(w.runs.tenant.name)),
    "tenants.services.list_all": lambda _, s: tenants.list_all(s),
    "tenants.services.hint_key": lambda _, s: tenants.hint_key(s),
    "tenants.services.wake": lambda w, s: tenants.wake(s, w.runs.tenant.id, 1),
    "tenants.services.due_tenants": lambda _, s: tenants.due_tenants(s, 10, 1),
    "keys.services.issue": lambda w, s: keys.issue(s, "key", "admin", w.runs.tenant),
    "keys.services.verify_call": lambda _, u: u.ask(keys.verify_call("clk_x")),
    "keys.services.note_use": lambda _, u: keys.note_use(u, Principal(_key(), None)),
    "keys.services.live_admin_key_exists": lambda _, s: keys.live_admin_key_exists(s),
    "keys.services.list_keys": lambda w, s: keys.list_keys(s, w.runs.tenant),
    "keys.services.revoke": lambda w, s: keys.revoke(
        s, keys.issue(s, "key", "read", w.runs.tenant).info.id, w.runs.tenant
    ),
    "keys.services.revoke_all_of": lambda w, s: keys.revoke_all_of(s, w.runs.tenant.id),
    "fleet.services.beat": lambda _, s: fleet.beat(s, Worker(uuid4(), "w", (), 1, 0, 0.0)),
    "fleet.services.retire": lambda _, s: fleet.retire(s, uuid4()),
    "fleet.services.list_servers": lambda _, s: fleet.list_servers(s),
    "fleet.services.count_own": lambda w, s: fleet.count_own(s, w.runs.tenant.name),
    "fleet.demand.of_tenant": lambda w, s: demand.of_tenant(s, w.runs.tenant.id),
    "fleet.demand.change": lambda w, s: demand.change(s, w.runs.tenant, by=1, most=2),
    "fleet.demand.answer_wait": lambda w, s: demand.answer_wait(
        s, w.runs.tenant, waits=True, patience_s=1, most=2
    ),
    "fleet.demand.raised_tenants": lambda _, s: demand.raised_tenants(s),
    "fleet.demand.on_top": lambda _, s: demand.on_top(s),
    "fleet.posts.hold": lambda w, s: posts.hold(
        s, uuid4(), {w.runs.tenant.id: Staff(1, may_grow=True)}, may_take_over=True
    ),
    "fleet.posts.give_up": lambda _, s: posts.give_up(s, uuid4()),
    "fleet.services.leave": lambda _, s: fleet.leave(s, uuid4()),
    "fleet.services.list_live": lambda _, s: fleet.list_live(s),
    "fleet.services.forget_gone": lambda _, s: fleet.forget_gone(s),
}
