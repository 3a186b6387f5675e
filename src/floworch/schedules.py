"""Schedules for applications: what is due when, and what people may do about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from floworch.arguments import checked_limit, checked_moment, checked_payload, checked_reason
from floworch.core.engine.schedules.desk import ScheduleDesk
from floworch.core.explain import Explanation, ScheduleFacts, explain_schedule
from floworch.core.model.schedules import Backfill, BackfillOnly, BackfillStatus, ScheduleRecord, TickRecord
from floworch.errors import NotFound, RunNotFound
from floworch.handle import RunHandle

if TYPE_CHECKING:
    from floworch.core.engine.engine import Engine
    from floworch.core.ports.clock import Clock
    from floworch.core.ports.storage import Storage
    from floworch.orchestrator import FlowOrchestrator, FlowReference

__all__ = ["Schedule", "Schedules"]

_MOST_SHOWN = 10_000


@dataclass(frozen=True, slots=True)
class Schedule:
    """How the schedule of one trigger stands."""

    flow_id: UUID
    flow: str
    """Name of the flow."""
    trigger: str
    """Key of the trigger."""
    in_words: str
    """When it is due, such as ``every day at 02:30 (Europe/Berlin)``."""
    next_fire_at: datetime | None
    """The tick that comes next; None when there is none: it is paused, retired or over, or its flow is disabled."""
    last_tick_at: datetime | None
    """The tick that was dealt with last."""
    override: str | None
    """A cron expression in place of what the code says."""
    is_paused: bool
    paused_until: datetime | None
    pause_reason: str | None
    is_retired: bool
    """Whether the trigger is in the code no more."""
    is_enabled: bool
    """Whether the flow is."""
    waits_for: UUID | None
    """The run that has to end before the next tick starts one."""
    late_seconds: float
    """For how long the next tick has been due; 0 when it lies ahead."""
    backfill: Backfill | None
    """The backfill that was asked for last, and how far it has got."""


class Schedules:
    """``orchestrator.schedules``. Methods that name a schedule raise FlowNotFound, and NotFound for an unknown trigger.

    A change is in the store when the method returns. Other processes notice it within ``idle_poll_seconds``, and never
    act on what was before.
    """

    def __init__(self, orchestrator: FlowOrchestrator, engine: Engine, store: Storage, clock: Clock) -> None:
        self._orchestrator = orchestrator
        self._engine = engine
        self._store = store
        self._clock = clock
        self._desk = ScheduleDesk(store, engine.scheduler.compiled, clock, engine.scheduler.look)

    # -- questions

    async def list(self, flow: FlowReference | None = None, *, retired: bool = False) -> list[Schedule]:
        """The schedules of the registered flows or of one of them, by flow and trigger; with ``retired`` those, too,
        whose triggers are in the code no more."""
        flows = self._orchestrator.flows if flow is None else [self._orchestrator.flow(flow)]
        names = {each.id: each.name for each in flows}
        disabled = await self._disabled()
        found = [
            self._schedule(record, names[record.flow_id], is_enabled=record.flow_id not in disabled)
            for record in await self._store.list_schedules(frozenset(names))
            if retired or record.retired_at is None
        ]
        return sorted(found, key=lambda schedule: (schedule.flow, schedule.trigger))

    async def get(self, flow: FlowReference, trigger: str) -> Schedule:
        """One schedule."""
        found = self._orchestrator.flow(flow)
        record = await self._desk.get(found.id, trigger)
        return self._schedule(record, found.name, is_enabled=found.id not in await self._disabled())

    async def late(self) -> Sequence[Schedule]:
        """Schedules whose next tick should have been dealt with longer ago than ``schedule_grace_seconds``, and that
        wait for nothing."""
        grace = self._engine.settings.schedule_grace_seconds
        return [each for each in await self.list() if each.late_seconds > grace and each.waits_for is None]

    @property
    def lag_seconds(self) -> float:
        """How late this process has dealt with its last tick, jitter included."""
        return self._engine.scheduler.lag_seconds

    async def explain(self, flow: FlowReference, trigger: str) -> Explanation:
        """Why the schedule does not start a run now, and when it will: in plain words and as data."""
        found = self._orchestrator.flow(flow)
        record = await self._desk.get(found.id, trigger)
        return explain_schedule(
            ScheduleFacts(
                record=record,
                flow=found.name,
                in_words=self._engine.scheduler.compiled.of(record).in_words,
                now=self._clock.now(),
                is_flow_enabled=found.id not in await self._disabled(),
                grace=timedelta(seconds=self._engine.settings.schedule_grace_seconds),
                waits_for=await self._explained(record.waits_for),
            )
        )

    async def next_fire_times(self, flow: FlowReference, trigger: str, n: int = 5) -> Sequence[datetime]:
        """The next ticks, as the schedule stands; none when it is paused, retired or over, or its flow is disabled."""
        checked_limit(n)
        record = await self._record(flow, trigger)
        if record.flow_id in await self._disabled():
            return []
        fires = self._engine.scheduler.compiled.of(record).fires
        times: list[datetime] = []
        at = record.next_fire_at
        while at is not None and len(times) < n:
            times.append(at)
            at = fires.next_after(at)
        return times

    async def describe(self, flow: FlowReference, trigger: str) -> str:
        """The schedule in plain words."""
        return (await self.get(flow, trigger)).in_words

    async def ticks(
        self,
        flow: FlowReference,
        trigger: str,
        *,
        first: datetime | None = None,
        last: datetime | None = None,
        limit: int = 50,
    ) -> Sequence[TickRecord]:
        """What became of the ticks from ``first`` to ``last``, latest first."""
        span = {"first": checked_moment(first, "first"), "last": checked_moment(last, "last")}
        record = await self._record(flow, trigger)
        return await self._store.list_ticks(record.flow_id, trigger, checked_limit(limit), **span)

    # -- changes

    async def pause(
        self,
        flow: FlowReference,
        trigger: str,
        reason: str | None = None,
        *,
        until: datetime | timedelta | None = None,
    ) -> None:
        """No more ticks until then, or until somebody resumes it. Ticks of that time are not caught up with."""
        moment = self._clock.now() + until if isinstance(until, timedelta) else checked_moment(until, "until")
        await self._desk.pause(self._orchestrator.flow(flow).id, trigger, checked_reason(reason), moment)

    async def resume(self, flow: FlowReference, trigger: str) -> None:
        """Go on with the next tick."""
        await self._desk.resume(self._orchestrator.flow(flow).id, trigger)

    async def trigger_now(self, flow: FlowReference, trigger: str, *, body: Any = None) -> RunHandle:
        """Start a run of the schedule now, beside its ticks and whatever its ``overlap``. Its body is that of the
        trigger unless another one is given, and it takes this moment for its tick's time.

        Raises FlowDisabled.
        """
        record = await self._record(flow, trigger)
        inputs = self._engine.scheduler.compiled.of(record).trigger.inputs if body is None else body
        limit = self._engine.settings.max_payload_bytes
        payload = None if inputs is None else checked_payload(inputs, "the trigger body", limit)
        started = await self._engine.trigger(record.flow_id, trigger, payload, None, scheduled_at=self._clock.now())
        return RunHandle(self._orchestrator, started.run_id, duplicate=False)

    async def override(self, flow: FlowReference, trigger: str, cron: str) -> None:
        """Be due by this expression, in the trigger's time zone, whatever the code says; also after a restart.

        Raises ConfigurationError for a bad expression.
        """
        await self._desk.override(self._orchestrator.flow(flow).id, trigger, cron)

    async def reset_to_code(self, flow: FlowReference, trigger: str) -> None:
        """Be due as the code says: the end of an override."""
        await self._desk.override(self._orchestrator.flow(flow).id, trigger, None)

    # -- backfills

    async def backfill(
        self,
        flow: FlowReference,
        trigger: str,
        start: datetime,
        end: datetime,
        *,
        only: BackfillOnly = "missing",
        max_active: int = 1,
    ) -> Backfill:
        """Have runs started for the ticks from ``start`` to ``end``, oldest first and at most ``max_active`` at once.

        ``only`` chooses among them: those without a run, those whose run has ended Failed, Cancelled or TimedOut, or
        all. It goes on in the background, in whatever process works; ``(await get(...)).backfill`` tells how far it is.
        Raises ConfigurationError, and InvalidTransition while another backfill of the schedule goes on.
        """
        flow_id = self._orchestrator.flow(flow).id
        return await self._desk.backfill(flow_id, trigger, start, end, only, max_active)

    async def plan_backfill(
        self,
        flow: FlowReference,
        trigger: str,
        start: datetime,
        end: datetime,
        *,
        only: BackfillOnly = "missing",
        limit: int = _MOST_SHOWN,
    ) -> Sequence[datetime]:
        """The ticks that :meth:`backfill` would start runs for, the first ``limit`` of them. Starts nothing."""
        flow_id = self._orchestrator.flow(flow).id
        return await self._desk.ticks_to_backfill(flow_id, trigger, start, end, only, limit)

    async def pause_backfill(self, flow: FlowReference, trigger: str) -> Backfill:
        """Start no more runs for now. Raises InvalidTransition when no backfill goes on."""
        return await self._set_backfill(flow, trigger, BackfillStatus.PAUSED)

    async def resume_backfill(self, flow: FlowReference, trigger: str) -> Backfill:
        """Go on where it was paused. Raises InvalidTransition."""
        return await self._set_backfill(flow, trigger, BackfillStatus.RUNNING)

    async def abort_backfill(self, flow: FlowReference, trigger: str) -> Backfill:
        """Start no more runs; those that were started go on. Raises InvalidTransition."""
        return await self._set_backfill(flow, trigger, BackfillStatus.ABORTED)

    # -- flows

    async def set_flow_enabled(self, flow: FlowReference, enabled: bool) -> None:
        """See :meth:`FlowOrchestrator.disable_flow <floworch.orchestrator.FlowOrchestrator.disable_flow>`."""
        found = self._orchestrator.flow(flow)
        if not await self._desk.set_enabled(found.id, enabled):
            raise NotFound(f"the flow {found.name!r} is not in the store; start a process that has it")
        self._engine.scheduler.note_enabled(found.id, enabled)

    # -- inside

    async def _record(self, flow: FlowReference, trigger: str) -> ScheduleRecord:
        return await self._desk.get(self._orchestrator.flow(flow).id, trigger)

    async def _explained(self, run_id: UUID | None) -> Explanation | None:
        try:
            return None if run_id is None else await self._orchestrator.explain(run_id)
        except RunNotFound:
            return None  # deleted since

    async def _set_backfill(self, flow: FlowReference, trigger: str, status: BackfillStatus) -> Backfill:
        return await self._desk.set_backfill_status(self._orchestrator.flow(flow).id, trigger, status)

    async def _disabled(self) -> frozenset[UUID]:
        flow_ids = frozenset(flow.id for flow in self._orchestrator.flows)
        return (await self._store.due_schedules(self._clock.now(), 0, flow_ids)).disabled

    def _schedule(self, record: ScheduleRecord, flow_name: str, *, is_enabled: bool) -> Schedule:
        now = self._clock.now()
        due_at = record.due_at or record.next_fire_at
        overdue = (now - due_at).total_seconds() if due_at is not None and is_enabled else 0.0
        is_paused = record.is_paused and (record.paused_until is None or record.paused_until > now)
        return Schedule(
            flow_id=record.flow_id,
            flow=flow_name,
            trigger=record.trigger_key,
            in_words=self._engine.scheduler.compiled.of(record).in_words,
            next_fire_at=record.next_fire_at if is_enabled else None,
            last_tick_at=record.last_tick_at,
            override=record.override,
            is_paused=is_paused,
            paused_until=record.paused_until if is_paused else None,
            pause_reason=record.pause_reason if is_paused else None,
            is_retired=record.retired_at is not None,
            is_enabled=is_enabled,
            waits_for=record.waits_for,
            late_seconds=max(overdue, 0.0),
            backfill=record.backfill,
        )
