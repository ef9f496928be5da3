import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloaca import BackoffStrategy, RetryCondition, RetryPolicy
from cloaca.retry import error_text


def policy(strategy, *, initial=2.0, longest=1000.0):
    return (
        RetryPolicy.builder()
        .initial_delay(initial)
        .max_delay(longest)
        .backoff_strategy(strategy)
        .with_jitter(False)
        .build()
    )


def test_the_default_policy():
    default = RetryPolicy.default()
    assert default.max_attempts == 3
    assert (default.initial_delay, default.max_delay) == (1.0, 60.0)
    assert default.with_jitter is True
    assert repr(default) == (
        "RetryPolicy(max_attempts=3, initial_delay=1s, max_delay=60s, jitter=true)"
    )


def test_a_policy_shows_fractions_of_seconds():
    built = RetryPolicy.builder().initial_delay(0.25).with_jitter(False).build()
    assert repr(built) == (
        "RetryPolicy(max_attempts=3, initial_delay=0.25s, max_delay=60s, jitter=false)"
    )


def test_each_method_of_a_builder_gives_a_new_builder():
    first = RetryPolicy.builder().max_attempts(5)
    second = first.max_attempts(7)
    assert (first.build().max_attempts, second.build().max_attempts) == (5, 7)


@pytest.mark.parametrize(
    ("strategy", "delays"),
    [
        (BackoffStrategy.fixed(), [2, 2, 2, 2]),
        (BackoffStrategy.linear(1.5), [3, 6, 9, 12]),
        (BackoffStrategy.exponential(2.0), [2, 4, 8, 16]),
        (BackoffStrategy.exponential(3.0, 0.5), [1, 3, 9, 27]),
    ],
)
def test_waits_grow_with_the_attempts(strategy, delays):
    assert [policy(strategy).calculate_delay(attempt) for attempt in (1, 2, 3, 4)] == delays


def test_no_wait_is_longer_than_the_longest():
    exponential = policy(BackoffStrategy.exponential(2.0), longest=5.0)
    assert [exponential.calculate_delay(attempt) for attempt in (2, 3, 100_000)] == [4, 5, 5]


def test_no_initial_delay_is_no_wait():
    assert policy(BackoffStrategy.exponential(2.0), initial=0).calculate_delay(100_000) == 0


@given(st.integers(1, 50))
def test_jitter_spreads_a_wait_by_a_quarter(attempt):
    delay = RetryPolicy.builder().initial_delay(8).max_delay(8).build().calculate_delay(attempt)
    assert 6 <= delay <= 10


def test_attempts_are_counted_in_all():
    three = RetryPolicy.default()
    assert [three.should_retry(attempt, "ValueError") for attempt in (1, 2, 3)] == [
        True,
        True,
        False,
    ]


def test_strategies_and_conditions_show_what_they_are():
    shown = [
        BackoffStrategy.fixed(),
        BackoffStrategy.linear(2),
        BackoffStrategy.exponential(2.5),
        RetryCondition.never(),
        RetryCondition.transient_only(),
        RetryCondition.all_errors(),
        RetryCondition.error_pattern(["busy"]),
    ]
    assert [repr(one) for one in shown] == [
        "BackoffStrategy.Fixed",
        "BackoffStrategy.Linear(multiplier=2)",
        "BackoffStrategy.Exponential(base=2.5, multiplier=1)",
        "RetryCondition.Never",
        "RetryCondition.TransientOnly",
        "RetryCondition.AllErrors",
        "RetryCondition.ErrorPattern(patterns=['busy'])",
    ]


@pytest.mark.parametrize(
    ("strategy", "definition"),
    [
        (BackoffStrategy.fixed(), {"initial_delay_s": 2, "backoff": "fixed", "multiplier": 1}),
        (BackoffStrategy.linear(3), {"initial_delay_s": 2, "backoff": "linear", "multiplier": 3}),
        (
            BackoffStrategy.exponential(4, 0.5),
            {"initial_delay_s": 1, "backoff": "exponential", "multiplier": 4},
        ),
    ],
)
def test_the_definition_is_the_servers(strategy, definition):
    rest = {"max_attempts": 3, "max_delay_s": 1000, "jitter": False}
    assert policy(strategy).definition() == {**definition, **rest}


@pytest.mark.parametrize("attempts", [0, 1])
def test_no_attempts_and_one_attempt_are_one_run(attempts):
    assert RetryPolicy.builder().max_attempts(attempts).build().definition()["max_attempts"] == 1


class ReadTimeout(Exception):
    """As HTTP clients have it, without being a TimeoutError."""


class Unreadable(Exception):
    def __str__(self):
        raise RuntimeError("no text")


TRANSIENT = [
    TimeoutError(),
    ConnectionResetError(),
    OSError(5, "I/O error"),
    ReadTimeout(),
    RuntimeError("Connection refused"),
    RuntimeError("the service is temporarily overloaded"),
    RuntimeError("operation TIMED OUT"),
]
LASTING = [ValueError("no such column"), KeyError("a"), ZeroDivisionError(), Unreadable()]


@pytest.mark.parametrize("error", [*TRANSIENT, *LASTING, SystemExit(1)])
def test_all_and_never_do_not_look_at_the_error(error):
    assert RetryCondition.all_errors().accepts(error)
    assert not RetryCondition.never().accepts(error)


@pytest.mark.parametrize("error", TRANSIENT)
def test_transient_errors_are_told_by_type_then_by_text(error):
    assert RetryCondition.transient_only().accepts(error)


@pytest.mark.parametrize("error", LASTING)
def test_other_errors_are_not_transient(error):
    assert not RetryCondition.transient_only().accepts(error)


@pytest.mark.parametrize(
    ("patterns", "accepted"),
    [(["DEADLOCK"], True), (["valueerror"], True), (["x"], False), ([], False)],
)
def test_patterns_are_looked_for_in_type_and_text_in_any_case(patterns, accepted):
    error = ValueError("deadlock detected")
    assert RetryCondition.error_pattern(patterns).accepts(error) is accepted


@pytest.mark.parametrize("patterns", ["busy", ["busy", 3]])
def test_patterns_are_a_list_of_texts(patterns):
    with pytest.raises(TypeError, match="takes a list of str"):
        RetryCondition.error_pattern(patterns)


@pytest.mark.parametrize(
    ("build", "kind", "reason"),
    [
        (lambda b: b.max_attempts(-1), ValueError, "max_attempts must be 0 or more"),
        (lambda b: b.max_attempts("3"), TypeError, "max_attempts must be a whole number"),
        (lambda b: b.max_attempts(True), TypeError, "max_attempts must be a whole number"),
        (lambda b: b.initial_delay(-0.5), ValueError, "initial_delay must be 0 or more"),
        (lambda b: b.max_delay(float("inf")), ValueError, "max_delay must be 0 or more and finite"),
        (lambda b: b.max_delay(float("nan")), ValueError, "max_delay must be 0 or more and finite"),
        (lambda b: b.max_delay("1m"), TypeError, "max_delay must be a number"),
        (
            lambda b: b.backoff_strategy("linear"),
            TypeError,
            "takes a BackoffStrategy|BackoffStrategy",
        ),
        (lambda b: b.retry_condition("all"), TypeError, "RetryCondition"),
    ],
)
def test_a_part_that_makes_no_sense_is_refused_when_it_is_set(build, kind, reason):
    with pytest.raises(kind, match=reason):
        build(RetryPolicy.builder())


def test_a_factor_may_not_be_negative():
    with pytest.raises(ValueError, match="multiplier must be 0 or more"):
        BackoffStrategy.linear(-1)


def test_an_error_is_told_with_its_type():
    assert error_text(ValueError("no")) == "ValueError: no"
    assert error_text(TimeoutError()) == "TimeoutError"
    assert error_text(Unreadable()) == "Unreadable"
