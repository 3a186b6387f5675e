from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floworch.core.model.records import StepError
from floworch.core.policy.retry import RetryPolicy, next_delay, type_names

ERROR = StepError("ConnectionResetError", "gone")
NAMES = type_names(ConnectionResetError)


class PaymentRefused(Exception):
    pass


def delay_seconds(
    policy: RetryPolicy | None, failures: int = 1, error: StepError = ERROR, random: float = 0
) -> float | None:
    delay = next_delay(policy, failures, error, NAMES, random)
    return None if delay is None else delay.total_seconds()


@pytest.mark.parametrize(
    ("backoff", "delays"), [("fixed", [2, 2, 2, 2, 2, None]), ("exponential", [2, 4, 8, 10, 10, None])]
)
def test_delays_follow_the_backoff_up_to_the_maximum(backoff: Any, delays: list[float | None]) -> None:
    policy = RetryPolicy(max_attempts=6, backoff=backoff, initial=2, max=10)

    assert [delay_seconds(policy, failures) for failures in range(1, 7)] == delays


@pytest.mark.parametrize(("jitter", "shortest"), [(True, 5), (False, 10), (0.25, 7.5), (1, 0), (0, 10)])
def test_jitter_takes_away_at_most_its_part_of_the_delay(jitter: bool | float, shortest: float) -> None:
    policy = RetryPolicy(initial=10, jitter=jitter)

    assert delay_seconds(policy, random=0) == 10
    assert delay_seconds(policy, random=1) == shortest


def test_without_a_policy_nothing_is_retried() -> None:
    assert delay_seconds(None) is None
    assert delay_seconds(RetryPolicy(max_attempts=1)) is None


def test_an_error_that_is_not_retryable_is_never_retried() -> None:
    assert delay_seconds(RetryPolicy(retry_on=OSError), error=replace(ERROR, retryable=False)) is None


@pytest.mark.parametrize(
    ("retry_on", "give_up_on", "is_retried"),
    [
        ((), (), True),
        ((ConnectionResetError,), (), True),
        ((OSError,), (), True),
        (OSError, (), True),
        ("OSError", (), True),
        (("builtins.OSError",), (), True),
        ((ValueError, "ConnectionError"), (), True),
        ((ValueError,), (), False),
        ((), (ConnectionError,), False),
        ((OSError,), (ConnectionResetError,), False),
        ((), (ValueError,), True),
    ],
)
def test_errors_are_matched_by_class_base_class_or_name(retry_on: Any, give_up_on: Any, is_retried: bool) -> None:
    policy = RetryPolicy(retry_on=retry_on, give_up_on=give_up_on)

    assert (delay_seconds(policy) is not None) is is_retried


def test_an_error_type_that_is_no_exception_is_matched_by_its_name() -> None:
    limited = StepError("RateLimited", "slow down")

    assert next_delay(RetryPolicy(retry_on="RateLimited"), 1, limited, (), 0) is not None
    assert next_delay(RetryPolicy(give_up_on="RateLimited"), 1, limited, (), 0) is None


def test_a_class_of_an_application_is_told_from_others_of_its_name() -> None:
    elsewhere = RetryPolicy(retry_on="other.module.PaymentRefused")
    here = RetryPolicy(retry_on=PaymentRefused)
    error = StepError("PaymentRefused", "no")

    assert next_delay(here, 1, error, type_names(PaymentRefused), 0) is not None
    assert next_delay(elsewhere, 1, error, type_names(PaymentRefused), 0) is None


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"max_attempts": 0}, "max_attempts is 0"),
        ({"max_attempts": True}, "max_attempts is True"),
        ({"max_attempts": 2.5}, "max_attempts is 2.5"),
        ({"backoff": "linear"}, "backoff is 'linear'"),
        ({"initial": -1}, "initial is -1"),
        ({"initial": float("nan")}, "initial is nan"),
        ({"max": float("inf")}, "max is inf"),
        ({"initial": 10, "max": 5}, "longer than max"),
        ({"jitter": 1.5}, "jitter is 1.5"),
        ({"jitter": float("nan")}, "jitter is nan"),
        ({"retry_on": (int,)}, "retry_on has <class 'int'>"),
        ({"give_up_on": ("",)}, "give_up_on has ''"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        RetryPolicy(**settings)


def test_an_unknown_field_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(ValueError, match="did you mean 'maxAttempts'"):
        RetryPolicy.from_json({"maxAttemps": 3})


POLICIES = st.builds(
    RetryPolicy,
    max_attempts=st.integers(1, 50),
    backoff=st.sampled_from(["fixed", "exponential"]),
    initial=st.floats(0, 100),
    max=st.floats(100, 10_000),
    jitter=st.booleans() | st.floats(0, 1),
    retry_on=st.lists(st.sampled_from([OSError, "OSError", ValueError, PaymentRefused]), max_size=3),
    give_up_on=st.lists(st.sampled_from([ConnectionError, "Timeout"]), max_size=2),
)


@given(POLICIES)
def test_a_policy_survives_its_json_form(policy: RetryPolicy) -> None:
    assert RetryPolicy.from_json(policy.to_json()) == policy


@given(POLICIES, st.integers(1, 10**6), st.floats(0, 1, exclude_max=True))
def test_a_delay_is_never_negative_nor_longer_than_the_maximum(
    policy: RetryPolicy, failures: int, random: float
) -> None:
    delay = next_delay(policy, failures, ERROR, NAMES, random)

    assert delay is None or timedelta() <= delay <= timedelta(seconds=policy.max)
    assert (delay is None) or failures < policy.max_attempts
