"""Runs for ticks of the past, a few at a time. How far it has got is in the store, so any process goes on with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import islice
from uuid import UUID

from floworch.core.engine.schedules.compiled import CompiledSchedule, Schedules
from floworch.core.engine.schedules.starts import TickRuns, run_id_of
from floworch.core.model.schedules import (
    Backfill,
    BackfillOnly,
    BackfillStatus,
    ScheduleRecord,
    TickOutcome,
    TickRecord,
)
from floworch.core.model.status import RunStatus
from floworch.core.policy.fires import fires_between
from floworch.core.ports.clock import Clock
from floworch.core.ports.schedules import ScheduleChange
from floworch.core.ports.storage import Storage
from floworch.errors import FloworchError

__all__ = ["Backfills", "wanted_ticks"]

_LOOKED_AT_ONCE = 200
_FAILED = frozenset({RunStatus.FAILED, RunStatus.CANCELLED, RunStatus.TIMED_OUT})
_MICROSECOND = timedelta(microseconds=1)


class Backfills:
    """Goes on with backfills; see :class:`~floworch.core.model.schedules.Backfill`."""

    def __init__(self, store: Storage, schedules: Schedules, runs: TickRuns, clock: Clock) -> None:
        self._store = store
        self._schedules = schedules
        self._runs = runs
        self._clock = clock

    async def go_on(self, record: ScheduleRecord) -> bool:
        """Start what may be started now; whether there is more to do at once. Raises StorageError."""
        backfill = record.backfill
        assert backfill is not None
        active = [run_id for run_id in backfill.active if await self._goes_on(run_id)]
        room = backfill.max_active - len(active)
        if room <= 0:
            return False
        compiled = self._schedules.of(record)
        looked_at = list(islice(fires_between(compiled.fires, backfill.position, backfill.end), _LOOKED_AT_ONCE))
        if not looked_at and len(active) == len(backfill.active) and active:
            return False
        wanted = await wanted_ticks(self._store, record, looked_at, backfill.only, room)
        return await self._start(record, compiled, backfill, active, looked_at, wanted)

    async def _start(
        self,
        record: ScheduleRecord,
        compiled: CompiledSchedule,
        backfill: Backfill,
        active: Sequence[UUID],
        looked_at: Sequence[datetime],
        wanted: _Wanted,
    ) -> bool:
        now = self._clock.now()
        ticks, works = [], []
        for at in wanted.ticks:
            tick = TickRecord(record.flow_id, record.trigger_key, at, TickOutcome.BACKFILLED, now)
            try:
                work = self._runs.plan(record.flow_id, record.trigger_key, at, compiled.trigger.inputs, now)
            except FloworchError as error:
                tick = replace(tick, outcome=TickOutcome.FAILED, why=str(error))
            else:
                works.append(work)
                tick = replace(tick, run_id=run_id_of(work))
            ticks.append(tick)
        active = (*active, *map(run_id_of, works))
        is_done = not looked_at and not active
        advanced = replace(
            backfill,
            active=active,
            position=wanted.position or backfill.end + _MICROSECOND,
            started=backfill.started + len(works),
            passed_over=backfill.passed_over + wanted.passed_over,
            status=BackfillStatus.DONE if is_done else backfill.status,
        )
        changed = replace(record, backfill=advanced, updated_at=now)
        runs = [self._runs.creation(work, now) for work in works]
        [is_written] = await self._store.change_schedules([ScheduleChange(changed, ticks, runs)])
        if is_written:
            self._runs.committed(works)
        return not is_done and len(active) < backfill.max_active

    async def _goes_on(self, run_id: UUID) -> bool:
        run = await self._store.get_run(run_id)
        return run is not None and not run.status.is_final


class _Wanted:
    """Ticks to start runs for, how many were passed over before the last of them, and where to look next (None: after
    the end)."""

    def __init__(self, position: datetime | None) -> None:
        self.ticks: list[datetime] = []
        self.passed_over = 0
        self.position = position


async def wanted_ticks(
    store: Storage, record: ScheduleRecord, looked_at: Sequence[datetime], only: BackfillOnly, most: int
) -> _Wanted:
    """Those of the ticks that a backfill is about, at most so many."""
    wanted = _Wanted(looked_at[-1] + _MICROSECOND if looked_at else None)
    if not looked_at:
        return wanted
    found = await store.list_ticks(
        record.flow_id, record.trigger_key, len(looked_at), first=looked_at[0], last=looked_at[-1]
    )
    recorded = {tick.scheduled_at: tick for tick in found}
    for at in looked_at:
        if not await _is_wanted(store, recorded.get(at), only):
            wanted.passed_over += 1
        elif len(wanted.ticks) == most:
            wanted.position = at
            break
        else:
            wanted.ticks.append(at)
    return wanted


async def _is_wanted(store: Storage, tick: TickRecord | None, only: BackfillOnly) -> bool:
    has_run = tick is not None and tick.run_id is not None
    if only == "all":
        return True
    if only == "missing" or tick is None or tick.run_id is None:
        return only == "missing" and not has_run
    run = await store.get_run(tick.run_id)
    return run is not None and run.status in _FAILED
