from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.figures import percentile, ratio, summarise

values = st.lists(st.floats(0, 1e9), min_size=1)


@pytest.mark.parametrize(
    ("percent", "expected"), [(1, 10.0), (20, 10.0), (21, 20.0), (50, 30.0), (99, 50.0), (100, 50.0)]
)
def test_a_percentile_is_one_of_the_values(percent: float, expected: float) -> None:
    assert percentile([50.0, 10.0, 40.0, 20.0, 30.0], percent) == expected


@given(values, st.floats(0.1, 100))
def test_so_many_percent_do_not_exceed_the_percentile(found: list[float], percent: float) -> None:
    bound = percentile(found, percent)

    assert sum(value <= bound for value in found) >= len(found) * percent / 100 - 1e-9
    assert sum(value < bound for value in found) < len(found) * percent / 100 + 1e-9


@pytest.mark.parametrize(("found", "percent"), [([], 50), ([1.0], 0), ([1.0], 101)])
def test_there_is_no_percentile_of_nothing_nor_outside_of_the_scale(found: list[float], percent: float) -> None:
    with pytest.raises(ValueError, match="no percentile"):
        percentile(found, percent)


def test_a_summary_tells_the_spread_as_a_share_of_the_median() -> None:
    summary = summarise([90.0, 120.0, 100.0])

    assert (summary.median, summary.lowest, summary.highest, summary.rounds) == (100.0, 90.0, 120.0, 3)
    assert summary.spread == pytest.approx(0.3)


def test_there_is_no_ratio_to_nothing() -> None:
    assert ratio(3.0, 2.0) == 1.5
    assert ratio(3.0, 0.0) is None
