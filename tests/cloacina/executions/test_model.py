"""Random workflows with random outcomes, against the plainest possible model of an execution."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloacina.db import Database
from cloacina.db.models import TenantBase
from cloacina.executions.claims import Claim
from cloacina.executions.errors import ExecutionNotRerunnable
from cloacina.lifecycle import installation
from cloacina.lifecycle.tenants import create_tenant
from cloacina.tenants import services as tenants
from tests.cloacina.executions.courses import FATES, Course, Scenario, scenarios
from tests.cloacina.executions.runs import Runs

MOST_STEPS = 60
ACTIONS = ["claim", "claim", "claim_any", "end", "end", "end", "give_back", "pause", "resume"]
CANCELS = st.sampled_from([*ACTIONS * 3, "cancel"])
EXAMPLES = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
}


@pytest.fixture(scope="module")
def in_memory() -> Iterator[Runs]:
    database = Database("sqlite://")
    installation.migrate(database)
    with database.platform() as session:
        public = tenants.find(session, "public")
    yield Runs(database, public)
    database.close()


@pytest.fixture(scope="module")
def on_postgresql(database: Database) -> Runs:
    return Runs(database, create_tenant(database, "model"))


class Driver:
    """Does to some executions what is drawn.

    Parameters:
        courses: of the executions; the tenant has no others.
        data: says what to do.
    """

    def __init__(self, courses: list[Course], data: st.DataObject) -> None:
        self.courses = {course.id: course for course in courses}
        self.runs = courses[0].runs
        self.data = data
        self.held: list[Claim] = []

    def take(self, claim: Claim | None) -> None:
        if claim is not None:
            self.courses[claim.execution_id].took(claim)
            self.held.append(claim)

    def end(self, place: int, *, claim_more: bool, gives_back: bool = False) -> None:
        claim = self.held.pop(place)
        course = self.courses[claim.execution_id]
        self.take(course.step(claim, claim_more=claim_more, gives_back=gives_back))

    def act(self, action: str) -> None:
        draw = self.data.draw
        course = draw(st.sampled_from(list(self.courses.values())))
        match action:
            case "claim":
                self.take(self.runs.claim(course.id))
            case "claim_any":
                self.take(self.runs.claim())
            case "end" | "give_back" if self.held:
                place = draw(st.integers(0, len(self.held) - 1))
                self.end(place, claim_more=draw(st.booleans()), gives_back=action == "give_back")
            case "pause" if not course.is_paused and course.is_open:
                self.runs.pause(course.id)
                course.is_paused = True
            case "resume" if course.is_paused and course.is_open:
                self.runs.resume(course.id)
                course.is_paused = False
            case "cancel" if course.is_open:
                course.cancel()
                self.held = [each for each in self.held if each.execution_id != course.id]

    def finish(self) -> None:
        """Let go on whatever is paused, and go on until nothing is left."""
        for course in self.courses.values():
            if course.is_paused and course.is_open:
                self.runs.resume(course.id)
            course.is_paused = False
        while True:
            self.take(self.runs.claim())
            if not self.held:
                return
            self.end(0, claim_more=True)


def drive(courses: list[Course], data: st.DataObject) -> None:
    """Do what is drawn, and hold what became of it against the model."""
    driver = Driver(courses, data)
    for action in data.draw(st.lists(CANCELS, max_size=MOST_STEPS)):
        driver.act(action)
    driver.finish()
    for course in courses:
        course.check()


def empty(runs: Runs) -> None:
    """Leave nothing of the example before, which may have failed on its way."""
    with runs.database.tenant(runs.tenant) as session:
        for table in reversed(TenantBase.metadata.sorted_tables):
            session.execute(table.delete())


@settings(max_examples=50, **EXAMPLES)
@given(scenario=scenarios(), claim_more=st.booleans(), data=st.data())
def test_an_execution_goes_as_the_model_says(
    in_memory: Runs, scenario: Scenario, claim_more: bool, data: st.DataObject
) -> None:
    empty(in_memory)
    course = Course.start(in_memory, scenario)
    driver = Driver([course], data)
    while True:
        claim = in_memory.claim(course.id)
        driver.take(claim)
        if not driver.held:
            break
        # whichever of those that run ends next, or another is claimed first
        place = data.draw(st.integers(0, len(driver.held)))
        if place < len(driver.held) or claim is None:
            driver.end(min(place, len(driver.held) - 1), claim_more=claim_more)
    course.check()


def goes_as_the_model_says(
    runs: Runs, first: Scenario, more: list[Scenario], data: st.DataObject
) -> None:
    empty(runs)
    courses = [Course.start(runs, scenario) for scenario in (first, *more)]
    drive(courses, data)
    for _ in range(2):
        courses = [again for course in courses if (again := run_again(course, data))]
        if not courses:
            return
        drive(courses, data)


def run_again(course: Course, data: st.DataObject) -> Course | None:
    """Run an execution again from what failed, where there is something to run."""
    if len(course.kept_by_a_rerun()) < len(course.graph.tasks):
        return course.rerun(lambda: data.draw(FATES))
    with pytest.raises(ExecutionNotRerunnable):
        course.runs.rerun(course.id)
    return None


TWO: dict[str, Any] = {
    "first": scenarios(),
    "more": st.lists(scenarios(), max_size=1),
    "data": st.data(),
}


@settings(max_examples=100, **EXAMPLES)
@given(**TWO)
def test_whatever_is_done_meanwhile_executions_and_their_reruns_go_as_the_model_says(
    in_memory: Runs, first: Scenario, more: list[Scenario], data: st.DataObject
) -> None:
    goes_as_the_model_says(in_memory, first, more, data)


@settings(max_examples=15, **EXAMPLES)
@given(**TWO)
def test_on_postgresql_they_do_too(
    on_postgresql: Runs, first: Scenario, more: list[Scenario], data: st.DataObject
) -> None:
    goes_as_the_model_says(on_postgresql, first, more, data)
