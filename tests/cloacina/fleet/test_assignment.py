"""Rendezvous: who serves whom, as a pure function."""

from collections import Counter
from collections.abc import Collection, Mapping
from math import sqrt
from random import Random
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from cloacina.fleet.assignment import QUEUES, Assignment, Server, replicas

FEW = settings(max_examples=25, deadline=None)

workers = st.integers(1, 12)
tenants = st.integers(1, 400)
seeds = st.integers(0, 2**32)


def some_ids(seed: int, count: int) -> list[UUID]:
    random = Random(seed)
    return [UUID(int=random.getrandbits(128)) for _ in range(count)]


def shared(ids: Collection[UUID], slots: int = 4) -> frozenset[Server]:
    return frozenset(Server(worker_id, (), slots) for worker_id in ids)


def named(ids: Collection[UUID]) -> dict[UUID, str]:
    return {tenant_id: f"t_{tenant_id.hex}" for tenant_id in ids}


def served(assignment: Assignment) -> Mapping[UUID, frozenset[UUID]]:
    """Give the workers of each tenant, as each worker for itself sees it."""
    found: dict[UUID, set[UUID]] = {tenant_id: set() for tenant_id in assignment.tenants}
    by_name = {name: tenant_id for tenant_id, name in assignment.tenants.items()}
    for server in assignment.servers:
        for name in assignment.of_server(server):
            found[by_name[name]].add(server.id)
    return {tenant_id: frozenset(serving) for tenant_id, serving in found.items()}


@FEW
@given(seeds, workers, tenants)
def test_each_tenant_has_so_many_workers_and_each_worker_its_even_share(
    seed: int, workers: int, tenants: int
) -> None:
    assignment = Assignment(shared(some_ids(seed, workers)), named(some_ids(seed + 1, tenants)))
    count = replicas(workers, tenants)
    found = served(assignment)
    assert {len(serving) for serving in found.values()} == {count}
    loads = Counter(worker for serving in found.values() for worker in serving)
    even = tenants * count / workers
    # as even as chance makes it
    assert all(abs(loads[server.id] - even) <= 6 * sqrt(even) + 2 for server in assignment.servers)


@given(st.integers(1, 300), st.integers(0, 5_000))
def test_workers_have_as_many_tenants_as_they_serve_in_comfort(workers: int, tenants: int) -> None:
    count = replicas(workers, tenants)
    assert 1 <= count <= workers
    if count > 1:
        assert tenants * count <= QUEUES * workers
    if count < workers:
        assert tenants * (count + 1) > QUEUES * workers


def test_few_tenants_have_all_workers_and_thousands_have_one_or_two() -> None:
    assert replicas(1, 0) == 1
    assert replicas(8, 1) == replicas(8, 100) == 8
    assert replicas(8, 101) == 7
    assert replicas(20, 1_000) == replicas(20, 2_000) + 1 == 2
    assert replicas(4, 2_000) == 1


@FEW
@given(seeds, st.integers(2, 12), tenants)
def test_a_worker_that_goes_moves_only_what_it_served(
    seed: int, workers: int, tenants: int
) -> None:
    before, others = some_ids(seed, workers), named(some_ids(seed + 1, tenants))
    gone = before[0]
    old = served(Assignment(shared(before), others))
    new = served(Assignment(shared(before[1:]), others))
    fewer = replicas(workers, tenants) - replicas(workers - 1, tenants)
    for tenant_id, serving in old.items():
        if gone in serving:
            # of those that stay, none makes room for another
            assert len(serving - {gone} - new[tenant_id]) <= max(0, fewer - 1)
        else:
            assert len(serving - new[tenant_id]) <= fewer
            assert new[tenant_id] <= serving


@FEW
@given(seeds, workers, st.integers(1, 300))
def test_a_tenant_that_comes_moves_no_other_unless_all_get_fewer(
    seed: int, workers: int, tenants: int
) -> None:
    servers, others = shared(some_ids(seed, workers)), named(some_ids(seed + 1, tenants + 1))
    new = served(Assignment(servers, others))
    del others[next(iter(others))]
    old = served(Assignment(servers, others))
    fewer = replicas(workers, tenants) - replicas(workers, tenants + 1)
    assert all(new[tenant_id] <= serving for tenant_id, serving in old.items())
    assert all(len(serving - new[tenant_id]) == fewer for tenant_id, serving in old.items())


@FEW
@given(seeds, workers, st.integers(1, 3), st.booleans())
def test_a_tenant_with_workers_of_its_own_leaves_the_shared_ones_unless_they_are_on_top(
    seed: int, workers: int, own: int, on_top: bool
) -> None:
    acme, globex = some_ids(seed + 1, 2)
    common = shared(some_ids(seed, workers))
    mine = frozenset(
        Server(worker_id, ("acme", "later"), 2) for worker_id in some_ids(seed + 2, own)
    )
    assignment = Assignment(
        common | mine, {acme: "acme", globex: "globex"}, frozenset({acme} if on_top else ())
    )
    found = served(assignment)
    everywhere = {server.id for server in common}
    assert found[globex] == everywhere
    assert found[acme] == {server.id for server in mine} | (everywhere if on_top else set())
    assert assignment.slots(acme) == 2 * own + (4 * workers if on_top else 0)
    assert assignment.slots(globex) == 4 * workers
    assert all(assignment.of_server(server) == {"acme": assignment.slots(acme)} for server in mine)


@FEW
@given(seeds, st.integers(2, 12), st.integers(101, 300))
def test_tenants_with_workers_of_their_own_count_for_no_shared_one(
    seed: int, workers: int, tenants: int
) -> None:
    common = shared(some_ids(seed, workers))
    others = named(some_ids(seed + 1, tenants))
    own = tuple(sorted(others.values())[: tenants - QUEUES])
    dedicated = Server(some_ids(seed + 2, 1)[0], own, 1)
    assert Assignment(common, others).slots(min(others)) == 4 * replicas(workers, tenants)
    found = served(Assignment(common | {dedicated}, others))
    counts = Counter(len(serving) for serving in found.values())
    assert counts == {1: len(own), workers: QUEUES}


def test_a_tenant_that_is_not_to_be_served_has_no_slots() -> None:
    assert Assignment(shared([UUID(int=1)]), {}).slots(UUID(int=2)) == 0


def test_without_shared_workers_nobody_serves_a_tenant_without_its_own() -> None:
    tenant_id = UUID(int=2)
    only = frozenset({Server(UUID(int=1), ("acme",), 4)})
    assert Assignment(only, {tenant_id: "globex"}).of_tenant(tenant_id) == []
