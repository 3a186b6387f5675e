"""From what a clock on the wall shows to instants, also on the days on which it is put forward or back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

__all__ = ["first_instant", "second_instant", "second_pass_begins"]


def first_instant(wall: datetime, zone: ZoneInfo) -> datetime:
    """When the clock of the zone shows ``wall`` (naive) for the first time; UTC.

    For a time that the clock skips, it is the instant at which it goes on.
    """
    before, after = _offsets(wall, zone)
    return _change(wall, zone) if before < after else _at(wall, before)


def second_instant(wall: datetime, zone: ZoneInfo) -> datetime:
    """When it shows ``wall`` for the last time: later than the first one only for a time that is repeated."""
    before, after = _offsets(wall, zone)
    return _change(wall, zone) if before < after else _at(wall, after)


def second_pass_begins(wall: datetime, zone: ZoneInfo) -> datetime | None:
    """When the clock is put back after it has shown ``wall``, so that it will show it again; None if it will not."""
    before, after = _offsets(wall, zone)
    return _change(wall, zone) if before > after else None


def _offsets(wall: datetime, zone: ZoneInfo) -> tuple[timedelta, timedelta]:
    """The distances to UTC before and after a change that is about this time; equal on all other days."""
    before, after = (wall.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1))
    assert before is not None
    assert after is not None
    return before, after


def _at(wall: datetime, offset: timedelta) -> datetime:
    return (wall - offset).replace(tzinfo=UTC)


def _change(wall: datetime, zone: ZoneInfo) -> datetime:
    """When the distance to UTC changes: ``zoneinfo`` does not tell, so it is searched for, second by second."""
    early, late = sorted(_at(wall, offset) for offset in _offsets(wall, zone))
    early = early.replace(microsecond=0)
    old = early.astimezone(zone).utcoffset()
    seconds_before, seconds_after = 0, int((late - early).total_seconds()) + 1
    while seconds_after - seconds_before > 1:
        middle = (seconds_before + seconds_after) // 2
        if (early + timedelta(seconds=middle)).astimezone(zone).utcoffset() == old:
            seconds_before = middle
        else:
            seconds_after = middle
    return early + timedelta(seconds=seconds_after)
