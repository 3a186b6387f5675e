"""What callers pass in is refused before anything is done with it, with an error that says what was expected."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from floworch import ConfigurationError, RunNotFound
from floworch.arguments import checked_by, checked_reason, checked_run_id, checked_timeout, required_reason

RUN = UUID("0190b6a1-3c5e-7f0a-9a51-7d3e5c2b1a00")


@pytest.mark.parametrize("given", [0, -1, timedelta(0), True, "10", math.nan, math.inf, 1e12, timedelta(days=40_000)])
def test_a_time_limit_that_no_run_can_have_is_refused(given: Any) -> None:
    with pytest.raises(ConfigurationError, match="timeout is"):
        checked_timeout(given)


@pytest.mark.parametrize("given", [90, 90.0, timedelta(minutes=1.5)])
def test_a_time_limit_is_seconds_or_a_time_span(given: float | timedelta) -> None:
    assert checked_timeout(given) == timedelta(seconds=90)


@pytest.mark.parametrize("given", [5, None, b"x", "", "nonsense"])
def test_what_is_not_the_id_of_a_run_finds_none(given: Any) -> None:
    with pytest.raises(RunNotFound, match="is not the id of a run"):
        checked_run_id(given)


@pytest.mark.parametrize("given", [RUN, str(RUN)])
def test_the_id_of_a_run_may_be_text(given: UUID | str) -> None:
    assert checked_run_id(given) == RUN


@pytest.mark.parametrize("given", [5, b"Ann", " "])
def test_who_does_it_is_text(given: Any) -> None:
    with pytest.raises(ConfigurationError, match="1 to 200 characters"):
        checked_by(given)


@pytest.mark.parametrize("given", [5, b"late", ["late"], ValueError("late")])
def test_a_reason_is_text(given: Any) -> None:
    with pytest.raises(ConfigurationError, match="a reason is text"):
        checked_reason(given)


@pytest.mark.parametrize("given", [None, "", " \n"])
def test_a_reason_may_be_left_out_only_where_nobody_needs_it(given: str | None) -> None:
    assert checked_reason(given) == given
    with pytest.raises(ConfigurationError, match="say why"):
        required_reason(given)
