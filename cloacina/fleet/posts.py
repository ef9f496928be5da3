"""Posts: each is one worker that a tenant is to have, and held by whoever sees to it that it runs.

A post is held under a lease in the database. Several machines share the posts so that each is held
once; when one dies, others take its posts over.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Update, delete, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from cloacina.db import after
from cloacina.fleet.models import PostRow

LEASE_S = 8.0
"""Seconds after which posts of a holder that is silent are anybody's."""

RENEW_S = 2.0
"""Seconds of a lease after which it is renewed."""

Key = tuple[UUID, int]


@dataclass(frozen=True)
class Staff:
    """The workers that one tenant is to have.

    Parameters:
        count: how many; their numbers begin with 1.
        may_grow: whether a worker that nobody runs may be started.
    """

    count: int
    may_grow: bool


def hold(
    session: Session, holder: UUID, wanted: Mapping[UUID, Staff], *, may_take_over: bool
) -> Sequence[Key]:
    """Keep the posts that are held and still wanted, and take a part of those that nobody holds.

    Of these it takes half, one at least, so that the machines that ask each second share them.
    Whoever asks waits for nobody else, but for one that takes the same new post at that moment.

    Parameters:
        session: acts as the platform, on PostgreSQL.
        holder: who asks.
        wanted: what each tenant is to have.
        may_take_over: whether posts of others may be taken whose lease has ended.

    Returns:
        The posts that it holds now: tenants and numbers, in order.
    """
    mine = PostRow.holder == holder
    rows = session.execute(select(PostRow.tenant_id, PostRow.number, PostRow.holder)).all()
    surplus = [(row.tenant_id, row.number) for row in rows if not _is_wanted(row, wanted)]
    if surplus:
        # its own first, while it holds no other lock; of those that are gone none that is locked
        session.execute(delete(PostRow).where(_is_one_of(surplus), mine))
        session.execute(delete(PostRow).where(_is_one_of(_free(session, surplus))))
    is_old = PostRow.lease_until < after(LEASE_S - RENEW_S)
    session.execute(_lease(holder).where(mine, is_old))
    held = {(row.tenant_id, row.number) for row in rows} - set(surplus)
    missing = [
        (tenant_id, number)
        for tenant_id, staff in wanted.items()
        for number in range(1, staff.count + 1)
        if staff.may_grow and (tenant_id, number) not in held
    ]
    _take(session, holder, sorted(missing), _free(session, sorted(held)) if may_take_over else ())
    numbers = select(PostRow.tenant_id, PostRow.number).where(mine)
    return [(row.tenant_id, row.number) for row in session.execute(numbers.order_by(*_KEY))]


def give_up(session: Session, holder: UUID) -> None:
    """Let others have all posts of a holder at once."""
    session.execute(delete(PostRow).where(PostRow.holder == holder))


_KEY = (PostRow.tenant_id, PostRow.number)


def _take(session: Session, holder: UUID, missing: Sequence[Key], free: Sequence[Key]) -> None:
    """Take half of what nobody holds: first what others have left."""
    share = -(-(len(missing) + len(free)) // 2)
    taken = free[:share]
    if taken:
        session.execute(_lease(holder).where(_is_one_of(taken)))
    # always in the same order, so that two who insert the same wait in one direction only
    for tenant_id, number in missing[: share - len(taken)]:
        new = insert(PostRow).values(
            tenant_id=tenant_id, number=number, holder=holder, lease_until=after(LEASE_S)
        )
        session.execute(new.on_conflict_do_nothing())


def _free(session: Session, keys: Collection[Key]) -> Sequence[Key]:
    """Lock those of the posts whose lease has ended, passing over what others have locked."""
    if not keys:
        return ()
    free = select(PostRow.tenant_id, PostRow.number).where(
        _is_one_of(keys), PostRow.lease_until < after(0)
    )
    rows = session.execute(free.order_by(*_KEY).with_for_update(skip_locked=True))
    return [(row.tenant_id, row.number) for row in rows]


def _is_one_of(keys: Collection[Key]) -> ColumnElement[bool]:
    return tuple_(*_KEY).in_(keys)


def _is_wanted(row: Row[UUID, int, UUID], wanted: Mapping[UUID, Staff]) -> bool:
    staff = wanted.get(row.tenant_id)
    return staff is not None and row.number <= staff.count


def _lease(holder: UUID) -> Update:
    return update(PostRow).values(holder=holder, lease_until=after(LEASE_S))
