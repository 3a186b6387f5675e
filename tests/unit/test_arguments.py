"""What callers pass in is refused before anything is done with it, with an error that says what was expected."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from floworch import ConfigurationError, InvalidPayload, RunNotFound, RunStatus
from floworch.arguments import (
    checked_by,
    checked_limit,
    checked_moment,
    checked_payload,
    checked_priority,
    checked_reason,
    checked_run_id,
    checked_statuses,
    checked_timeout,
    checked_words,
    required_reason,
)
from floworch.errors import PayloadTooLarge

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


@pytest.mark.parametrize("given", [datetime.fromisoformat("2030-01-01T00:00"), date(2030, 1, 1), "2030-01-01", 5])
def test_a_moment_without_a_time_zone_is_refused(given: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"started_from is .*write datetime\(\.\.\., tzinfo=UTC\)"):
        checked_moment(given, "started_from")


def test_a_moment_is_left_as_it_is() -> None:
    assert checked_moment(datetime(2030, 1, 1, tzinfo=UTC), "started_from") == datetime(2030, 1, 1, tzinfo=UTC)
    assert checked_moment(None, "started_from") is None


@pytest.mark.parametrize("given", ["Failed", RunStatus.FAILED, ["Failed"], (RunStatus.FAILED,), {"Failed"}])
def test_a_status_may_be_given_by_its_name_and_alone(given: Any) -> None:
    assert checked_statuses(given) == frozenset({RunStatus.FAILED})


@pytest.mark.parametrize("given", ["Faild", ["Succeeded", "Faild"], [5]])
def test_a_status_that_there_is_not_is_refused_with_the_nearest_one(given: Any) -> None:
    with pytest.raises(ConfigurationError, match="no status of runs is called"):
        checked_statuses(given)


@pytest.mark.parametrize("given", [5, "a\0b", "x" * 1001])
def test_words_that_no_store_could_look_for_are_refused(given: Any) -> None:
    with pytest.raises(ConfigurationError, match="what errors say"):
        checked_words(given)
    assert checked_words("") is None


@pytest.mark.parametrize("given", [-1, 1.5, "5", True])
def test_a_number_of_things_is_whole_and_not_negative(given: Any) -> None:
    with pytest.raises(ConfigurationError, match="limit is"):
        checked_limit(given)


def test_a_value_that_cannot_be_stored_is_named() -> None:
    with pytest.raises(
        InvalidPayload, match=r"^the trigger body cannot be stored: \$\.when: an object is not a JSON value"
    ):
        checked_payload({"when": object()}, "the trigger body", 1000)
    with pytest.raises(PayloadTooLarge, match=r"^the output cannot be stored: The value has 12 bytes"):
        checked_payload("x" * 10, "the output", 10)


@pytest.mark.parametrize("given", ["high", None, 1.5, 1001])
def test_a_priority_that_is_none_is_refused(given: Any) -> None:
    with pytest.raises(ConfigurationError, match="priority is"):
        checked_priority(given)
