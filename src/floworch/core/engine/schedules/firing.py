"""What is written when a schedule is due: its next tick, what became of the ones that have come, and their runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from floworch.core.engine.batch import RunWork
from floworch.core.engine.schedules.compiled import CompiledSchedule, Schedules
from floworch.core.engine.schedules.starts import TickRuns, run_id_of
from floworch.core.machine.reduce import Fenced
from floworch.core.model.records import RunRecord
from floworch.core.model.schedules import ScheduleRecord, TickOutcome, TickRecord
from floworch.core.model.status import RunStatus
from floworch.core.policy.ticks import Tick, TickDecision, decide_ticks
from floworch.core.ports.clock import Clock
from floworch.core.ports.schedules import ScheduleChange
from floworch.core.ports.storage import RunFilter, Storage
from floworch.errors import FloworchError, InvalidTransition, RunNotFound
from floworch.observability.logging import get_library_logger

__all__ = ["Firing", "Firings"]

_MOST_ACTIVE = 100
_GOES_ON = frozenset({RunStatus.RUNNING})


@dataclass(slots=True)
class Firing:
    """A schedule that is due, as it will be, with its ticks and the runs that they start."""

    schedule: ScheduleRecord
    due_at: datetime | None = None
    """When it should have been dealt with; None for one that has waited for a run."""
    ticks: list[TickRecord] = field(default_factory=list)
    works: list[RunWork] = field(default_factory=list)

    def change(self, runs: TickRuns, now: datetime) -> ScheduleChange:
        """What the store has to write."""
        return ScheduleChange(self.schedule, self.ticks, [runs.creation(work, now) for work in self.works])

    def without_runs(self, why: str) -> Firing:
        """The same, where the runs cannot be written."""
        ticks = [
            replace(tick, outcome=TickOutcome.FAILED, run_id=None, why=why) if tick.outcome.has_run else tick
            for tick in self.ticks
        ]
        return Firing(self.schedule, self.due_at, ticks)


class Firings:
    """``stop_run`` cancels a run for a reason."""

    def __init__(
        self,
        store: Storage,
        schedules: Schedules,
        runs: TickRuns,
        clock: Clock,
        grace_seconds: float,
        stop_run: Callable[[UUID, str], Awaitable[object]],
    ) -> None:
        self._log = get_library_logger("floworch.engine")
        self._store = store
        self._schedules = schedules
        self._runs = runs
        self._clock = clock
        self._grace = timedelta(seconds=grace_seconds)
        self._stop_run = stop_run

    async def decide(self, record: ScheduleRecord) -> Firing:
        """What to write for a schedule that is due. Raises StorageError."""
        compiled = self._schedules.of(record)
        if record.next_fire_at is None:  # it has waited for a run, and was paused meanwhile
            return Firing(replace(record, waits_for=None))
        trigger = compiled.trigger
        active = [] if trigger.overlap == "allow" else await self._active_runs(record)
        now = self._clock.now()
        decision = decide_ticks(
            trigger,
            compiled.fires,
            record.next_fire_at,
            now,
            grace=self._grace,
            has_active_run=bool(active),
            jitter=compiled.jitter,
        )
        if decision.cancels:
            await self._cancel(active, decision.ticks[-1].scheduled_at)
        return self._firing(record, compiled, decision, active, now)

    def _firing(
        self,
        record: ScheduleRecord,
        compiled: CompiledSchedule,
        decision: TickDecision,
        active: Sequence[RunRecord],
        now: datetime,
    ) -> Firing:
        firing = Firing(compiled.with_next(record, decision.next_fire_at), record.due_at)
        for tick in decision.ticks:
            self._add(firing, record, tick, compiled, now)
        changes: dict[str, Any] = {"updated_at": now, "last_tick_at": _last(decision.ticks) or record.last_tick_at}
        if record.paused_until is not None and record.paused_until <= now:
            changes |= {"paused_at": None, "paused_until": None, "pause_reason": None}
        if decision.waits:
            waits_for = run_id_of(firing.works[-1]) if firing.works else active[0].id if active else None
            changes |= {"waits_for": waits_for, "due_at": None if waits_for else now}
        firing.schedule = replace(firing.schedule, **changes)
        return firing

    def _add(
        self, firing: Firing, record: ScheduleRecord, tick: Tick, compiled: CompiledSchedule, now: datetime
    ) -> None:
        recorded = TickRecord(
            record.flow_id, record.trigger_key, tick.scheduled_at, tick.outcome, recorded_at=now, why=tick.why
        )
        if tick.outcome.has_run:
            try:
                work = self._runs.plan(
                    record.flow_id, record.trigger_key, tick.scheduled_at, compiled.trigger.inputs, now
                )
            except FloworchError as error:
                recorded = replace(recorded, outcome=TickOutcome.FAILED, why=str(error))
            else:
                firing.works.append(work)
                recorded = replace(recorded, run_id=run_id_of(work))
        firing.ticks.append(recorded)

    async def _active_runs(self, record: ScheduleRecord) -> list[RunRecord]:
        """Runs of the trigger that go on. They are asked for after the schedule was read: whoever fires between the two
        changes it, and then nothing of this is written."""
        where = RunFilter(record.flow_id, _GOES_ON, trigger_key=record.trigger_key)
        return (await self._store.list_runs(where, _MOST_ACTIVE)).runs

    async def _cancel(self, active: Sequence[RunRecord], scheduled_at: datetime) -> None:
        """Cancel the runs of earlier ticks. A run of this very tick is that of a process that was quicker."""
        for run in active:
            if (run.scheduled_at or run.started_at) < scheduled_at:
                try:
                    await self._stop_run(run.id, f"the next run is due ({scheduled_at.isoformat()})")
                except (Fenced, InvalidTransition, RunNotFound) as error:
                    self._log.debug("run_not_cancelled", run_id=str(run.id), why=str(error))


def _last(ticks: Sequence[Tick]) -> datetime | None:
    return ticks[-1].scheduled_at if ticks else None
