"""How executions are told: newest first, by page, with full names, and never another tenant's."""

from datetime import timedelta
from uuid import uuid4

import pytest

from cloacina.db import Database
from cloacina.executions import services
from cloacina.executions.errors import ExecutionNotFound
from cloacina.lifecycle.tenants import create_tenant
from cloacina.packages import services as packages
from tests.cloacina.executions.runs import Runs, chain, failed


def listed(runs: Runs, status=None, workflow=None, limit=100, offset=0):
    with runs.database.tenant(runs.tenant) as session:
        return [
            each.id
            for each in services.list_executions(
                session, status=status, workflow=workflow, limit=limit, offset=offset
            )
        ]


def test_executions_are_listed_the_newest_first_by_page(runs: Runs) -> None:
    package = runs.workflow(*chain("a"))
    newest_first = [runs.start(package) for _ in range(5)]
    for age_s, execution_id in enumerate(newest_first):
        runs.set_execution(execution_id, started_at=-age_s)
    assert listed(runs) == newest_first
    assert listed(runs, limit=2) == newest_first[:2]
    assert listed(runs, limit=2, offset=4) == newest_first[4:]
    assert listed(runs, offset=5) == []


def test_executions_are_listed_by_state_and_by_workflow(runs: Runs) -> None:
    one, two = runs.workflow(*chain("a")), runs.workflow(*chain("a"))
    done, waiting, other = runs.start(one), runs.start(one), runs.start(two)
    runs.run(done)
    assert listed(runs, status="Completed") == [done]
    assert set(listed(runs, status="Pending")) == {waiting, other}
    assert listed(runs, workflow=two.workflow_name) == [other]
    assert listed(runs, status="Pending", workflow=one.workflow_name) == [waiting]
    assert listed(runs, status="Nothing") == listed(runs, workflow="nothing") == []


def test_tasks_are_told_by_their_full_names_in_order_of_declaration(runs: Runs) -> None:
    package = runs.workflow(*chain("z", "a"))
    execution_id = runs.start(package)
    runs.finish(runs.must_claim(execution_id), failed("ValueError: no"))
    with runs.database.tenant(runs.tenant) as session:
        first, second = services.list_tasks(session, execution_id, "acme")
    prefix = f"acme::{package.package_name}::{package.workflow_name}::"
    assert (first.task_name, second.task_name) == (f"{prefix}z", f"{prefix}a")
    assert (first.status, first.attempt, first.max_attempts) == ("Failed", 1, 3)
    assert (first.last_error, first.error_details) == ("ValueError: no", "Traceback: …")
    assert first.started_at is not None
    assert first.completed_at is not None
    assert first.created_at <= first.started_at <= first.completed_at
    assert (second.status, second.attempt, second.started_at) == ("Ready", 0, None)


def test_events_are_told_in_order_from_a_number_or_a_moment_on(runs: Runs) -> None:
    package = runs.workflow(*chain("a"))
    execution_id = runs.start(package)
    runs.run(execution_id)
    with runs.database.tenant(runs.tenant) as session:
        events = services.list_events(session, execution_id, "acme")
        assert [event.sequence_num for event in events] == [1, 2, 3, 4, 5]
        full_name = f"acme::{package.package_name}::{package.workflow_name}::a"
        assert [event.task_name for event in events] == [None, *[full_name] * 3, None]
        assert events[2].event_data == '{"attempt": 1, "worker": "worker-1"}'
        later = services.list_events(session, execution_id, "acme", after_sequence=3)
        assert later == events[3:]
        assert services.list_events(session, execution_id, "acme", after_sequence=5) == []
        since = services.list_events(session, execution_id, "acme", since=events[3].created_at)
        assert since == [each for each in events if each.created_at >= events[3].created_at]
        tomorrow = events[-1].created_at + timedelta(days=1)
        assert services.list_events(session, execution_id, "acme", since=tomorrow) == []


def test_what_is_not_there_is_not_found_and_has_no_events(runs: Runs) -> None:
    unknown = uuid4()
    with runs.database.tenant(runs.tenant) as session:
        assert services.list_events(session, unknown, "acme") == []
        with pytest.raises(ExecutionNotFound, match=str(unknown)):
            services.list_tasks(session, unknown, "acme")
    with pytest.raises(ExecutionNotFound, match=str(unknown)):
        runs.get(unknown)


def test_nothing_is_seen_of_another_tenants_executions(
    database: Database, tenant_name: str
) -> None:
    acme, globex = (Runs(database, create_tenant(database, f"{tenant_name}_{x}")) for x in "ag")
    execution_id = acme.start(acme.workflow(*chain("a")))
    assert listed(globex) == []
    assert globex.claim(execution_id) is None
    with pytest.raises(ExecutionNotFound):
        globex.get(execution_id)
    assert acme.must_claim(execution_id).task.id == "a"


def test_executions_stay_on_the_version_that_they_started_with(runs: Runs) -> None:
    package = runs.workflow(*chain("a", "b"))
    execution_id = runs.start(package)
    with runs.database.tenant(runs.tenant) as session:
        packages.delete_version(session, package.package_name, "1.0.0")
    taken = runs.run(execution_id)
    assert [claim.package.id for claim in taken] == [package.id] * 2
    assert runs.get(execution_id).status == "Completed"
