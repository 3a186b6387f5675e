"""What limits grant, for any limits and any starts."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floworch import ConfigurationError
from floworch.core.model.limits import Limit, Quota, Rate, flow_limit, key_limit, make_limit, type_limit
from floworch.core.policy.limits import Tally, counted, quotas_of

NOW = datetime(2026, 3, 1, tzinfo=UTC)
FLOW = UUID(int=5)
NAMES = ("type:a", "flow:b", "key:c")
_CENTURY = 100 * 365 * 24 * 3600

# By functions: what the signature of a model tells depends on whether it has been used before.
rates = st.builds(
    lambda count, per_seconds, burst: Rate(count=count, per_seconds=per_seconds, burst=burst),
    *(st.integers(1, 50), st.floats(0.01, 1000), st.integers(1, 20)),
)
limits = st.builds(
    lambda concurrency, rate: Limit(concurrency=concurrency, rate=rate),
    st.none() | st.integers(1, 5),
    st.none() | rates,
)
quotas = st.builds(Quota, st.sampled_from(NAMES), st.sampled_from(["", "x", "y"]))
steps = st.lists(st.lists(quotas, max_size=3, unique=True), max_size=20)


@given(st.dictionaries(st.sampled_from(NAMES), limits), steps)
def test_no_more_run_at_once_than_allowed_and_whoever_is_refused_meets_a_full_quota(
    in_force: dict[str, Limit], wanted: list[list[Quota]]
) -> None:
    in_force = {name: Limit(concurrency=limit.concurrency) for name, limit in in_force.items()}
    running: Counter[Quota] = Counter()
    for shared, is_granted in zip(wanted, Tally(in_force, {}, {}, NOW).grant(wanted), strict=True):
        full = [q for q in shared if q.limit in in_force and running[q] == (in_force[q.limit].concurrency or -1)]
        assert is_granted is not bool(full)
        running.update(shared if is_granted else [])


@given(rates, st.lists(st.floats(0, 100), min_size=1, max_size=60))
def test_in_no_time_span_do_more_start_than_the_rate_and_its_burst_allow(rate: Rate, waits: list[float]) -> None:
    quota, now = Quota("flow:b"), NOW
    starts: list[datetime] = []
    arrivals: dict[Quota, datetime] = {}
    for wait in waits:
        now += timedelta(seconds=wait * rate.per_seconds / rate.count / 50)
        tally = Tally({"flow:b": Limit(rate=rate)}, {}, arrivals, now)
        if tally.grants([quota]):
            tally.take([quota])
            starts.append(now)
            arrivals |= tally.moved
    span = timedelta(seconds=rate.per_seconds)
    for first in starts:
        assert sum(first <= each < first + span for each in starts) < rate.count + rate.burst


@given(rates, st.integers(1, 30))
def test_whoever_waits_until_a_rate_resumes_is_granted(rate: Rate, times: int) -> None:
    quota, in_force = Quota("flow:b"), {"flow:b": Limit(rate=rate)}
    arrivals: dict[Quota, datetime] = {}
    now = NOW
    for _ in range(times):
        tally = Tally(in_force, {}, arrivals, now)
        if not tally.grants([quota]):
            assert tally.exhausted == [quota]
            resumes_at = tally.resumes_at
            assert resumes_at is not None
            early = Tally(in_force, {}, arrivals, resumes_at - timedelta(microseconds=1))
            assert not early.grants([quota]), "not a moment too late"
            now, tally = resumes_at, Tally(in_force, {}, arrivals, resumes_at)
        assert tally.grants([quota])
        tally.take([quota])
        arrivals = tally.moved


def test_a_refused_start_uses_nothing() -> None:
    both, one = [Quota("type:a"), Quota("flow:b")], [Quota("flow:b")]
    tally = Tally({"type:a": Limit(concurrency=1), "flow:b": Limit(concurrency=2)}, {}, {}, NOW)

    assert tally.grant([both, both, one]) == [True, False, True]


def test_a_full_quota_waits_for_an_end_and_not_for_its_rate() -> None:
    limit = Limit(concurrency=1, rate=Rate(count=1, per_seconds=60))
    tally = Tally({"flow:b": limit}, {}, {}, NOW)
    tally.take([Quota("flow:b")])

    assert (tally.exhausted, tally.resumes_at) == ([Quota("flow:b")], None)


def test_steps_are_counted_for_every_quota_that_they_share() -> None:
    groups = [("HttpRequest", FLOW, "x", 2), ("httprequest", FLOW, None, 1), ("RunFlow:Pay", FLOW, "x", 4)]

    assert counted(groups) == {
        Quota(type_limit("HTTPREQUEST")): 3,
        Quota(type_limit("RunFlow")): 4,
        Quota(flow_limit(FLOW)): 7,
        Quota(key_limit(FLOW), "x"): 6,
    }


def test_a_run_without_a_key_shares_no_quota_of_a_key() -> None:
    assert quotas_of("Work", FLOW, None) == (Quota("type:work"), Quota(flow_limit(FLOW)))


@pytest.mark.parametrize(
    ("concurrency", "rate", "message"),
    [(0, None, "concurrency is 0"), (-1, None, "concurrency is -1"), (None, None, "a concurrency, a rate, or both")],
)
def test_what_is_no_limit_is_refused(concurrency: int | None, rate: Rate | None, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        make_limit(concurrency, rate)


@pytest.mark.parametrize(
    "rate",
    [
        Rate(count=1, per_seconds=_CENTURY),
        Rate(count=2**31 - 1, per_seconds=_CENTURY, burst=2**31 - 1),
        Rate(count=2**31 - 1, per_seconds=0.000_001, burst=2**31 - 1),
    ],
)
def test_the_slowest_and_the_quickest_rate_there_may_be_can_be_reckoned_with(rate: Rate) -> None:
    quota = Quota("flow:b")
    tally = Tally({"flow:b": Limit(rate=rate)}, {}, {}, NOW)
    for _ in range(3):
        tally.take([quota])
    assert tally.grants([quota]) is (rate.burst > 1)
