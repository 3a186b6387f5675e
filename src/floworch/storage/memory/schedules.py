"""Schedules and their ticks in the in-memory store."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import takewhile
from uuid import UUID

from floworch.core.model.schedules import ScheduleRecord, TickRecord
from floworch.core.ports.schedules import DueSchedules, ScheduleChange
from floworch.core.ports.storage import Creation

__all__ = ["Schedules"]

_NEVER = datetime.max.replace(tzinfo=UTC)


class Schedules:
    """``create`` writes a run; ``goes_on`` tells whether there is such a run, and it has not ended."""

    def __init__(self, create: Callable[[Creation], object], goes_on: Callable[[UUID], bool]) -> None:
        self._create = create
        self._goes_on = goes_on
        self._rows: dict[tuple[UUID, str], ScheduleRecord] = {}
        self._ticks: dict[tuple[UUID, str], dict[datetime, TickRecord]] = {}

    def change(self, change: ScheduleChange) -> bool:
        new = change.schedule
        key = new.flow_id, new.trigger_key
        known = self._rows.get(key)
        if (0 if known is None else known.revision) != new.revision:
            return False
        self._rows[key] = replace(new, revision=new.revision + 1)
        ticks = self._ticks.setdefault(key, {})
        for tick in change.ticks:
            ticks.pop(tick.scheduled_at, None)  # so that they stay in the order in which they were recorded
            ticks[tick.scheduled_at] = tick
        for run in change.runs:
            self._create(run)
        return True

    def list(self, flow_ids: Collection[UUID] | None) -> list[ScheduleRecord]:
        found = (row for row in self._rows.values() if flow_ids is None or row.flow_id in flow_ids)
        return sorted(found, key=lambda row: (row.flow_id, row.trigger_key))

    def due(self, now: datetime, limit: int, flow_ids: Collection[UUID]) -> DueSchedules:
        """``flow_ids`` are enabled."""
        rows = [row for row in self._rows.values() if row.flow_id in flow_ids]
        return DueSchedules(
            due=_earliest((row for row in rows if self._is_due(row, now)), limit),
            backfills=_earliest((row for row in rows if row.has_backfill_to_do), limit),
            next_at=min((row.due_at for row in rows if row.due_at is not None and row.due_at > now), default=None),
        )

    def ticks(
        self, flow_id: UUID, trigger_key: str, limit: int, first: datetime | None, last: datetime | None
    ) -> Sequence[TickRecord]:
        ticks = self._ticks.get((flow_id, trigger_key), {})
        found = (at for at in ticks if (first is None or at >= first) and (last is None or at <= last))
        return [ticks[at] for at in sorted(found, reverse=True)[:limit]]

    def forget_ticks(self, before: datetime, limit: int) -> int:
        old = [(ticks, at) for ticks in self._ticks.values() for at in _recorded(ticks, before)][:limit]
        for ticks, at in old:
            del ticks[at]
        return len(old)

    def _is_due(self, row: ScheduleRecord, now: datetime) -> bool:
        if row.waits_for is not None:
            return not self._goes_on(row.waits_for)
        return row.due_at is not None and row.due_at <= now


def _recorded(ticks: Mapping[datetime, TickRecord], before: datetime) -> Iterator[datetime]:
    return (at for at, _ in takewhile(lambda item: item[1].recorded_at < before, ticks.items()))


def _earliest(rows: Iterable[ScheduleRecord], limit: int) -> list[ScheduleRecord]:
    return sorted(rows, key=lambda row: (row.next_fire_at or _NEVER, row.flow_id, row.trigger_key))[:limit]
