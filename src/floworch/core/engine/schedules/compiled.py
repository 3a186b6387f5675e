"""A schedule as it stands, with what can be asked about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from floworch.core.model.json_decode import decode
from floworch.core.model.schedules import ScheduleRecord, TickRecord
from floworch.core.model.timed_triggers import TimedTrigger
from floworch.core.model.triggers import read_trigger
from floworch.core.policy.fires import Fires, describe, fires_of
from floworch.core.policy.ticks import jitter_of, missed_ticks
from floworch.errors import StorageError

__all__ = ["CompiledSchedule", "Schedules"]

_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class CompiledSchedule:
    """The trigger of a schedule, when it is due by it or by what stands in its place, and by how much runs are late on
    purpose."""

    trigger: TimedTrigger
    override: str | None
    fires: Fires
    jitter: Callable[[datetime], timedelta]

    @property
    def in_words(self) -> str:
        return describe(self.trigger, self.override)

    def upcoming(self, record: ScheduleRecord, now: datetime) -> ScheduleRecord:
        """The record with its next tick after ``now``, passing over what was due before; none while it is paused or
        retired."""
        if record.retired_at is not None or (record.is_paused and record.paused_until is None):
            return self.with_next(record, None)
        start = now if record.paused_until is None else max(now, record.paused_until - _MICROSECOND)
        if record.last_tick_at is not None:  # which may lie ahead, by the clock of this process
            start = max(start, record.last_tick_at)
        return self.with_next(record, self.fires.next_after(start))

    def missed(self, record: ScheduleRecord, now: datetime, why: str) -> list[TickRecord]:
        """What to record of the ticks that have come and wait still, when the schedule begins anew."""
        if record.next_fire_at is None:
            return []
        return [
            TickRecord(record.flow_id, record.trigger_key, tick.scheduled_at, tick.outcome, now, why=tick.why)
            for tick in missed_ticks(self.fires, record.next_fire_at, now, why)
        ]

    def with_next(self, record: ScheduleRecord, at: datetime | None) -> ScheduleRecord:
        """The record with that next tick."""
        due_at = None if at is None else at + self.jitter(at)
        return replace(record, next_fire_at=at, due_at=due_at, waits_for=None)


class Schedules:
    """Compiles schedules, and keeps them until they change."""

    def __init__(self) -> None:
        self._compiled: dict[tuple[UUID, str], tuple[str, CompiledSchedule]] = {}

    def of(self, record: ScheduleRecord) -> CompiledSchedule:
        """Raises StorageError for a schedule that this version of floworch cannot read."""
        key = record.flow_id, record.trigger_key
        definition, compiled = self._compiled.get(key, ("", None))
        if compiled is None or definition != record.definition or compiled.override != record.override:
            compiled = _compile(record)
            self._compiled[key] = record.definition, compiled
        return compiled


def _compile(record: ScheduleRecord) -> CompiledSchedule:
    name = f"{record.flow_id}/{record.trigger_key}"
    try:
        trigger = read_trigger(decode(record.definition))
        if not isinstance(trigger, TimedTrigger):
            raise ValueError(f"{trigger.wire_type} is not started by the clock")
        return CompiledSchedule(trigger, record.override, fires_of(trigger, record.override), jitter_of(trigger, name))
    except ValueError as error:
        raise StorageError(f"the schedule {name} cannot be read: {error}") from error
