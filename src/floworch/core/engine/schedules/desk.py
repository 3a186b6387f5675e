"""What people do to schedules and backfills."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from itertools import islice
from uuid import UUID

from floworch.core.engine.schedules.backfills import wanted_ticks
from floworch.core.engine.schedules.compiled import Schedules
from floworch.core.model.schedules import Backfill, BackfillOnly, BackfillStatus, ScheduleRecord
from floworch.core.model.spelling import did_you_mean
from floworch.core.policy.cron import cron_problem
from floworch.core.policy.fires import fires_between
from floworch.core.ports.clock import Clock
from floworch.core.ports.schedules import ScheduleChange
from floworch.core.ports.storage import Storage
from floworch.errors import ConfigurationError, InvalidTransition, NotFound, StorageError

__all__ = ["ScheduleDesk"]

_MOST_ROUNDS = 20
_MOST_ACTIVE = 1000
_LOOKED_AT_ONCE = 500


class ScheduleDesk:
    """Each change is written to the store, and found by whoever fires next. ``changed`` is called after each one.

    Every method that names a schedule raises NotFound for one that is not there.
    """

    def __init__(self, store: Storage, schedules: Schedules, clock: Clock, changed: Callable[[], None]) -> None:
        self._store = store
        self._schedules = schedules
        self._clock = clock
        self._changed = changed

    async def get(self, flow_id: UUID, trigger_key: str) -> ScheduleRecord:
        known = {each.trigger_key: each for each in await self._store.list_schedules(frozenset((flow_id,)))}
        if trigger_key not in known:
            hint = did_you_mean(trigger_key, known) or f" There are: {', '.join(sorted(known)) or 'none'}."
            raise NotFound(f"the flow {flow_id} has no schedule {trigger_key!r}.{hint}")
        return known[trigger_key]

    async def pause(self, flow_id: UUID, trigger_key: str, reason: str | None, until: datetime | None) -> None:
        """No tick before ``until``, or before somebody resumes it. What would have been due is not caught up with."""
        now = self._clock.now()
        if until is not None and until <= now:
            raise ConfigurationError(f"a pause until {until.isoformat()} is over already")

        def paused(record: ScheduleRecord) -> ScheduleRecord:
            return replace(record, paused_at=now, paused_until=until, pause_reason=reason)

        await self._reschedule(flow_id, trigger_key, paused, "somebody has paused the schedule")

    async def resume(self, flow_id: UUID, trigger_key: str) -> None:
        """Go on with the next tick. Nothing happens to a schedule that is not paused."""
        if (await self.get(flow_id, trigger_key)).is_paused:
            await self._reschedule(flow_id, trigger_key, _resumed, "somebody has ended a pause of the schedule")

    async def override(self, flow_id: UUID, trigger_key: str, cron: str | None) -> None:
        """Be due by this expression from now on, whatever the code says; None: by the code. Raises
        ConfigurationError."""
        if cron is not None and (problem := cron_problem(cron)):
            raise ConfigurationError(problem)
        why = "somebody has changed the schedule"
        await self._reschedule(flow_id, trigger_key, lambda record: replace(record, override=cron), why)

    async def set_enabled(self, flow_id: UUID, enabled: bool) -> bool:
        """Whether the flow is known. Its schedules have no ticks meanwhile, and go on with the next one."""
        flow_ids = frozenset((flow_id,))
        was_disabled = (await self._store.due_schedules(self._clock.now(), 0, flow_ids)).disabled
        if not enabled or not was_disabled:
            return await self._store.set_flow_enabled(flow_id, enabled)
        # Before the flow is enabled: nothing that was due meanwhile may be due at that moment.
        for record in await self._store.list_schedules(flow_ids):
            await self._reschedule(flow_id, record.trigger_key, lambda record: record)
        return await self._store.set_flow_enabled(flow_id, True)

    async def backfill(
        self,
        flow_id: UUID,
        trigger_key: str,
        start: datetime,
        end: datetime,
        only: BackfillOnly,
        max_active: int,
    ) -> Backfill:
        """Have runs started for ticks of the past. Raises InvalidTransition while another backfill goes on."""
        backfill = self._new_backfill(start, end, only, max_active)

        def begun(record: ScheduleRecord, now: datetime) -> ScheduleChange:
            if record.backfill is not None and not record.backfill.status.is_over:
                raise InvalidTransition(f"a backfill of {trigger_key!r} goes on already; abort it, or wait for its end")
            return ScheduleChange(replace(record, backfill=backfill))

        await self._change(flow_id, trigger_key, begun)
        return backfill

    async def ticks_to_backfill(
        self, flow_id: UUID, trigger_key: str, start: datetime, end: datetime, only: BackfillOnly, most: int
    ) -> list[datetime]:
        """The first ticks that such a backfill would start runs for."""
        record = await self.get(flow_id, trigger_key)
        backfill = self._new_backfill(start, end, only, 1)
        fires = self._schedules.of(record).fires
        found: list[datetime] = []
        position: datetime | None = backfill.start
        while position is not None and len(found) < most:
            looked_at = list(islice(fires_between(fires, position, backfill.end), _LOOKED_AT_ONCE))
            wanted = await wanted_ticks(self._store, record, looked_at, only, most - len(found))
            found += wanted.ticks
            position = wanted.position
        return found

    async def set_backfill_status(self, flow_id: UUID, trigger_key: str, status: BackfillStatus) -> Backfill:
        """Pause a backfill, go on with it or abort it; runs that it has started go on. Raises InvalidTransition when
        there is none, or it is over."""

        def changed(record: ScheduleRecord, now: datetime) -> ScheduleChange:
            if record.backfill is None or record.backfill.status.is_over:
                raise InvalidTransition(f"no backfill of {trigger_key!r} goes on")
            return ScheduleChange(replace(record, backfill=replace(record.backfill, status=status)))

        backfill = (await self._change(flow_id, trigger_key, changed)).backfill
        assert backfill is not None
        return backfill

    def _new_backfill(self, start: datetime, end: datetime, only: BackfillOnly, max_active: int) -> Backfill:
        now = self._clock.now()
        for moment in (start, end):
            if moment.tzinfo is None:
                raise ConfigurationError(f"{moment!r} has no time zone; write datetime(..., tzinfo=UTC)")
        if end < start:
            raise ConfigurationError(f"the end ({end.isoformat()}) is before the start ({start.isoformat()})")
        if only not in ("missing", "failed", "all"):
            raise ConfigurationError(f"only is {only!r}; it must be 'missing', 'failed' or 'all'")
        if not 1 <= max_active <= _MOST_ACTIVE:
            raise ConfigurationError(f"max_active is {max_active}; it must be from 1 to {_MOST_ACTIVE}")
        return Backfill(start, min(end, now), only, max_active, asked_at=now, position=start)

    async def _reschedule(
        self,
        flow_id: UUID,
        trigger_key: str,
        change: Callable[[ScheduleRecord], ScheduleRecord],
        why_missed: str | None = None,
    ) -> None:
        """``why_missed`` is recorded of the ticks that have come and wait still; without it nothing is."""

        def rescheduled(record: ScheduleRecord, now: datetime) -> ScheduleChange:
            changed = change(record)
            missed = self._schedules.of(record).missed(record, now, why_missed) if why_missed else ()
            return ScheduleChange(self._schedules.of(changed).upcoming(changed, now), missed)

        await self._change(flow_id, trigger_key, rescheduled)

    async def _change(
        self, flow_id: UUID, trigger_key: str, change: Callable[[ScheduleRecord, datetime], ScheduleChange]
    ) -> ScheduleRecord:
        for _ in range(_MOST_ROUNDS):
            record, now = await self.get(flow_id, trigger_key), self._clock.now()
            changed = change(record, now)
            changed = replace(changed, schedule=replace(changed.schedule, updated_at=now))
            if await self._store.change_schedules([changed]) == [True]:
                self._changed()
                return changed.schedule
        raise StorageError(f"other processes have changed the schedule {trigger_key!r} {_MOST_ROUNDS} times in a row")


def _resumed(record: ScheduleRecord) -> ScheduleRecord:
    return replace(record, paused_at=None, paused_until=None, pause_reason=None)
