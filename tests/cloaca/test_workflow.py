import re
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cloaca
from cloaca.namespace import WorkflowContext
from cloaca.scope import Scope
from cloaca.workflow import registered_workflow


def passed_on(context):
    return context


def build(tasks, name="nightly", **arguments):
    """Build a workflow of {id: ids of dependencies}."""
    builder = cloaca.WorkflowBuilder(name, **arguments)
    with builder:
        for task_id, dependencies in tasks.items():
            cloaca.task(id=task_id, dependencies=dependencies)(passed_on)
    return builder.build()


def names(*ids):
    return [f"public::embedded::nightly::{task_id}" for task_id in ids]


def test_a_workflow_knows_its_shape():
    workflow = build({"d": ["b", "c"], "b": ["a"], "c": ["a"], "a": []})
    assert workflow.get_execution_levels() == [names("a"), names("b", "c"), names("d")]
    assert workflow.topological_sort() == names("a", "b", "c", "d")
    assert workflow.get_roots() == names("a")
    assert workflow.get_leaves() == names("d")
    assert repr(workflow) == "Workflow(name='nightly', tasks=4)"
    workflow.validate()


@st.composite
def acyclic(draw):
    ids = [f"t{number}" for number in range(draw(st.integers(1, 12)))]
    tasks = {
        task_id: draw(st.lists(st.sampled_from(ids[:position]), unique=True)) if position else []
        for position, task_id in enumerate(ids)
    }
    return {task_id: tasks[task_id] for task_id in draw(st.permutations(ids))}


@given(acyclic())
def test_each_task_comes_after_those_it_depends_on(tasks):
    order = [name.rpartition("::")[2] for name in build(tasks).topological_sort()]
    assert sorted(order) == sorted(tasks)
    for task_id, dependencies in tasks.items():
        assert all(order.index(name) < order.index(task_id) for name in dependencies)


def test_names_of_tenant_package_and_workflow_can_be_chosen():
    workflow = build({"a": []}, tenant="acme", package="etl", workflow="main")
    assert workflow.get_roots() == ["acme::etl::main::a"]
    assert workflow.name == "nightly"


def test_a_builder_describes_its_workflow():
    with cloaca.WorkflowBuilder("described") as builder:
        builder.description("Loads rows")
        builder.tag("team", "data")
        cloaca.task(id="a")(passed_on)
        workflow = builder.build()
    assert (workflow.name, workflow.description) == ("described", "Loads rows")
    assert workflow.tags == {"team": "data"}
    assert repr(builder) == "WorkflowBuilder(name='described')"


def test_leaving_the_block_registers_the_workflow():
    assert registered_workflow("registered") is None
    build({"a": []}, name="registered")
    assert registered_workflow("registered").get_roots() == ["public::embedded::registered::a"]


def test_a_block_that_fails_registers_nothing():
    def fail():
        with cloaca.WorkflowBuilder("failed"):
            cloaca.task(id="a")(passed_on)
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    assert registered_workflow("failed") is None


def test_a_task_that_is_declared_can_be_added_again():
    with cloaca.WorkflowBuilder("nightly") as builder:
        cloaca.task(id="by-id")(passed_on)
        builder.add_task("by-id")
        builder.add_task(passed_on)
    assert len(builder.build().topological_sort()) == 1


def test_a_task_that_is_not_declared_cannot_be_added():
    builder = cloaca.WorkflowBuilder("nightly")
    with pytest.raises(ValueError, match=r"Task 'nope' not found in registry\. Make sure"):
        builder.add_task("nope")
    with pytest.raises(ValueError, match=r"Task 'passed_on' not found in registry\."):
        builder.add_task(passed_on)
    with pytest.raises(ValueError, match="a string task ID or a function object"):
        builder.add_task(123)


@pytest.mark.parametrize(
    ("tasks", "reason"),
    [
        ({}, "Workflow cannot be empty"),
        ({"a": ["b"]}, "Missing dependency: task 'a' depends on 'b' which is not registered"),
        ({"a": ["a"]}, 'Circular dependency detected: ["a", "a"]'),
        (
            {"end": ["b"], "a": ["c"], "b": ["a"], "c": ["b"]},
            'Circular dependency detected: ["b", "a", "c", "b"]',
        ),
    ],
)
def test_a_workflow_that_cannot_run_is_refused(tasks, reason):
    with pytest.raises(ValueError, match=re.escape(f"Workflow validation failed: {reason}")):
        build(tasks)


def test_a_version_is_of_the_content():
    version = build({"a": [], "b": ["a"]}).version
    assert re.fullmatch("[0-9a-f]{16}", version)
    assert build({"a": [], "b": ["a"]}).version == version
    assert build({"a": [], "b": []}).version != version


def test_a_version_changes_with_the_source():
    def versions():
        for result in ("1", "2"):
            functions = {}
            exec(f"def job(context): return {result}", functions)  # noqa: S102 - source without a file
            with cloaca.WorkflowBuilder("nightly") as builder:
                cloaca.task()(functions["job"])
            yield builder.build().version

    first, second = versions()
    assert first != second


def test_a_block_in_a_block_takes_its_own_tasks():
    with cloaca.WorkflowBuilder("outer") as outer:
        cloaca.task(id="a")(passed_on)
        with cloaca.WorkflowBuilder("inner") as inner:
            cloaca.task(id="b")(passed_on)
        cloaca.task(id="c")(passed_on)
    assert len(outer.build().get_roots()) == 2
    assert inner.build().get_roots() == ["public::embedded::inner::b"]


def test_another_thread_is_not_in_the_block():
    caught = []

    def declare():
        try:
            cloaca.task(id="a")(passed_on)
        except ValueError as error:
            caught.append(str(error))

    with cloaca.WorkflowBuilder("nightly"):
        thread = threading.Thread(target=declare)
        thread.start()
        thread.join()
        cloaca.task(id="b")(passed_on)
    assert caught
    assert caught[0].startswith("No workflow context available.")


def test_a_builder_is_refused_while_a_package_is_loaded():
    package = Scope(WorkflowContext("acme", "etl", "nightly"), is_package=True)
    with (
        package,
        pytest.raises(ValueError, match=r"WorkflowBuilder\('x'\) cannot be used inside a package"),
    ):
        cloaca.WorkflowBuilder("x")
