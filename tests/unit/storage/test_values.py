"""Instants, cursors and array literals survive the way there and back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floworch.storage.sql.cursor import Cursor
from floworch.storage.sql.types import from_micros, to_micros

instants = st.datetimes(datetime(1900, 1, 1), datetime(9000, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds are naive


@given(instants)
def test_an_instant_survives_as_microseconds(at: datetime) -> None:
    assert from_micros(to_micros(at)) == at


@given(instants, instants)
def test_microseconds_sort_like_instants(first: datetime, second: datetime) -> None:
    assert (to_micros(first) < to_micros(second)) == (first < second)


@given(instants, st.integers(-14 * 60, 14 * 60))
def test_microseconds_do_not_depend_on_the_zone(at: datetime, offset_minutes: int) -> None:
    assert to_micros(at.astimezone(timezone(timedelta(minutes=offset_minutes)))) == to_micros(at)


@given(instants, st.uuids())
def test_a_cursor_survives_as_text(at: datetime, run_id: UUID) -> None:
    cursor = Cursor(at, run_id)
    assert Cursor.parse(str(cursor)) == cursor


@given(st.text())
def test_any_other_text_is_refused_or_is_a_cursor(text: str) -> None:
    try:
        assert isinstance(Cursor.parse(text), Cursor)
    except ValueError as error:
        assert "cursor" in str(error)  # noqa: PT017 - either outcome is right


def test_a_refused_cursor_says_what_to_pass() -> None:
    with pytest.raises(ValueError, match="next_cursor"):
        Cursor.parse("nonsense")
