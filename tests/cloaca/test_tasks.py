import pytest

import cloaca
from cloaca.namespace import WorkflowContext
from cloaca.scope import Scope

DEFAULT_RETRY = {
    "max_attempts": 3,
    "initial_delay_s": 1.0,
    "max_delay_s": 60.0,
    "backoff": "exponential",
    "multiplier": 2.0,
    "jitter": True,
}


@pytest.fixture
def scope():
    with Scope(WorkflowContext("public", "embedded", "nightly")) as active:
        yield active


def declare(scope, **arguments):
    @cloaca.task(**{"id": "job", **arguments})
    def job(context):
        return context

    return scope.tasks["job"]


def test_the_decorator_gives_back_the_function(scope):
    def extract(context):
        context.set("extracted", True)
        return context

    decorated = cloaca.task()(extract)
    assert decorated is extract
    assert decorated(cloaca.Context()).to_dict() == {"extracted": True}
    assert list(scope.tasks) == ["extract"]


def test_the_definition_of_a_task_that_declares_nothing(scope):
    assert declare(scope).definition() == {
        "id": "job",
        "dependencies": [],
        "trigger_rules": {"type": "Always"},
        "timeout_s": None,
        "retry": DEFAULT_RETRY,
        "description": None,
        "doc_what": None,
        "doc_why": None,
    }


def test_the_definition_of_a_task_that_declares_all(scope):
    @cloaca.task()
    def first(context):
        return context

    @cloaca.task(
        id="second",
        dependencies=["other", first, "other"],
        retry_attempts=5,
        retry_backoff="linear",
        retry_delay_ms=250,
        retry_max_delay_ms=2000,
        retry_condition="transient",
        retry_jitter=False,
        trigger_rules=cloaca.task_failed("first"),
        timeout_s=90,
    )
    def named_otherwise(context):
        """what: cleans up

        why: the next run finds nothing left
        """
        return context

    assert scope.tasks["second"].definition() == {
        "id": "second",
        "dependencies": ["other", "first"],
        "trigger_rules": {
            "type": "All",
            "conditions": [{"type": "TaskFailed", "task_name": "first"}],
        },
        "timeout_s": 90.0,
        "retry": {
            "max_attempts": 5,
            "initial_delay_s": 0.25,
            "max_delay_s": 2.0,
            "backoff": "linear",
            "multiplier": 1.0,
            "jitter": False,
        },
        "description": None,
        "doc_what": "cleans up",
        "doc_why": "the next run finds nothing left",
    }


def test_a_dependency_given_as_a_function_means_its_task_whatever_its_id(scope):
    @cloaca.task(id="load-rows")
    def load(context):
        return context

    assert declare(scope, dependencies=[load]).dependencies == ("load-rows",)


def test_a_dependency_may_be_declared_later(scope):
    def later(context):
        return context

    assert declare(scope, dependencies=[later]).dependencies == ("later",)


def test_a_whole_policy_replaces_the_retry_arguments(scope):
    policy = cloaca.RetryPolicy.builder().max_attempts(7).build()
    assert declare(scope, retry=policy).retry is policy


@pytest.mark.parametrize(
    ("parameter", "taken"), [("handle", True), ("task_handle", True), ("x", False)]
)
def test_a_handle_is_passed_to_a_parameter_of_that_name(scope, parameter, taken):
    source = f"def job(context, {parameter}=None): return context"
    functions = {}
    exec(source, functions)  # noqa: S102 - the parameter's name is what is tested
    cloaca.task()(functions["job"])
    assert scope.tasks["job"].takes_handle is taken


def test_a_keyword_only_handle_is_not_passed(scope):
    @cloaca.task(id="job")
    def job(context, *, handle=None):
        return context

    assert scope.tasks["job"].takes_handle is False


def test_any_callable_can_be_a_task(scope):
    class Job:
        def __call__(self, context):
            return context

    job = Job()
    assert cloaca.task(id="job")(job) is job
    assert scope.tasks["job"].takes_handle is False


def test_a_task_needs_a_workflow():
    with pytest.raises(ValueError) as caught:
        cloaca.task()(lambda context: context)
    assert str(caught.value) == (
        "No workflow context available. "
        "Tasks must be defined within a WorkflowBuilder context manager."
    )


def test_two_tasks_of_one_id_are_refused_by_name(scope):
    declare(scope)
    with pytest.raises(ValueError, match="Task 'job' is defined twice in workflow 'nightly'"):
        declare(scope)


@pytest.mark.parametrize(
    "extra",
    [
        {"retry_attempts": 3},
        {"retry_backoff": "fixed"},
        {"retry_delay_ms": 1},
        {"retry_max_delay_ms": 1},
        {"retry_condition": "all"},
        {"retry_jitter": False},
    ],
)
def test_a_retry_key_with_a_policy_is_refused(extra):
    (name,) = extra
    with pytest.raises(ValueError, match=f"retry is a whole policy: put {name} into it"):
        cloaca.task(retry=cloaca.RetryPolicy.default(), **extra)


@pytest.mark.parametrize(
    ("arguments", "kind", "reason"),
    [
        (
            {"retry_backoff": "exponentail"},
            ValueError,
            'unknown retry_backoff \'exponentail\': use one of "fixed", "linear", "exponential"',
        ),
        (
            {"retry_condition": "some"},
            ValueError,
            'unknown retry_condition \'some\': use one of "never", "transient", "all"',
        ),
        ({"retry_attempts": -1}, ValueError, "retry_attempts must be 0 or more"),
        ({"retry_attempts": 1.5}, TypeError, "retry_attempts must be a whole number"),
        ({"retry_delay_ms": -1}, ValueError, "retry_delay_ms must be 0 or more"),
        ({"retry_max_delay_ms": "1s"}, TypeError, "retry_max_delay_ms must be a number"),
        ({"retry": cloaca.RetryPolicy.builder()}, TypeError, "retry must be a RetryPolicy"),
        ({"timeout_s": 0}, ValueError, "timeout_s must be more than 0"),
        ({"timeout_s": -1}, ValueError, "timeout_s must be 0 or more"),
        ({"timeout_s": "5"}, TypeError, "timeout_s must be a number"),
        ({"on_success": "notify"}, TypeError, "on_success must be a function, not str"),
        ({"on_failure": 3}, TypeError, "on_failure must be a function, not int"),
        ({"trigger_rules": "always"}, ValueError, "trigger rule: 'always' is not a rule"),
        ({"invokes": object()}, NotImplementedError, "calls a computation graph"),
        ({"post_invocation": len}, NotImplementedError, "calls a computation graph"),
    ],
)
def test_wrong_arguments_are_refused_before_there_is_a_function(arguments, kind, reason):
    with pytest.raises(kind, match=reason):
        cloaca.task(**arguments)


@pytest.mark.parametrize(
    ("arguments", "kind", "reason"),
    [
        ({"id": ""}, ValueError, "cannot be a task's id"),
        ({"id": "a::b"}, ValueError, "'a::b' cannot be a task's id"),
        ({"id": 3}, TypeError, "a task's id must be a str, not int"),
        ({"dependencies": "first"}, TypeError, "must be a list of task ids or task functions"),
        ({"dependencies": len}, TypeError, "must be a list of task ids or task functions"),
        ({"dependencies": [3]}, TypeError, "a dependency is a task id or a task function, not int"),
    ],
)
def test_wrong_ids_and_dependencies_are_refused(scope, arguments, kind, reason):
    with pytest.raises(kind, match=reason):
        declare(scope, **arguments)
    assert scope.tasks == {}


def test_only_functions_can_be_tasks(scope):
    with pytest.raises(TypeError, match="@task decorates a function, not str"):
        cloaca.task()("extract")
