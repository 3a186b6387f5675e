"""Starts runs when schedules are due.

One loop per process reads the next due schedules in order and sleeps until the earliest one. Who writes a schedule's
next tick starts the run of this one, in the same transaction; all others find that the schedule has changed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from random import Random
from traceback import format_exc
from uuid import UUID

from floworch.core.engine.availability import Availability, Backoff
from floworch.core.engine.new_runs import NewRuns
from floworch.core.engine.plans import Plans
from floworch.core.engine.runs import Runs
from floworch.core.engine.schedules.backfills import Backfills
from floworch.core.engine.schedules.compiled import Schedules
from floworch.core.engine.schedules.firing import Firing, Firings
from floworch.core.engine.schedules.registration import register_schedules
from floworch.core.engine.schedules.starts import TickRuns
from floworch.core.engine.settings import EngineSettings
from floworch.core.machine.state import RunFacts, RunState
from floworch.core.machine.transition import Transition
from floworch.core.model.flow import FlowDefinition
from floworch.core.model.schedules import ScheduleRecord, TickOutcome
from floworch.core.ports.clock import Clock
from floworch.core.ports.storage import Storage
from floworch.errors import FlowDisabled, StorageError, StorageUnavailable
from floworch.observability.logging import get_library_logger

__all__ = ["Scheduler"]

_MOST_AT_ONCE = 100
_MOST_RUNS_AT_ONCE = 250
_MOST_FORGOTTEN = 1000
_SHORTEST_PAUSE_SECONDS = 0.001
_LONGEST_PAUSE_SECONDS = 3600.0
_USE = "scheduling"


class Scheduler:
    """``on_committed`` is called with new runs as by the committer; ``stop_run`` cancels one for a reason."""

    def __init__(
        self,
        store: Storage,
        flows: Sequence[FlowDefinition],
        plans: Plans,
        runs: Runs,
        clock: Clock,
        settings: EngineSettings,
        availability: Availability,
        chance: Random,
        new_runs: NewRuns,
        on_committed: Callable[[RunState, Transition], None],
        stop_run: Callable[[UUID, str], Awaitable[object]],
    ) -> None:
        self._log = get_library_logger("floworch.engine")
        self._store = store
        self._flows = flows
        self._flow_ids = frozenset(flow.id for flow in flows)
        self._clock = clock
        self._settings = settings
        self._availability = availability
        self._backoff = Backoff(chance)
        self._runs = TickRuns(plans, runs, settings, new_runs, on_committed)
        self.compiled = Schedules()
        self._firings = Firings(store, self.compiled, self._runs, clock, settings.schedule_grace_seconds, stop_run)
        self._backfills = Backfills(store, self.compiled, self._runs, clock)
        self._wake = asyncio.Event()
        self._works = False
        self._is_stopping = False
        self._watches_ends = any(_queues(flow) for flow in flows)
        self._task: asyncio.Task[None] | None = None
        self._forgets_at = clock.now()
        self.disabled: frozenset[UUID] = frozenset()
        """Flows of this process that start no runs, as of the last look."""
        self.lag_seconds = 0.0
        """How late the last tick was dealt with."""

    async def register(self, *, work: bool) -> None:
        """Make the store know the schedules, if this process works. Raises StorageError."""
        self._works = work
        if work:
            await register_schedules(self._store, self._clock, self.compiled, self._flows)
        self.disabled = (await self._store.due_schedules(self._clock.now(), 0, self._flow_ids)).disabled

    def start(self) -> None:
        """Look after the schedules from now on; in a process that does not work, after what is disabled."""
        if self._flows:
            self._task = asyncio.create_task(self._run(), name="floworch-scheduler")

    async def stop(self) -> None:
        """End after what is under way."""
        self._is_stopping = True
        self._wake.set()
        if self._task is not None:
            await self._task

    def look(self) -> None:
        """A schedule or a flow has changed: look now."""
        self._wake.set()

    def require_enabled(self, flow_id: UUID) -> None:
        """Raises FlowDisabled."""
        if flow_id in self.disabled:
            raise FlowDisabled(f"the flow {flow_id} is disabled; enable_flow() lets it start runs again")

    def note_enabled(self, flow_id: UUID, enabled: bool) -> None:
        """This process has enabled or disabled a flow: act on it at once."""
        self.disabled = self.disabled - {flow_id} if enabled else self.disabled | {flow_id}
        self._wake.set()

    def run_ended(self, facts: RunFacts) -> None:
        """A run of this process has ended, which a schedule or a backfill may wait for."""
        if self._watches_ends and facts.scheduled_at is not None:
            self._wake.set()

    async def _run(self) -> None:
        while not self._is_stopping:
            self._wake.clear()
            try:
                pause = await self._look()
                self._availability.succeeded(_USE)
                self._backoff.reset()
            except StorageUnavailable as error:
                self._availability.failed(_USE, error)
                pause = self._backoff.next_seconds()
            except StorageError as error:
                self._log.error("schedules_failed", error=str(error))
                pause = self._settings.poll_interval_seconds
            except Exception:  # noqa: BLE001 - the top of a background loop
                self._log.error("schedules_failed", traceback=format_exc())
                pause = self._settings.poll_interval_seconds
            await self._clock.wait(self._wake, pause)

    async def _look(self) -> float:
        """Do what is due; how long to wait."""
        found = await self._store.due_schedules(self._clock.now(), _MOST_AT_ONCE if self._works else 0, self._flow_ids)
        self.disabled = found.disabled
        due_at = [found.next_at, *await self._fire(found.due)]
        has_more = len(found.due) >= _MOST_AT_ONCE
        for record in found.backfills:
            has_more = await self._backfills.go_on(record) or has_more
        self._watches_ends = self._watches_ends or bool(found.backfills)
        await self._forget_old_ticks()
        return 0.0 if has_more else self._pause(min((at for at in due_at if at is not None), default=None))

    async def _fire(self, due: Sequence[ScheduleRecord]) -> list[datetime | None]:
        """When the schedules are due next, as far as this process has written that."""
        next_due: list[datetime | None] = []
        firings: list[Firing] = []
        for record in due:
            try:
                firings.append(await self._firings.decide(record))
            except StorageUnavailable:
                raise
            except StorageError as error:
                self._log.error("schedule_failed", error=str(error), **_names(record))
            if sum(len(firing.works) for firing in firings) >= _MOST_RUNS_AT_ONCE:
                next_due += await self._write(firings)
                firings = []
        return [*next_due, *await self._write(firings)]

    async def _write(self, firings: Sequence[Firing]) -> list[datetime | None]:
        try:
            return await self._commit(firings)
        except StorageUnavailable:
            raise
        except StorageError as error:
            if len(firings) > 1:
                return [at for firing in firings for at in await self._write([firing])]
            return await self._commit([firing.without_runs(str(error)) for firing in firings])

    async def _commit(self, firings: Sequence[Firing]) -> list[datetime | None]:
        if not firings:
            return []
        now = self._clock.now()
        changes = [firing.change(self._runs, now) for firing in firings]
        answers = await self._store.change_schedules(changes, self._settings.worker_id)
        written = [firing for firing, is_written in zip(firings, answers, strict=True) if is_written]
        for firing in written:
            self._note_lateness(firing, now)
            self._note(firing)
            self._runs.committed(firing.works)
        # Somebody else was quicker with the others; when those are due next, the next look tells.
        soon = [now] if len(written) < len(firings) else []
        return [*(firing.schedule.due_at for firing in written), *soon]

    async def _forget_old_ticks(self) -> None:
        now = self._clock.now()
        if self._works and now >= self._forgets_at:
            before = now - timedelta(days=self._settings.keep_ticks_days)
            while await self._store.delete_ticks(before, _MOST_FORGOTTEN) == _MOST_FORGOTTEN:
                self._log.debug("ticks_forgotten", before=before.isoformat())
            self._forgets_at = now + timedelta(seconds=self._settings.retention_interval_seconds)

    def _note_lateness(self, firing: Firing, now: datetime) -> None:
        """Once, by whoever has dealt with it: what is late and not dealt with is told by health."""
        lag = timedelta(0) if firing.due_at is None else now - firing.due_at
        if lag > timedelta(seconds=self._settings.schedule_grace_seconds):
            self._log.warning("schedule_late", lag_seconds=round(lag.total_seconds(), 3), **_names(firing.schedule))

    def _note(self, firing: Firing) -> None:
        missed = sum(tick.outcome is TickOutcome.MISSED for tick in firing.ticks)
        if missed:
            self._log.warning("ticks_missed", ticks=missed, **_names(firing.schedule))
        for tick in firing.ticks:
            if tick.outcome is TickOutcome.FAILED:
                self._log.error("tick_failed", scheduled_at=tick.scheduled_at.isoformat(), why=tick.why)
            elif tick.outcome is not TickOutcome.MISSED:
                self.lag_seconds = tick.lag_seconds
                self._log.info(
                    f"tick_{tick.outcome.value}",
                    scheduled_at=tick.scheduled_at.isoformat(),
                    lag_seconds=round(tick.lag_seconds, 3),
                    run_id=None if tick.run_id is None else str(tick.run_id),
                    **_names(firing.schedule),
                )

    def _pause(self, next_at: datetime | None) -> float:
        polls = self._store.capabilities.shared_between_processes
        longest = self._settings.idle_poll_seconds if polls else _LONGEST_PAUSE_SECONDS
        if next_at is None:
            return longest
        return min(max((next_at - self._clock.now()).total_seconds(), _SHORTEST_PAUSE_SECONDS), longest)


def _queues(flow: FlowDefinition) -> bool:
    return any(getattr(trigger, "overlap", None) == "queue" for trigger in flow.manifest.triggers.values())


def _names(record: ScheduleRecord) -> dict[str, str]:
    return {"flow_id": str(record.flow_id), "trigger": record.trigger_key}
