"""What to do about the ticks that have come: which start runs, and which are passed over. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import blake2b
from itertools import islice, takewhile

from floworch.core.model.schedules import TickOutcome
from floworch.core.model.timed_triggers import Overlap, TimedTrigger
from floworch.core.policy.fires import Fires, fires_between, last_fires

__all__ = ["Tick", "TickDecision", "decide_ticks", "jitter_of", "missed_ticks"]

_MICROSECOND = timedelta(microseconds=1)
_MOST_TIMELY = 1000
"""Ticks of one decision; what is left is due at once."""
_MOST_MISSED = 100
"""Missed ticks that are recorded one by one."""


@dataclass(frozen=True, slots=True)
class Tick:
    scheduled_at: datetime
    outcome: TickOutcome
    why: str | None = None


@dataclass(slots=True)
class TickDecision:
    """``ticks`` in order; ``next_fire_at`` is the first one that is not dealt with."""

    ticks: list[Tick] = field(default_factory=list)
    next_fire_at: datetime | None = None
    waits: bool = False
    """The next tick has to wait until the runs have ended that go on then."""
    cancels: bool = False
    """The runs that go on have to be cancelled first."""


def decide_ticks(
    trigger: TimedTrigger,
    fires: Fires,
    first: datetime,
    now: datetime,
    *,
    grace: timedelta,
    has_active_run: bool,
    jitter: Callable[[datetime], timedelta],
) -> TickDecision:
    """What becomes of the ticks from ``first`` until ``now``.

    A tick is late when its run could not be started within ``grace``, and its jitter: then ``catch_up`` decides about
    it.
    """
    horizon = max(first, now - grace - timedelta(seconds=trigger.jitter_seconds))
    coming = fires_between(fires, horizon, now)
    timely = list(islice(takewhile(lambda at: at + jitter(at) <= now, coming), _MOST_TIMELY))
    missed, caught_up = _late(trigger, fires, first, horizon, has_timely=bool(timely))
    starting = [
        *(Tick(at, TickOutcome.CAUGHT_UP) for at in caught_up),
        *(Tick(at, TickOutcome.FIRED) for at in timely),
    ]
    decision = _OVERLAPS[trigger.overlap](starting, has_active_run)
    decision.ticks = [*missed, *decision.ticks]
    if decision.next_fire_at is None:
        decision.next_fire_at = fires.next_after(timely[-1] if timely else horizon - _MICROSECOND)
    return decision


def missed_ticks(fires: Fires, first: datetime, last: datetime, why: str) -> list[Tick]:
    """The ticks of that time, of which nothing becomes; the last hundred of them."""
    return _missed(last_fires(fires, first, last, _MOST_MISSED), first, why)


def jitter_of(trigger: TimedTrigger, name: str) -> Callable[[datetime], timedelta]:
    """By how much the run of a tick starts after it: the same in all processes. ``name`` tells schedules apart."""
    most = trigger.jitter_seconds

    def jitter(at: datetime) -> timedelta:
        digest = blake2b(f"{name} {at.isoformat()}".encode(), digest_size=8).digest()
        return timedelta(seconds=most * int.from_bytes(digest, "big") / 2**64)

    return jitter if most else lambda at: timedelta(0)


def _late(
    trigger: TimedTrigger, fires: Fires, first: datetime, horizon: datetime, *, has_timely: bool
) -> tuple[list[Tick], list[datetime]]:
    """Ticks that are missed, and those to catch up with."""
    most = _most_caught_up(trigger, has_timely=has_timely)
    found = last_fires(fires, first, horizon - _MICROSECOND, most + _MOST_MISSED)
    split = max(len(found) - most, 0)
    return _missed(found[:split], first, _why_missed(trigger)), found[split:]


def _missed(found: Sequence[datetime], first: datetime, why: str) -> list[Tick]:
    missed = [Tick(at, TickOutcome.MISSED, why) for at in found]
    if missed and missed[0].scheduled_at > first:
        all_before = f"{why}; and so were all before it, from {first.isoformat()} on"
        missed[0] = Tick(missed[0].scheduled_at, TickOutcome.MISSED, all_before)
    return missed


def _most_caught_up(trigger: TimedTrigger, *, has_timely: bool) -> int:
    if trigger.overlap == "queue" or trigger.catch_up == "all":
        return trigger.catch_up_limit
    return 1 if trigger.catch_up == "latest" and not has_timely else 0


def _why_missed(trigger: TimedTrigger) -> str:
    if trigger.overlap == "queue":
        return f"more than {trigger.catch_up_limit} ticks were waiting"
    if trigger.catch_up == "all":
        return f"no process was there, and there are more than {trigger.catch_up_limit} to catch up with"
    return f"no process was there, and catch_up is {trigger.catch_up!r}"


def _all(starting: Sequence[Tick], has_active_run: bool) -> TickDecision:
    return TickDecision([*starting])


def _unless_one_goes_on(starting: Sequence[Tick], has_active_run: bool) -> TickDecision:
    started = 0 if has_active_run else 1
    skipped = [_skipped(tick, "the run before it still went on") for tick in starting[started:]]
    return TickDecision([*starting[:started], *skipped])


def _one_by_one(starting: Sequence[Tick], has_active_run: bool) -> TickDecision:
    started = 0 if has_active_run else 1
    rest = starting[started:]
    return TickDecision([*starting[:started]], rest[0].scheduled_at if rest else None, waits=bool(rest))


def _last_one(starting: Sequence[Tick], has_active_run: bool) -> TickDecision:
    skipped = [_skipped(tick, "a later tick was due as well") for tick in starting[:-1]]
    return TickDecision([*skipped, *starting[-1:]], cancels=bool(starting) and has_active_run)


def _skipped(tick: Tick, why: str) -> Tick:
    return Tick(tick.scheduled_at, TickOutcome.SKIPPED, why)


_OVERLAPS: dict[Overlap, Callable[[Sequence[Tick], bool], TickDecision]] = {
    "allow": _all,
    "skip": _unless_one_goes_on,
    "queue": _one_by_one,
    "cancel_previous": _last_one,
}
