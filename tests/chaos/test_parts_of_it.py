"""What the chaos test is made of: its plan, its journal, its figures, its hold on processes."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from tests.chaos import journal, kin, mix, plan
from tests.chaos.checks import violations
from tests.chaos.evidence import Event, Happening, Probe
from tests.chaos.limits import LEASE_S
from tests.chaos.recovery import longest_stall, recoveries
from tests.chaos.report import figures, verdict
from tests.chaos.story import AGAIN_AT, BEGAN, CHAIN, sound, with_task
from tests.chaos.workflows import witness

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def test_the_seed_decides_all_of_a_storm() -> None:
    assert plan.long_storm(Random(5), 180) == plan.long_storm(Random(5), 180)
    assert plan.long_storm(Random(5), 180) != plan.long_storm(Random(6), 180)
    assert {it.kind for it in plan.long_storm(Random(5), 180)} == set(plan.KINDS)
    assert {it.kind for it in plan.short_storm(Random(5), 10)} == set(plan.SHORT_KINDS)


def test_a_stopped_worker_loses_its_leases() -> None:
    storm = plan.long_storm(Random(1), 3600)
    stops = [it for it in storm if it.kind in {"stop_worker", "stop_slot_as_it_starts"}]
    assert min(it.seconds for it in stops) > LEASE_S


def test_every_workflow_that_is_switched_on_is_ordered(monkeypatch: pytest.MonkeyPatch) -> None:
    def ordered(killers: int) -> set[str]:
        return {it.workflow for it in mix.orders(Random(1), ["acme"], 10, 1, killers, 1)}

    assert "killer" in ordered(1)
    assert ordered(0) == set(mix.in_use(killers=0))
    assert "deferral" in ordered(0)


def test_the_journal_tells_whole_bodies_from_those_that_were_killed() -> None:
    lines = [
        "begin chain-1 step_1 a 10 7 6 1.0",
        "begin chain-1 step_1 b 11 9 8 2.0",
        "beat chain-1 step_1 a 10 7 6 2.5",
        "end chain-1 step_1 b 11 9 8 3.0",
    ]
    killed, whole = journal.read(lines, {"chain-1": "id"})
    assert (killed.execution_id, killed.worker, killed.slot) == ("id", 10, 6)
    assert (killed.begin, killed.last, killed.ended) == (1.0, 2.5, False)
    assert (whole.token, whole.ended) == ("b", True)
    assert journal.busy_slots(lines, 2.6) == {6}
    assert journal.busy_slots(lines, 9) == set()
    with pytest.raises(ValueError, match="unpack"):
        journal.read(["begin chain-1 ste", ""], {})


def test_recovery_is_counted_until_the_lost_tasks_run_again() -> None:
    assert recoveries(sound())["kill_worker"] == [AGAIN_AT - (BEGAN + 4)]


def test_the_broker_is_back_when_each_tenant_whose_tasks_waited_goes_on() -> None:
    flushed = Happening("flush_broker", BEGAN + 50, BEGAN + 50, part="broker")
    story = sound()
    waits = Event(CHAIN, 8, "task_marked_ready", "step_2", BEGAN + 40)
    starts = Event(CHAIN, 9, "task_started", "step_2", BEGAN + 57, {"worker": "host-11"})
    calm = replace(story, happenings=[flushed])
    assert recoveries(calm) == {}
    assert recoveries(replace(calm, events=[*story.events[:7], waits, starts])) == {
        "flush_broker": [7]
    }


def test_a_stall_lasts_from_a_tasks_readiness_or_the_start_before_it() -> None:
    story = sound()
    waits = Event("other-1", 1, "task_marked_ready", "late", AGAIN_AT + 100)
    starts = Event("other-1", 2, "task_started", "late", AGAIN_AT + 300, {"worker": "host-1"})
    assert longest_stall(replace(story, events=[*story.events, waits, starts])) == 200


def test_the_database_is_back_when_the_api_is_ready_again() -> None:
    away = Happening("restart_postgres_fast", BEGAN, BEGAN, part="database")
    probes = [
        Probe(BEGAN + second, "api-1", healthy=True, ready=second not in {1, 2})
        for second in range(6)
    ]
    story = replace(sound(), happenings=[away], probes=probes)
    assert recoveries(story) == {"restart_postgres_fast": [3]}


def test_a_report_shows_outcomes_and_each_violation() -> None:
    assert "  chain        Completed      1" in figures(sound())
    assert verdict([]) == ["no violations"]


def test_a_report_names_the_execution() -> None:
    lines = verdict(violations(with_task(sound(), 0, attempt=2)))
    assert lines[0] == "1 VIOLATIONS"
    assert lines[2].startswith("  chain-1  task step_1: attempt 2")


@linux_only
def test_only_what_came_of_us_is_signalled() -> None:
    with subprocess.Popen(["/bin/sleep", "60"]) as own:
        who = kin.ident(own.pid)
        later = kin.Ident(own.pid, who.born + 1)
        assert not kin.send(later, signal.SIGKILL)
        with pytest.raises(PermissionError):
            kin.send(kin.ident(os.getppid()), signal.SIGCONT)
        assert own.poll() is None
        assert kin.send(who, signal.SIGKILL)
        own.wait()
        assert not kin.send(who, signal.SIGKILL)


@linux_only
def test_a_body_finds_only_a_worker_that_is_listed_with_its_time_of_birth(tmp_path: Path) -> None:
    workers, me = tmp_path / "workers", kin.ident(os.getpid())
    for text, found in [
        ("", 0),
        (f"{me.pid} {me.born}\n", me.pid),
        (f"{me.pid} {me.born + 1}\n", 0),
    ]:
        workers.write_text(text)
        assert witness.worker_of(os.getpid(), workers) == found
