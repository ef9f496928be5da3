import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloacina.dag.errors import InvalidWorkflow
from cloacina.dag.retry import LONGEST_DELAY_S, Backoff, RetryPolicy

SECONDS = st.floats(0, 1e308)
POLICIES = st.builds(
    RetryPolicy,
    initial_delay_s=SECONDS,
    max_delay_s=SECONDS,
    backoff=st.sampled_from(Backoff),
    multiplier=SECONDS,
    jitter=st.booleans(),
)


def plain_delays(policy: RetryPolicy) -> list[float]:
    steady = dataclasses.replace(policy, jitter=False)
    return [steady.delay_s(attempt, lambda: 0.5) for attempt in (1, 2, 3, 4)]


def test_the_default_is_three_attempts_with_doubling_waits_from_one_second_up_to_sixty():
    policy = RetryPolicy.from_definition({})

    assert policy == RetryPolicy()
    assert policy.jitter
    assert [policy.allows_another(attempt) for attempt in (1, 2, 3)] == [True, True, False]
    assert plain_delays(policy) == [1, 2, 4, 8]
    assert dataclasses.replace(policy, jitter=False).delay_s(7, lambda: 0) == 60


@pytest.mark.parametrize(
    ("backoff", "multiplier", "delays"),
    [
        ("fixed", 3.0, [2, 2, 2, 2]),
        ("linear", 1.0, [2, 4, 6, 8]),
        ("linear", 0.5, [1, 2, 3, 4]),
        ("exponential", 3.0, [2, 6, 18, 20]),
        ("exponential", 0.0, [2, 0, 0, 0]),
    ],
)
def test_each_backoff_grows_in_its_way_up_to_the_cap(backoff, multiplier, delays):
    policy = RetryPolicy.from_definition(
        {"initial_delay_s": 2, "max_delay_s": 20, "backoff": backoff, "multiplier": multiplier}
    )

    assert plain_delays(policy) == delays


@pytest.mark.parametrize("attempts", [0, 1])
def test_no_attempts_and_one_both_mean_one_run(attempts):
    policy = RetryPolicy.from_definition({"max_attempts": attempts})

    assert policy.max_attempts == 1
    assert not policy.allows_another(1)


@given(POLICIES, st.integers(1, 2**31), st.floats(0, 1, exclude_max=True))
def test_no_wait_is_negative_or_over_the_cap_or_more_than_a_quarter_off(policy, attempt, drawn):
    plain = dataclasses.replace(policy, jitter=False).delay_s(attempt, lambda: drawn)
    delay = policy.delay_s(attempt, lambda: drawn)

    assert 0 <= delay <= min(policy.max_delay_s, LONGEST_DELAY_S)
    assert plain * 0.7499 <= delay <= plain * 1.2501


def test_jitter_spreads_waits_by_a_quarter_and_below_the_cap_only():
    policy = RetryPolicy(initial_delay_s=8.0, max_delay_s=9.0, backoff=Backoff.FIXED)

    assert policy.delay_s(1, lambda: 0.0) == 6.0
    assert policy.delay_s(1, lambda: 1.0) == 9.0
    assert dataclasses.replace(policy, max_delay_s=60.0).delay_s(1, lambda: 1.0) == 10.0
    assert dataclasses.replace(policy, max_delay_s=4.0).delay_s(1, lambda: 0.5) == 3.5


def test_without_jitter_no_number_is_drawn():
    def refuse() -> float:
        raise AssertionError("drawn")

    assert RetryPolicy(jitter=False).delay_s(1, refuse) == 1.0


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_attempts", -1), ("max_attempts", True), ("max_attempts", 2.0),
        ("max_attempts", 2**31), ("max_attempts", None),
        ("initial_delay_s", -0.1), ("initial_delay_s", float("nan")), ("initial_delay_s", "1"),
        ("max_delay_s", float("inf")), ("max_delay_s", True), ("multiplier", 10**400),
        ("backoff", "Fixed"), ("backoff", None), ("backoff", []), ("jitter", 1), ("jitter", None),
    ],
)  # fmt: skip
def test_a_wrong_value_is_refused_by_name(field, value):
    with pytest.raises(InvalidWorkflow, match=f"Retry policy: {field} must be"):
        RetryPolicy.from_definition({field: value})


def test_what_is_no_object_is_no_policy():
    with pytest.raises(InvalidWorkflow, match="Retry policy: must be an object"):
        RetryPolicy.from_definition([])  # type: ignore[arg-type]
