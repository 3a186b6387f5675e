"""The schedules of a history: random ones, and what must hold of their ticks whenever somebody writes one.

Ticks are counted here by a multiplication, and not by the rules of the engine.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import count, takewhile
from random import Random
from typing import TYPE_CHECKING, TypeAlias
from uuid import UUID

from floworch.core.model.payload import Json
from floworch.core.model.schedules import ScheduleRecord, TickOutcome, TickRecord
from floworch.core.model.timed_triggers import IntervalTrigger
from floworch.core.ports.schedules import ScheduleChange

if TYPE_CHECKING:
    from tests.simulation.cluster.account import RunAccount

__all__ = ["Almanac", "random_schedule"]

_Key: TypeAlias = tuple[UUID, str]
_MOST_TICKS = 4


def random_schedule(chance: Random, now: datetime, body: Json) -> IntervalTrigger:
    """A few ticks, some of them before anybody has heard of the schedule, and most of them during the storm."""
    every = chance.choice([1.0, 1.0, 3.0, 7.0])
    start = now + timedelta(seconds=chance.uniform(-2 * every, 6.0))
    return IntervalTrigger(
        every=every,
        catch_up=chance.choice(["latest", "none", "all", "all"]),
        catch_up_limit=chance.choice([2, 100, 100]),
        overlap=chance.choice(["allow", "skip", "queue", "cancel_previous"]),
        jitter_seconds=chance.choice([0, 0, every / 2]),
        start=start,
        end=start + timedelta(seconds=every * chance.randint(0, _MOST_TICKS)),
        inputs=body,
    )


class Almanac:
    """``grace_seconds`` is how late a tick may be before it has to be caught up with; ``runs`` are those that there
    are."""

    def __init__(self, runs: Mapping[UUID, RunAccount], grace_seconds: float) -> None:
        self.triggers: dict[_Key, IntervalTrigger] = {}
        self.schedules: dict[_Key, ScheduleRecord] = {}
        self.ticks: dict[_Key, dict[datetime, TickRecord]] = {}
        self.were_disabled: set[UUID] = set()
        """Flows that were. Their ticks meanwhile are forgotten when they are enabled again."""
        self._runs = runs
        self._grace = timedelta(seconds=grace_seconds)

    @property
    def is_over(self) -> bool:
        """Whether no schedule has anything to do any more."""
        known = self.schedules.keys() == self.triggers.keys()
        return known and all(each.next_fire_at is None for each in self.schedules.values())

    @property
    def outcomes(self) -> Counter[str]:
        return Counter(tick.outcome.value for ticks in self.ticks.values() for tick in ticks.values())

    def before_change(self, change: ScheduleChange) -> None:
        """Somebody is about to write that, if nobody else was quicker. Not even then may two ticks share a run."""
        with_run = [tick.run_id for tick in change.ticks if tick.run_id is not None]
        assert with_run == [run.run_id for run in change.runs]
        assert len(set(with_run)) == len(with_run)

    def written(self, change: ScheduleChange) -> None:
        """The change has taken effect. Its runs are known."""
        new = change.schedule
        key = new.flow_id, new.trigger_key
        old, trigger = self.schedules.get(key), self.triggers[key]
        assert new.revision == (0 if old is None else old.revision + 1), f"{new} is no change of {old}"
        self.schedules[key] = new
        ticks = self.ticks.setdefault(key, {})
        if old is None:
            assert not change.ticks, "a schedule has ticks before it is known"
        elif _is_by_hand(old, new) and not any(tick.outcome.has_run or not _is_given_up(tick) for tick in change.ticks):
            self._check_all_are_given_up(trigger, old, new, change.ticks)
        else:
            self._check_all_are_told(trigger, old, new, change.ticks)
        for tick in change.ticks:
            assert tick.scheduled_at not in ticks, f"{tick} was dealt with before: {ticks[tick.scheduled_at]}"
            ticks[tick.scheduled_at] = tick
            self._check_tick(trigger, tick)
        self._check_overlap(trigger, change.ticks)

    def _check_all_are_told(
        self, trigger: IntervalTrigger, old: ScheduleRecord, new: ScheduleRecord, ticks: Sequence[TickRecord]
    ) -> None:
        """Every tick that the schedule has come past has a record, and no other one."""
        if old.flow_id in self.were_disabled and not ticks:
            return
        passed = [
            at
            for at in _fires(trigger)
            if old.next_fire_at is not None
            and at >= old.next_fire_at
            and (new.next_fire_at is None or at < new.next_fire_at)
        ]
        assert sorted(tick.scheduled_at for tick in ticks) == passed, f"{old} became {new} with {ticks}"

    def _check_all_are_given_up(
        self, trigger: IntervalTrigger, old: ScheduleRecord, new: ScheduleRecord, ticks: Sequence[TickRecord]
    ) -> None:
        """Somebody has paused the schedule or let it go on: every tick that had come by then has a record."""
        assert new.updated_at is not None
        begin, end = old.next_fire_at, new.updated_at
        passed = [at for at in _fires(trigger) if begin is not None and begin <= at <= end]
        assert sorted(tick.scheduled_at for tick in ticks) == passed, f"{old} became {new} with {ticks}"

    def _check_tick(self, trigger: IntervalTrigger, tick: TickRecord) -> None:
        assert tick.recorded_at >= tick.scheduled_at, f"{tick} is too early"
        is_late = tick.recorded_at - tick.scheduled_at > self._grace
        if tick.outcome.has_run:
            assert tick.why is None
            assert tick.run_id is not None
            facts = self._runs[tick.run_id].facts
            assert (facts.flow_id, facts.trigger_key) == (tick.flow_id, tick.trigger_key)
            assert facts.scheduled_at == tick.scheduled_at
            return
        assert tick.why, f"{tick} has no run, and nobody is told why"
        assert tick.outcome in (TickOutcome.SKIPPED, TickOutcome.MISSED), f"{tick} should have started a run"
        if tick.outcome is TickOutcome.MISSED:
            assert is_late or _is_given_up(tick), f"{tick} was not late, and is missed"
        else:
            assert trigger.overlap in ("skip", "cancel_previous")

    def _check_overlap(self, trigger: IntervalTrigger, ticks: Sequence[TickRecord]) -> None:
        """What goes on beside the runs that have just been started, in which nobody has meddled."""
        for tick in ticks:
            if tick.run_id is None or trigger.overlap == "allow":
                continue
            others = [
                run
                for run_id, run in self._runs.items()
                if run_id != tick.run_id and _is_of(run, tick) and not run.status.is_final and not run.retries
            ]
            if trigger.overlap == "cancel_previous":
                others = [run for run in others if run.stop is None]
            assert not others, f"{[run.facts.scheduled_at for run in others]} still go on when {tick} starts its run"

    def check_end(self, stored: Mapping[_Key, Sequence[TickRecord]]) -> None:
        """Each tick was told once, with one run or a reason, and that is what the store has."""
        for key, ticks in self.ticks.items():
            assert sorted(stored[key], key=lambda tick: tick.scheduled_at) == [ticks[at] for at in sorted(ticks)]
            runs = [run for run in self._runs.values() if _is_scheduled(run) and _key_of(run) == key]
            assert {run.facts.run_id for run in runs} == {tick.run_id for tick in ticks.values()} - {None}


def _is_given_up(tick: TickRecord) -> bool:
    return (tick.why or "").startswith("somebody")


def _is_by_hand(old: ScheduleRecord, new: ScheduleRecord) -> bool:
    """Whether somebody has paused the schedule or let it go on: then nothing becomes of the ticks up to now. A pause
    that was over by itself is forgotten by whoever deals with the next tick."""
    assert new.updated_at is not None
    was_over = new.paused_at is None and old.paused_until is not None and old.paused_until <= new.updated_at
    return (old.paused_at, old.paused_until) != (new.paused_at, new.paused_until) and not was_over


def _is_of(run: RunAccount, tick: TickRecord) -> bool:
    return _is_scheduled(run) and _key_of(run) == (tick.flow_id, tick.trigger_key)


def _is_scheduled(run: RunAccount) -> bool:
    """Whether a tick has started the run, and nobody who has had such a run again."""
    return run.facts.scheduled_at is not None and run.facts.source_run_id is None


def _key_of(run: RunAccount) -> _Key:
    return run.facts.flow_id, run.facts.trigger_key


def _fires(trigger: IntervalTrigger) -> list[datetime]:
    assert trigger.start is not None
    assert trigger.end is not None
    start, end, every = trigger.start, trigger.end, timedelta(seconds=trigger.every)
    return [*takewhile(lambda at: at <= end, (start + number * every for number in count()))]
