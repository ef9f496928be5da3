"""Times: the database's, the same on both databases, never a machine's."""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import String, cast, exc, select, update
from sqlalchemy.orm import Session

from cloacina.db import Database, after, instant, now
from cloacina.tenants.models import WakeupRow

NOW = timedelta(seconds=30)


def read(session: Session, moment: object) -> datetime:
    return session.scalars(select(moment)).one()


def test_the_databases_time_is_aware_and_in_utc(either_database: Database) -> None:
    with either_database.platform() as session:
        for moment in (now(), instant(), after(0)):
            found = read(session, moment)
            assert found.tzinfo is UTC
            assert abs(found - datetime.now(UTC)) < NOW


@pytest.mark.parametrize(
    "seconds", [0.0, 1.5, -60.0, 3600.0, 0.001, 1e-5, 1e-9, 31_536_000.0, 3_153_600_000.0]
)
def test_seconds_are_added_small_and_large_ones_too(
    either_database: Database, seconds: float
) -> None:
    with either_database.platform() as session:
        present, later = session.execute(select(now(), after(seconds))).one()
    # SQLite counts in milliseconds
    assert abs((later - present).total_seconds() - seconds) <= 0.0011


def test_an_instant_moves_on_within_a_transaction(database: Database) -> None:
    with database.platform() as session:
        began = read(session, now())
        first = read(session, instant())
        second = read(session, instant())
        assert began <= first < second
        assert read(session, now()) == began


MOMENTS = st.datetimes(
    datetime(1000, 1, 1),  # noqa: DTZ001  # hypothesis adds the zone
    datetime(9000, 1, 1),  # noqa: DTZ001
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30))]),
)


@settings(max_examples=30, deadline=None)
@given(moment=MOMENTS)
def test_a_moment_comes_back_as_it_was(either_database: Database, moment: datetime) -> None:
    with either_database.platform() as session:
        session.execute(update(WakeupRow).values(due_at=moment))
        found = session.scalars(select(WakeupRow.due_at)).one()
        assert found == moment
        assert found.tzinfo is UTC
        session.rollback()


@settings(max_examples=30, deadline=None)
@given(one=MOMENTS, other=MOMENTS)
def test_moments_compare_in_the_database_as_they_do_here(
    either_database: Database, one: datetime, other: datetime
) -> None:
    with either_database.platform() as session:
        session.execute(update(WakeupRow).values(due_at=one))
        earlier = select(WakeupRow.tenant_id).where(WakeupRow.due_at < other)
        assert bool(session.scalars(earlier).all()) == (one < other)
        session.rollback()


def test_a_moment_of_no_time_zone_is_refused(either_database: Database) -> None:
    naive = datetime(2026, 1, 1)  # noqa: DTZ001
    with (
        pytest.raises(exc.StatementError, match="needs a time zone"),
        either_database.platform() as session,
    ):
        session.execute(update(WakeupRow).values(due_at=naive))


def test_what_sqlite_reckons_is_as_wide_as_what_python_writes(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/text.db")
    with database.engine.connect() as connection:
        for moment in (now(), instant(), after(-1.25)):
            written = connection.scalar(select(cast(moment, String)))
            assert written is not None
            assert len(written) == len("2026-01-02 03:04:05.123456+00:00")
    database.close()
