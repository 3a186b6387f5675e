"""When a trigger is due: the arithmetic of all kinds of schedules, and how to ask them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from floworch.core.model.timed_triggers import AtTrigger, CronTrigger, IntervalTrigger, TimedTrigger
from floworch.core.policy.cron import Cron
from floworch.core.policy.cron_words import describe_cron

__all__ = ["Fires", "describe", "fires_between", "fires_of", "last_fires"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_FIRST_LOOK_BACK = timedelta(minutes=1)
_LOOK_BACK_GROWTH = 4


class Fires(Protocol):
    """The instants (aware, UTC) at which a schedule is due."""

    def next_after(self, after: datetime) -> datetime | None:
        """The first one after that instant; None when there are no more."""
        ...


def fires_of(trigger: TimedTrigger, override: str | None = None) -> Fires:
    """When the trigger is due; ``override`` is a cron expression in place of the trigger's own time.

    Raises ``ValueError`` for a bad expression.
    """
    return _Between(_own_fires(trigger, override), trigger.start, trigger.end)


def fires_between(fires: Fires, first: datetime, last: datetime) -> Iterator[datetime]:
    """The instants from ``first`` to ``last``, both included, in order."""
    at = fires.next_after(first - _MICROSECOND)
    while at is not None and at <= last:
        yield at
        at = fires.next_after(at)


def last_fires(fires: Fires, first: datetime, last: datetime, most: int) -> list[datetime]:
    """The last ones of :func:`fires_between`, at most so many; in order.

    Looks back further and further, so that what lies long ago costs nothing.
    """
    if most <= 0 or first > last:
        return []
    span = _FIRST_LOOK_BACK
    while True:
        start = max(first, last - span)
        found = deque(fires_between(fires, start, last), maxlen=most)
        if len(found) == most or start == first:
            return list(found)
        span *= _LOOK_BACK_GROWTH


def describe(trigger: TimedTrigger, override: str | None = None) -> str:
    """The schedule in plain words."""
    zone = getattr(trigger, "time_zone", "UTC")
    if override is not None:
        return f"{describe_cron(override)} ({zone})"
    match trigger:
        case CronTrigger():
            return f"{describe_cron(trigger.cron_expression)} ({zone})"
        case IntervalTrigger():
            return f"every {timedelta(seconds=trigger.every)}"
        case AtTrigger():
            return f"once, at {trigger.at:%Y-%m-%d %H:%M:%S} (UTC)"
    return trigger.wire_type


def _own_fires(trigger: TimedTrigger, override: str | None) -> Fires:
    if override is not None:
        return _OfCalendar(Cron(override, getattr(trigger, "time_zone", "UTC")))
    match trigger:
        case CronTrigger():
            return _OfCalendar(Cron(trigger.cron_expression, trigger.time_zone))
        case IntervalTrigger():
            return _Every(timedelta(seconds=trigger.every), trigger.start or _EPOCH)
        case AtTrigger():
            return _Once(trigger.at.astimezone(UTC))
    raise ValueError(f"{trigger!r} is not started by the clock")


@dataclass(frozen=True, slots=True)
class _OfCalendar:
    cron: Cron

    def next_after(self, after: datetime) -> datetime | None:
        try:
            return self.cron.next_after(after)
        except (ValueError, OverflowError):  # there are no more such dates
            return None


@dataclass(frozen=True, slots=True)
class _Every:
    period: timedelta
    origin: datetime

    def next_after(self, after: datetime) -> datetime | None:
        passed = (after - self.origin) // self.period
        return (self.origin + (passed + 1) * self.period).astimezone(UTC)


@dataclass(frozen=True, slots=True)
class _Once:
    at: datetime

    def next_after(self, after: datetime) -> datetime | None:
        return self.at if self.at > after else None


@dataclass(frozen=True, slots=True)
class _Between:
    fires: Fires
    start: datetime | None
    end: datetime | None

    def next_after(self, after: datetime) -> datetime | None:
        earliest = after if self.start is None else max(after, self.start - _MICROSECOND)
        found = self.fires.next_after(earliest)
        return None if found is None or (self.end is not None and found > self.end) else found
