"""Cron expressions and time zones. The only user of croniter, which is imported when it is first needed.

croniter is asked about the calendar only: it counts in naive local times. What becomes of those on the days on which
the clocks change is decided here, by one rule:

* A local time that the clock skips is due at the first instant after the gap, once, whatever else is due then.
* A local time that comes twice is due the first time only. An expression that is written with ``*`` or ``*/n`` in its
  minute or hour field (``@hourly`` too) is due both times: it speaks of every minute or hour that passes, not of a time
  of day.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from floworch.core.model.spelling import did_you_mean
from floworch.core.policy.cron_traps import cron_trap
from floworch.core.policy.cron_words import CRON_NAMES
from floworch.core.policy.wall_clock import first_instant, second_instant, second_pass_begins

__all__ = ["Cron", "cron_problem", "next_fire_at", "time_zone_problem"]

_PROBE_START = datetime(2024, 1, 1, tzinfo=UTC)
_FIELD_COUNTS = (5, 6)
_RANDOM = re.compile(r"[rR]($|[(/])")
_HASHED = re.compile(r"[hH]($|[(/])")
_SECOND = timedelta(seconds=1)


def cron_problem(expression: str) -> str | None:
    """What is wrong with the expression, or None. An expression that never matches a date is wrong as well."""
    fields = expression.split()
    if expression.strip().startswith("@"):
        if expression.strip().lower() not in CRON_NAMES:
            return (
                f"Bad cron expression {expression!r}: there is no such name; there are {', '.join(sorted(CRON_NAMES))}."
            )
        return None
    if len(fields) not in _FIELD_COUNTS:
        return (
            f"Bad cron expression {expression!r}: it has {len(fields)} fields; expected five "
            "(minute hour day month weekday), or six with seconds at the end."
        )
    for letter, pattern, kind in (("R", _RANDOM, "random"), ("H", _HASHED, "hashed")):
        if any(pattern.match(part) for field in fields for part in field.split(",")):
            return f"Bad cron expression {expression!r}: {kind} fields ({letter}) are not supported; write the times."
    if trap := cron_trap(expression):
        return f"Bad cron expression {expression!r}: {trap}"
    try:
        next_fire_at(expression, "UTC", _PROBE_START)
    except ValueError as error:
        return f"Bad cron expression {expression!r}: {error}"
    return None


def time_zone_problem(name: str) -> str | None:
    """What is wrong with the IANA time zone name, or None."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        hint = did_you_mean(name, available_timezones()) or " Use an IANA name such as 'Europe/Berlin'."
        return f"Unknown time zone {name!r}.{hint}"
    return None


def next_fire_at(expression: str, time_zone: str, after: datetime) -> datetime:
    """First instant after ``after`` (aware) at which the expression, read in the zone, is due; UTC.

    Raises ``ValueError`` when the expression is malformed or never due.
    """
    return Cron(expression, time_zone).next_after(after)


class Cron:
    """An expression, parsed, in its time zone. Raises ``ValueError`` when it is malformed."""

    def __init__(self, expression: str, time_zone: str = "UTC") -> None:
        self.repeats_with_the_clock = _repeats(expression)
        """Whether local times that come twice are due twice."""
        self._calendar = _parsed(expression)
        self._zone = ZoneInfo(time_zone)

    def next_after(self, after: datetime) -> datetime:
        """First instant after ``after`` (aware) that is due; UTC. Raises ``ValueError`` when there is none."""
        wall = after.astimezone(self._zone).replace(tzinfo=None)
        if self.repeats_with_the_clock:
            return self._next_of_all(after, wall)
        while True:
            wall = self._next_wall(wall)
            if (found := first_instant(wall, self._zone)) > after:
                return found

    def _next_of_all(self, after: datetime, wall: datetime) -> datetime:
        found = self._instant(self._next_wall(wall), after)
        turn = second_pass_begins(wall, self._zone)
        if turn is None or turn <= after or found < turn:
            return found
        # The first pass is over before anything else is due: what is, in the second one, from its very beginning?
        beginning = turn.astimezone(self._zone).replace(tzinfo=None)
        return self._instant(self._next_wall(beginning - _SECOND), turn - _SECOND)

    def _instant(self, wall: datetime, after: datetime) -> datetime:
        """The first time that the clock shows it, or the second one if the first is over."""
        first = first_instant(wall, self._zone)
        return first if first > after else second_instant(wall, self._zone)

    def _next_wall(self, wall: datetime) -> datetime:
        from croniter import CroniterBadDateError, CroniterError

        try:
            found: datetime = self._calendar.get_next(datetime, start_time=wall.replace(fold=0, microsecond=0))
        except CroniterBadDateError:
            raise ValueError("there is no such date.") from None
        except CroniterError as error:
            raise ValueError(str(error)) from None
        return found


def _parsed(expression: str) -> Any:
    from croniter import CroniterError, croniter

    try:
        return croniter(expression.strip(), _PROBE_START.replace(tzinfo=None))
    except CroniterError as error:
        raise ValueError(str(error)) from None


def _repeats(expression: str) -> bool:
    text = expression.strip().lower()
    if text.startswith("@"):
        return text == "@hourly"
    return any(part.startswith("*") for field in text.split()[:2] for part in field.split(","))
