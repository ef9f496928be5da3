"""Posts: each worker that a tenant is to have is held by one supervisor."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import pytest
from sqlalchemy import delete, update

from cloacina.db import Database, after
from cloacina.fleet import posts
from cloacina.fleet.models import PostRow
from cloacina.fleet.posts import LEASE_S, RENEW_S, Key, Staff
from cloacina.lifecycle.tenants import create_tenant
from tests.removal import delete_tenant

Wanted = Mapping[UUID, Staff]

ONE, OTHER = UUID(int=1), UUID(int=2)


@pytest.fixture(scope="module")
def acme(database: Database) -> UUID:
    return create_tenant(database, f"t_{uuid4().hex[:12]}").id


@pytest.fixture(scope="module")
def globex(database: Database) -> UUID:
    return create_tenant(database, f"t_{uuid4().hex[:12]}").id


@pytest.fixture(autouse=True)
def nobody(database: Database) -> None:
    with database.platform() as session:
        session.execute(delete(PostRow))


def staff(count: int, *, may_grow: bool = True) -> Staff:
    return Staff(count, may_grow)


def hold(database: Database, holder: UUID, wanted: Wanted, **options: bool) -> Sequence[Key]:
    with database.platform() as session:
        return posts.hold(session, holder, wanted, **{"may_take_over": True} | options)


def hold_all(database: Database, holder: UUID, wanted: Wanted) -> Sequence[Key]:
    """Ask until nothing more comes."""
    held: Sequence[Key] = ()
    while (more := hold(database, holder, wanted)) != held:
        held = more
    return held


def age(database: Database, seconds: float) -> None:
    """Let so much time pass for all leases."""
    with database.platform() as session:
        session.execute(update(PostRow).values(lease_until=after(LEASE_S - seconds)))


def test_all_that_is_wanted_is_taken_step_by_step(
    database: Database, acme: UUID, globex: UUID
) -> None:
    wanted = {acme: staff(5), globex: staff(1)}
    counts = [len(hold(database, ONE, wanted)) for _ in range(5)]
    assert counts == [3, 5, 6, 6, 6]
    every = {(acme, number) for number in range(1, 6)} | {(globex, 1)}
    assert set(hold(database, ONE, wanted)) == every
    assert hold(database, OTHER, wanted) == []


def test_those_who_ask_in_turn_share_the_posts(database: Database, acme: UUID) -> None:
    wanted = {acme: staff(8)}
    for _ in range(4):
        one, other = hold(database, ONE, wanted), hold(database, OTHER, wanted)
    assert set(one) & set(other) == set()
    assert len(one) + len(other) == 8
    assert min(len(one), len(other)) >= 2


def test_many_that_ask_at_once_hold_each_post_once(
    database: Database, acme: UUID, globex: UUID
) -> None:
    wanted = {acme: staff(20), globex: staff(20)}
    holders = [uuid4() for _ in range(4)]

    def ask(holder: UUID) -> Sequence[Key]:
        return hold(database, holder, wanted)

    with ThreadPoolExecutor(len(holders)) as threads:
        for _ in range(12):
            held = list(threads.map(ask, holders))
        taken = [key for keys in held for key in keys]
        assert len(taken) == len(set(taken)) == 40
        # and when all leases end at once, each post still has one holder
        age(database, LEASE_S + 1)
        held = list(threads.map(ask, holders))
    assert sorted(key for keys in map(ask, holders) for key in keys) == sorted(taken)


def test_a_holder_that_is_silent_is_replaced_and_what_it_asks_later_gives_it_nothing(
    database: Database, acme: UUID
) -> None:
    wanted = {acme: staff(2)}
    held = hold_all(database, ONE, wanted)
    age(database, LEASE_S - 1)
    assert hold(database, OTHER, wanted) == []
    age(database, LEASE_S + 1)
    assert hold(database, OTHER, wanted, may_take_over=False) == []
    assert hold_all(database, OTHER, wanted) == held
    assert hold(database, ONE, wanted) == []


def test_a_holder_that_asks_keeps_its_posts(database: Database, acme: UUID) -> None:
    wanted = {acme: staff(2)}
    held = hold_all(database, ONE, wanted)
    # late, but before any other
    age(database, LEASE_S + 1)
    assert hold(database, ONE, wanted) == held
    assert hold(database, OTHER, wanted) == []
    age(database, RENEW_S / 2)
    assert hold(database, ONE, wanted) == held


def test_what_is_no_longer_wanted_is_given_up_whoever_held_it(
    database: Database, acme: UUID, globex: UUID
) -> None:
    hold_all(database, ONE, {acme: staff(3), globex: staff(1)})
    assert hold(database, ONE, {acme: staff(2)}) == [(acme, 1), (acme, 2)]
    # what others hold is theirs to give up, unless they are gone
    assert hold(database, OTHER, {}) == []
    assert hold(database, ONE, {acme: staff(2)}) == [(acme, 1), (acme, 2)]
    age(database, LEASE_S + 1)
    hold(database, OTHER, {})
    assert hold(database, ONE, {acme: staff(2, may_grow=False)}) == []


def test_what_may_not_grow_is_kept(database: Database, acme: UUID) -> None:
    assert hold(database, ONE, {acme: staff(2, may_grow=False)}) == []
    held = hold_all(database, ONE, {acme: staff(2)})
    assert hold(database, ONE, {acme: staff(2, may_grow=False)}) == held


def test_who_gives_up_is_replaced_at_once(database: Database, acme: UUID) -> None:
    wanted = {acme: staff(2)}
    held = hold_all(database, ONE, wanted)
    with database.platform() as session:
        posts.give_up(session, ONE)
    assert hold_all(database, OTHER, wanted) == held


def test_with_a_tenant_its_posts_are_gone(database: Database) -> None:
    tenant = create_tenant(database, f"t_{uuid4().hex[:12]}")
    assert hold(database, ONE, {tenant.id: staff(1)}) == [(tenant.id, 1)]
    delete_tenant(database, tenant.name)
    assert hold(database, ONE, {}) == []
