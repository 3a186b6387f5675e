"""A second opinion on when cron expressions are due: it walks over every minute of the world's clock, and knows neither
croniter nor the code under test. Five fields of numbers, ``*``, ranges, lists and steps, and ``L`` for the last day.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

__all__ = ["Calendar", "Minute", "due_minutes", "minutes_of"]

_MINUTE = timedelta(minutes=1)
_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))


class Minute(NamedTuple):
    """A minute of UTC, what the clock on the wall shows then, whether it has shown that before, and what it has just
    skipped."""

    at: datetime
    wall: datetime
    is_second_time: bool
    skipped: Sequence[datetime]


class Calendar:
    """The minutes of a zone, for many expressions."""

    def __init__(self, zone: str, start: datetime, end: datetime) -> None:
        self._by_minute: dict[int, list[Minute]] = {minute: [] for minute in range(60)}
        self._after_gaps: list[Minute] = []
        for each in _walk(ZoneInfo(zone), start, end):
            self._by_minute[each.wall.minute].append(each)
            if each.skipped:
                self._after_gaps.append(each)

    def due(self, expression: str) -> list[datetime]:
        """See :func:`due_minutes`."""
        candidates = [each for minute in _numbers(expression.split()[0], 0, 59) for each in self._by_minute[minute]]
        return sorted({*due_minutes(expression, candidates), *due_minutes(expression, self._after_gaps)})


def minutes_of(zone: str, start: datetime, end: datetime) -> list[Minute]:
    """All minutes from ``start`` until before ``end``."""
    return list(_walk(ZoneInfo(zone), start, end))


def due_minutes(expression: str, minutes: Sequence[Minute]) -> list[datetime]:
    """Those of the minutes at which the expression is due."""
    minute, hour, *_ = texts = expression.split()
    sets = [_numbers(text, *_RANGES[place]) for place, text in enumerate(texts)]
    is_of_every_hour = "*" in minute or "*" in hour

    def is_due(wall: datetime) -> bool:
        return wall.minute in sets[0] and wall.hour in sets[1] and _is_day(wall, texts, sets)

    return [
        each.at
        for each in minutes
        if (is_due(each.wall) and (is_of_every_hour or not each.is_second_time)) or any(map(is_due, each.skipped))
    ]


def _walk(zone: ZoneInfo, start: datetime, end: datetime) -> Iterator[Minute]:
    before = _wall(start - _MINUTE, zone)
    latest = before
    at = start
    while at < end:
        wall = _wall(at, zone)
        skipped = [before + n * _MINUTE for n in range(1, (wall - before) // _MINUTE)] if wall > before else []
        yield Minute(at.astimezone(UTC), wall, wall <= latest, skipped)
        latest = max(latest, wall)
        before = wall
        at += _MINUTE


def _wall(at: datetime, zone: ZoneInfo) -> datetime:
    return at.astimezone(zone).replace(tzinfo=None, fold=0)


def _is_day(wall: datetime, texts: Sequence[str], sets: Sequence[set[int]]) -> bool:
    if wall.month not in sets[3]:
        return False
    is_last = texts[2] == "L" and (wall + timedelta(days=1)).day == 1
    of_month = wall.day in sets[2] or is_last
    of_week = bool(sets[4] & ({0, 7} if wall.isoweekday() == 7 else {wall.isoweekday()}))
    if "*" in (texts[2], texts[4]):
        return of_month and of_week
    return of_month or of_week


def _numbers(text: str, lowest: int, highest: int) -> set[int]:
    if text == "L":
        return set()
    found: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        first, last = (lowest, highest) if span == "*" else map(int, (span.split("-") * 2)[:2])
        found.update(range(first, last + 1, int(step or 1)))
    return found
