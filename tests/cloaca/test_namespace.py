import pytest

from cloaca import TaskNamespace, WorkflowContext

NAME = TaskNamespace("acme", "etl", "nightly", "load")
WORKFLOW = WorkflowContext("acme", "etl", "nightly")


def test_a_name_survives_its_text():
    assert str(NAME) == "acme::etl::nightly::load"
    assert TaskNamespace.from_string(str(NAME)) == NAME
    assert repr(NAME) == "TaskNamespace('acme', 'etl', 'nightly', 'load')"


def test_a_name_has_four_parts():
    parts = (NAME.tenant_id, NAME.package_name, NAME.workflow_id, NAME.task_id)
    assert parts == ("acme", "etl", "nightly", "load")


@pytest.mark.parametrize("text", ["", "load", "a::b::c", "a::b::c::d::e"])
def test_text_of_another_form_is_refused(text):
    with pytest.raises(ValueError, match="Invalid namespace format"):
        TaskNamespace.from_string(text)


def test_a_task_is_the_child_of_its_workflow():
    assert NAME.parent() == TaskNamespace("acme", "etl", "nightly", "")
    assert NAME.is_child_of(NAME.parent())
    assert not NAME.is_child_of(TaskNamespace("acme", "etl", "other", ""))
    assert not NAME.is_child_of(NAME)
    assert not NAME.parent().is_child_of(NAME.parent())


def test_tasks_of_one_workflow_are_siblings():
    assert NAME.is_sibling_of(TaskNamespace("acme", "etl", "nightly", "extract"))
    assert not NAME.is_sibling_of(NAME)
    assert not NAME.is_sibling_of(NAME.parent())
    assert not NAME.is_sibling_of(TaskNamespace("globex", "etl", "nightly", "extract"))


def test_equal_names_are_one_key():
    assert {NAME: 1}[TaskNamespace.from_string("acme::etl::nightly::load")] == 1
    assert NAME != "acme::etl::nightly::load"


def test_a_workflow_names_its_tasks():
    assert WORKFLOW.task_namespace("load") == NAME
    assert WORKFLOW.resolve_dependency("load") == NAME
    assert WORKFLOW.workflow_namespace() == NAME.parent()
    assert WORKFLOW.contains_namespace(NAME)
    assert WORKFLOW.contains_namespace(NAME.parent())
    assert not WORKFLOW.contains_namespace(TaskNamespace("acme", "etl", "other", "load"))


def test_a_workflow_context_shows_its_parts():
    assert str(WORKFLOW) == "acme::etl::nightly"
    assert repr(WORKFLOW) == "WorkflowContext('acme', 'etl', 'nightly')"


def test_equal_workflow_contexts_are_one_key():
    assert {WORKFLOW: 1}[WorkflowContext("acme", "etl", "nightly")] == 1
    assert WorkflowContext("acme", "etl", "other") != WORKFLOW
    assert WORKFLOW != "acme::etl::nightly"
