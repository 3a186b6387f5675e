"""Cron on the days on which clocks change, beside a walk over every minute."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from floworch.core.policy.cron import Cron
from tests.unit.core.policy.cron_oracle import due_minutes, minutes_of

ZONES = ("Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "UTC")
ROUND_THE_CLOCK = (
    "* * * * *",
    "*/7 * * * *",
    "30 * * * *",
    "15 */2 * * *",
    "*/10 1-3 * * *",
    "0,30 1-3 * * *",
    "0 2 * * *",
    "30 2 * * *",
    "45 1 * * *",
    "15 1,2,3 * * 0",
    "59 0-23 * * *",
)
RARE = ("0 9 * * 1-5", "30 2 1 * *", "0 0 L * *", "0 12 13 * 5", "15 6 1,15 */3 *", "0 0 29 2 *", "30 1 * 3,10,11 0")
START, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)


def fires(expression: str, zone: str, start: datetime, end: datetime) -> list[datetime]:
    cron = Cron(expression, zone)
    found: list[datetime] = []
    at = start - timedelta(microseconds=1)
    while True:
        at = cron.next_after(at)
        if at >= end:
            return found
        found.append(at)


def changes(zone: str) -> list[datetime]:
    """The hours of the year around which the distance to UTC changes."""
    hours = [START + timedelta(hours=n) for n in range(365 * 24)]
    minutes = [minutes_of(zone, hour, hour + timedelta(minutes=1))[0] for hour in hours]
    offsets = [each.wall - each.at.replace(tzinfo=None) for each in minutes]
    return [hours[n] for n in range(1, len(hours)) if offsets[n] != offsets[n - 1]]


@pytest.mark.parametrize("zone", ZONES)
def test_every_minute_around_a_change_is_as_the_oracle_says(zone: str) -> None:
    for change in changes(zone) or [datetime(2026, 3, 29, tzinfo=UTC)]:
        start, end = change - timedelta(hours=30), change + timedelta(hours=30)
        minutes = minutes_of(zone, start, end)
        for expression in ROUND_THE_CLOCK:
            assert fires(expression, zone, start, end) == due_minutes(expression, minutes), expression


RARE_CHANGES = (
    ("Pacific/Apia", datetime(2011, 12, 30, tzinfo=UTC)),  # a day that there was not
    ("Pacific/Kwajalein", datetime(1993, 8, 21, tzinfo=UTC)),  # another one
    ("Antarctica/Troll", datetime(2026, 3, 29, tzinfo=UTC)),  # two hours forward
    ("Antarctica/Troll", datetime(2026, 10, 25, tzinfo=UTC)),  # and back
    ("Africa/Cairo", datetime(2025, 4, 24, 22, tzinfo=UTC)),  # no midnight
    ("America/Havana", datetime(2025, 11, 2, 5, tzinfo=UTC)),  # midnight twice
    ("Africa/Casablanca", datetime(2025, 2, 23, 2, tzinfo=UTC)),  # back for Ramadan
    ("Europe/Dublin", datetime(2026, 10, 25, 1, tzinfo=UTC)),  # winter is the exception
    ("Asia/Pyongyang", datetime(2018, 5, 4, 15, tzinfo=UTC)),  # half an hour, for good
    ("America/St_Johns", datetime(2009, 11, 1, 2, tzinfo=UTC)),  # one minute after midnight
)


@pytest.mark.parametrize(("zone", "change"), RARE_CHANGES)
def test_rare_changes_are_as_the_oracle_says(zone: str, change: datetime) -> None:
    start, end = change - timedelta(hours=30), change + timedelta(hours=30)
    minutes = minutes_of(zone, start, end)
    assert len({each.wall - each.at.replace(tzinfo=None) for each in minutes}) == 2, "there is a change"
    for expression in (*ROUND_THE_CLOCK, "0 0 * * *", "30 0 * * *", "0 12 * * *", "1-59/2 0 * * *", "0 */6 * * *"):
        assert fires(expression, zone, start, end) == due_minutes(expression, minutes), expression


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Australia/Lord_Howe"])
def test_a_whole_year_is_as_the_oracle_says(zone: str) -> None:
    minutes = minutes_of(zone, START, END)
    for expression in (*RARE, "30 2 * * *", "0 */4 * * *"):
        assert fires(expression, zone, START, END) == due_minutes(expression, minutes), expression


@pytest.mark.parametrize("zone", ZONES)
def test_whatever_the_instant_the_next_one_is_the_same(zone: str) -> None:
    change = (changes(zone) or [START])[-1]
    due = fires("*/20 * * * *", zone, change - timedelta(hours=3), change + timedelta(hours=4))
    for minutes in range(-120, 120):
        at = change + timedelta(minutes=minutes, seconds=30, microseconds=5)
        assert Cron("*/20 * * * *", zone).next_after(at) == min(each for each in due if each > at)


@pytest.mark.parametrize(
    ("expression", "zone", "day", "instants"),
    [
        # Put forward: 02:00 is 03:00.
        ("30 2 * * *", "Europe/Berlin", "2026-03-29", ["01:00"]),
        ("0,30 2 * * *", "Europe/Berlin", "2026-03-29", ["01:00"]),
        ("30 * * * *", "Europe/Berlin", "2026-03-29", ["00:30", "01:00", "01:30"]),
        ("*/30 * * * *", "Europe/Berlin", "2026-03-29", ["00:00", "00:30", "01:00", "01:30"]),
        # Put back: 03:00 is 02:00.
        ("30 2 * * *", "Europe/Berlin", "2026-10-25", ["00:30"]),
        ("30 * * * *", "Europe/Berlin", "2026-10-25", ["00:30", "01:30"]),
        ("*/30 2 * * *", "Europe/Berlin", "2026-10-25", ["00:00", "00:30", "01:00", "01:30"]),
        ("@hourly", "Europe/Berlin", "2026-10-25", ["00:00", "01:00"]),
        # By half an hour.
        ("15 2 * * *", "Australia/Lord_Howe", "2026-10-03", ["15:30"]),
        ("45 1 * * *", "Australia/Lord_Howe", "2026-04-04", ["14:45"]),
    ],
)
def test_the_rule_in_examples(expression: str, zone: str, day: str, instants: list[str]) -> None:
    start = datetime.fromisoformat(day).replace(tzinfo=UTC)
    first = datetime.fromisoformat(f"{day}T{instants[0]}").replace(tzinfo=UTC)
    span = (first, first + timedelta(hours=2)) if len(instants) > 1 else (start, start + timedelta(hours=20))
    found = fires(expression, zone, *span)[: len(instants)] if len(instants) > 1 else fires(expression, zone, *span)
    assert [f"{at:%H:%M}" for at in found] == instants


def test_seconds_are_the_last_field() -> None:
    start = datetime(2026, 3, 1, 12, tzinfo=UTC)
    found = fires("0 12 * * * */20", "UTC", start, start + timedelta(minutes=5))
    assert [each.second for each in found] == [0, 20, 40]


def test_a_day_that_the_date_line_takes_is_due_when_the_next_one_begins() -> None:
    # Samoa went from the 29th to the 31st of December 2011.
    found = fires("0 12 30 12 *", "Pacific/Apia", datetime(2011, 12, 28, tzinfo=UTC), datetime(2012, 1, 3, tzinfo=UTC))
    assert found == [datetime(2011, 12, 30, 10, tzinfo=UTC)]
