import pytest

import cloaca
from cloaca.namespace import WorkflowContext
from cloaca.scope import Scope


@pytest.fixture
def scope():
    with Scope(WorkflowContext("acme", "etl", "nightly"), is_package=True) as active:
        yield active


def test_a_trigger_that_declares_nothing_is_polled_every_half_minute(scope):
    @cloaca.trigger()
    def inbox():
        return cloaca.TriggerResult.skip()

    assert inbox().is_skip_result()
    assert scope.triggers["inbox"].definition() == {
        "name": "inbox",
        "on": None,
        "poll_interval_ms": 30_000,
        "cron": None,
        "timezone": None,
        "allow_concurrent": False,
    }


def test_a_cron_trigger_is_in_utc_unless_it_says_otherwise(scope):
    cloaca.trigger(name="a", on="nightly", cron="0 3 * * *")(lambda: None)
    cloaca.trigger(name="b", on="nightly", cron="@daily", timezone="Europe/Berlin")(lambda: None)
    found = [scope.triggers[name].definition() for name in "ab"]
    assert [(one["cron"], one["timezone"], one["poll_interval_ms"]) for one in found] == [
        ("0 3 * * *", "UTC", None),
        ("@daily", "Europe/Berlin", None),
    ]


@pytest.mark.parametrize(
    ("interval", "milliseconds"),
    [("100ms", 100), ("5s", 5000), ("1m", 60_000), ("1h", 3_600_000)],
)
def test_intervals(scope, interval, milliseconds):
    cloaca.trigger(name="t", poll_interval=interval)(lambda: None)
    assert scope.triggers["t"].poll_interval_ms == milliseconds


@pytest.mark.parametrize(
    "interval", ["0s", "5", "s", "-5s", "1.5s", "5 s", "1d", "\u0665s", 5, "9" * 99]
)
def test_what_is_no_interval_is_refused(interval):
    with pytest.raises(ValueError, match=r"Invalid poll_interval .* such as 100ms, 5s, 1m or 1h"):
        cloaca.trigger(poll_interval=interval)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"cron": "@daily", "poll_interval": "5s", "on": "w"}, "cron or poll_interval, not both"),
        ({"cron": "@daily"}, "cron needs on="),
        ({"timezone": "UTC"}, "timezone is of a cron expression"),
    ],
)
def test_arguments_that_contradict_each_other_are_refused(arguments, reason):
    with pytest.raises(ValueError, match=reason):
        cloaca.trigger(**arguments)


@pytest.mark.parametrize("argument", ["name", "on", "cron", "timezone"])
def test_arguments_are_texts(argument):
    with pytest.raises(TypeError, match=f"trigger: {argument} must be a str, not int"):
        cloaca.trigger(**{argument: 3})


def test_two_triggers_of_one_name_are_refused(scope):
    cloaca.trigger(name="inbox")(lambda: None)
    with pytest.raises(ValueError, match="Trigger 'inbox' is defined twice"):
        cloaca.trigger(name="inbox")(lambda: None)


def test_a_function_with_parameters_cannot_be_polled(scope):
    with pytest.raises(TypeError, match="called without arguments"):
        cloaca.trigger(name="inbox")(lambda context: None)
    cloaca.trigger(name="inbox")(lambda folder="/inbox": None)
    with pytest.raises(TypeError, match="@trigger decorates a function, not str"):
        cloaca.trigger()("inbox")


def test_outside_of_a_workflow_a_trigger_is_a_plain_function():
    @cloaca.trigger(poll_interval="1s")
    def inbox():
        return cloaca.TriggerResult.fire({"file": "a.csv"})

    assert inbox().is_fire_result()


def test_results_say_whether_to_fire():
    skip, fire = cloaca.TriggerResult.skip(), cloaca.TriggerResult.fire()
    assert (skip.is_skip_result(), skip.is_fire_result()) == (True, False)
    assert (fire.is_skip_result(), fire.is_fire_result()) == (False, True)
    assert fire.context is None
    assert [repr(skip), repr(fire)] == ["TriggerResult.Skip", "TriggerResult.Fire(None)"]


@pytest.mark.parametrize("context", [{"a": 1}, cloaca.Context({"a": 1})])
def test_a_result_carries_the_initial_context(context):
    result = cloaca.TriggerResult(should_fire=True, context=context)
    assert result.context.to_dict() == {"a": 1}
    assert repr(result) == "TriggerResult.Fire(<context>)"


def test_a_result_refuses_what_is_no_context():
    with pytest.raises(TypeError, match="must be a dict, not list"):
        cloaca.TriggerResult.fire([1])
