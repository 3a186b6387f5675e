"""The engine: the only place that reads, decides, commits and dispatches."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import datetime, timedelta
from random import Random, SystemRandom
from typing import Any
from uuid import UUID

from floworch.core.engine.attempts import Attempts
from floworch.core.engine.availability import Availability
from floworch.core.engine.checkup import Checkup
from floworch.core.engine.child_starts import ChildStarts
from floworch.core.engine.children import Children
from floworch.core.engine.committer import Committer
from floworch.core.engine.endings import EndedRun, Endings
from floworch.core.engine.execution import Executor
from floworch.core.engine.explaining import Explaining
from floworch.core.engine.journal import log_facts
from floworch.core.engine.leases import Leases, why_interrupted
from floworch.core.engine.limits import Limits
from floworch.core.engine.migrations import Migrations
from floworch.core.engine.new_runs import NewRuns
from floworch.core.engine.notices import Notices
from floworch.core.engine.notifiers import Registration, told_ends
from floworch.core.engine.plans import Plans
from floworch.core.engine.records import run_record
from floworch.core.engine.reply import Reply
from floworch.core.engine.requests import Commanding, Started, Starting, started_by
from floworch.core.engine.reruns import Reruns
from floworch.core.engine.retention import Retention
from floworch.core.engine.retries import Retries
from floworch.core.engine.runs import Runs
from floworch.core.engine.schedules import Scheduler
from floworch.core.engine.settings import EngineSettings
from floworch.core.engine.signals import Signals
from floworch.core.engine.stint import Workplace
from floworch.core.engine.time_limits import LimitedBy, TimeLimit
from floworch.core.engine.timers import Timers
from floworch.core.engine.waiters import Waiters
from floworch.core.engine.within import DirectCommits
from floworch.core.engine.worklist import Worklist
from floworch.core.handlers.lookup import Handlers
from floworch.core.handlers.services import ServiceResolver
from floworch.core.machine.commands import ClaimOffer, Command, StopRun
from floworch.core.machine.state import RunFacts, RunState
from floworch.core.machine.transition import Transition
from floworch.core.model.flow import FlowDefinition
from floworch.core.model.limits import Limit
from floworch.core.model.payload import Payload
from floworch.core.model.records import StepRecord
from floworch.core.model.signals import SignalResult
from floworch.core.model.status import StopKind
from floworch.core.ports.clock import Clock
from floworch.core.ports.runtime import Runtime
from floworch.core.ports.storage import Storage
from floworch.observability.logging import get_library_logger, tells_info

__all__ = ["Engine"]


class Engine:
    """Advances runs. Start it once; everything else may be called concurrently from its event loop.

    ``chance`` makes run ids and the jitter of retries; a seeded one makes them repeatable. ``limits`` are those of step
    types, beside what their handlers say.
    """

    def __init__(
        self,
        *,
        store: Storage,
        runtime: Runtime,
        flows: Sequence[FlowDefinition],
        handlers: Handlers,
        services: ServiceResolver,
        clock: Clock,
        settings: EngineSettings,
        chance: Random | None = None,
        limits: Mapping[str, Limit] | None = None,
        notifiers: Sequence[Registration] = (),
    ) -> None:
        self.settings = settings
        self._flows = flows
        self._type_limits = limits or {}
        self.plans = Plans(store, list(flows), handlers.polling_types, told_ends(notifiers))
        self._log = get_library_logger("floworch.engine")
        self._tells_info = tells_info(self._log)
        self._store = store
        self._runtime = runtime
        handlers = handlers.knowing_flows(word for flow in flows for word in (flow.name, str(flow.id)))
        self._handlers = handlers
        self._clock = clock
        self._chance = chance or SystemRandom()
        self._runs = Runs(store, self.plans, settings.cached_runs)
        self._availability = Availability(
            clock, long_outage_seconds=settings.lease_seconds - settings.heartbeat_seconds
        )
        self._new_runs = NewRuns(self._chance, settings.default_run_timeout_seconds)
        self.limits = Limits(store, clock, settings)
        self._offer = ClaimOffer(
            owner=settings.worker_id, limit=1, lease_seconds=settings.lease_seconds, accepts=self._may_start
        )
        self._worklist = Worklist(
            *(store, runtime, self._runs, self.plans, handlers, settings, self._availability, self.limits, clock),
            *(self.look_soon, self._look_at),
        )
        self._leases = Leases(store, clock, settings, self._availability)
        leaves_work = self._worklist.leaves_work
        self._committer = Committer(
            *(store, self._runs, clock, settings, self._committed, leaves_work, self._availability, self._chance),
            self._leases.is_held,
        )
        self._direct = DirectCommits(store, self._runs, clock, settings.worker_id, self._committed, leaves_work)
        self._signals = Signals(store, self._runs, clock, self._chance, settings.worker_id, self.submit)
        starts = ChildStarts(self.plans, settings, self._new_runs)
        executor = Executor(self._runs, handlers, services, clock, settings, self._chance, store.begin, starts)
        self._executor = executor
        patience = timedelta(seconds=settings.storage_patience_seconds)
        workplace = Workplace(
            *(self._committer, self._direct, executor, self._leases, self._offer, patience),
            *(settings.lease_seconds, self._log),
        )
        self._attempts = Attempts(workplace, self._worklist)
        self._children = Children(store, self._runs, self.submit, settings, self._chance)
        self.retries = Retries(store, clock, self.submit)
        self.reruns = Reruns(
            *(store, self.plans, self._new_runs, handlers, clock, self.start_run, self._require_startable)
        )
        self.migrations = Migrations(store, self._runs, self.plans, self.submit)
        self._timers = Timers(
            *(store, clock, settings, self.submit, self._worklist.look, self._leases.is_held),
            *(self._children.tell_parent_of, self._availability, self._chance),
        )
        self.checkup = Checkup(
            store, self.plans, self._committer, clock, settings, self._availability, self._worklist.used_types
        )
        self.explaining = Explaining(store, self._runs, self.plans, handlers, clock, settings)
        self._endings = Endings()
        self._waiters = Waiters(store, clock, self._runs.is_under_way, settings.storage_patience_seconds)
        self._notices = Notices(store, notifiers, clock, settings, self._availability, self._chance)
        self._retention = Retention(store, clock, settings, self._chance)
        self.scheduler = Scheduler(
            *(store, flows, self.plans, self._runs, clock, settings, self._availability, self._chance),
            *(self._new_runs, self._committed, self.stop_run),
        )
        self._works = False

    # -- life

    async def start(self, *, work: bool = True) -> None:
        """``work=False`` starts an engine that triggers and asks, but runs no steps and no timers."""
        if work:
            of_types = {**self._handlers.limits, **self._type_limits}
            await self.limits.register(self._flows, self._worklist.step_types, of_types)
        await self.limits.load()
        await self.scheduler.register(work=work)
        is_woken = work and await self._store.listen(self.settings.worker_id, self._worklist.called)
        self._committer.start()
        if work:
            await self._worklist.open()
            self._works = True  # and nothing is awaited before the runtime can run what a trigger starts
            await self._runtime.start(self._attempts)
            self._leases.start()
            self._timers.start(is_woken=is_woken)
            self._retention.start()
            self._notices.start()
        self.scheduler.start()

    async def stop(self) -> None:
        """Drain: running handlers may finish, then their leases are handed back. What is not done is in the store."""
        self._attempts.start_no_more()
        await self.scheduler.stop()
        if self._works:
            await self._timers.stop()
            await self._runtime.stop(drain_seconds=self.settings.drain_seconds)
            await self._leases.stop()
        await self._retention.stop()
        await self._notices.stop()
        await self._children.close()
        await self._committer.stop()
        self._waiters.close()
        self._executor.close()
        for error in await self._handlers.aclose():
            self._log.error("handler_not_closed", error=str(error))

    @property
    def is_healthy(self) -> bool:
        """Whether the store was there when it was last needed, for commits, heartbeats and polls."""
        return self._availability.is_up

    # -- verbs

    async def trigger(
        self,
        flow_id: UUID,
        trigger_key: str,
        body: Payload | None,
        headers: Payload | None,
        *,
        idempotency_key: str | None = None,
        time_limit: timedelta | None = None,
        source_run_id: UUID | None = None,
        priority: int = 0,
        scheduled_at: datetime | None = None,
        tags: Mapping[str, str] | None = None,
        connection: object | None = None,
    ) -> Started:
        """Start a run. Returns when the run is durable; with ``connection``, that is when its transaction commits."""
        plan = self.plans.current_of(flow_id)
        self.scheduler.require_enabled(flow_id)
        now = self._clock.now()
        facts = self._new_runs.facts(
            *(plan, trigger_key, now, body, headers),
            tags=tags,
            source_run_id=source_run_id,
            idempotency_key=idempotency_key,
            priority=priority,
            scheduled_at=scheduled_at,
        )
        asked = None if time_limit is None else TimeLimit(time_limit, LimitedBy.START)
        deadline = self._new_runs.deadline(plan, now, asked)
        starting = Starting(facts, plan, deadline.at, body, headers, None, Reply(), deadline.told)
        if connection is not None:
            return await self._direct.start(connection, starting)
        return await self.start_run(starting)

    def start_run(self, starting: Starting) -> Coroutine[Any, Any, Started]:
        """Start a run. Its first step runs in this process, if that has a slot for it."""
        if self._works and self._runtime.reserve():
            starting.offer, starting.reply = self._offer, Reply[Started](self)
        self._committer.put(starting)
        return starting.reply.get()  # the caller may go away: a run that starts all the same is run

    def answered(self, reply: Reply[Started]) -> None:
        """Use the slot that was reserved for a new run: for the step that was started with it."""
        try:
            started = reply.answer()
        except Exception:  # noqa: BLE001 - whatever it is, it is for whoever has asked for the run
            self._runtime.run_reserved(None)
            return
        self._runtime.run_reserved(started_by(started.run_id, started.transition))

    async def submit(self, run_id: UUID, command: Command) -> Transition:
        """Tell a run what has happened. Raises Fenced, InvalidTransition, RunNotFound, StorageError."""
        request = Commanding(run_id, command, None, Reply())
        self._committer.put(request)
        try:
            return await request.reply.get()
        except asyncio.CancelledError:
            request.reply.withdraw()
            raise

    async def stop_run(self, run_id: UUID, reason: str | None, by: str | None = None) -> Transition:
        return await self.submit(run_id, StopRun(StopKind.CANCELLED, reason, by))

    async def signal(
        self,
        run_id: UUID,
        name: str,
        payload: Payload,
        deduplication_id: str | None = None,
        connection: object | None = None,
    ) -> SignalResult:
        """See :meth:`Signals.send <floworch.core.engine.signals.Signals.send>`."""
        return await self._signals.send(run_id, name, payload, deduplication_id, connection)

    def wait(self, run_id: UUID, timeout_seconds: float | None = None) -> Coroutine[Any, Any, EndedRun]:
        """The run once it has ended. Raises RunNotFound, WaitTimeout."""
        return self._waiters.wait(run_id, timeout_seconds)

    async def delete_runs(self, ended_before: datetime, deleted: Callable[[int], None] | None = None) -> int:
        """See :meth:`Retention.sweep <floworch.core.engine.retention.Retention.sweep>`."""
        return await self._retention.sweep(ended_before, deleted)

    # -- inside

    def _require_startable(self, flow_id: UUID) -> None:
        """Raises FlowNotFound, FlowDisabled."""
        self.plans.current_of(flow_id)
        self.scheduler.require_enabled(flow_id)

    def _committed(self, state: RunState, transition: Transition) -> None:
        """After every commit of this engine: hand out the work, arm the clock, tell who waits."""
        facts = state.facts
        log_facts(self._log, state, transition, everything=self._tells_info)
        if self._works:
            if transition.ready:
                self._worklist.hand_out(state, transition.ready)
            if self.limits.gain_from(facts, transition):
                self.look_soon()
            for due_at in (transition.next_due, transition.deadline):
                if due_at is not None:
                    self._timers.arm(due_at)
        if transition.rarities is not None:
            if self._works and transition.interrupted:
                self._leases.interrupt(facts.run_id, transition.interrupted, why_interrupted(transition))
            self._children.committed(state, transition)
        self._endings.note(state, transition)
        if transition.ended:
            self._notices.committed(state, transition)
            self.scheduler.run_ended(facts)
            steps = self._endings.take(state)
            if self._waiters.expects(facts.run_id):
                self._waiters.ended(facts.run_id, self._ended(state, steps))

    def _ended(self, state: RunState, steps: Mapping[str, StepRecord] | None) -> EndedRun | None:
        """The run as the store has it now; None for a run of an older manifest, whose version label is only there."""
        if state.plan is not self.plans.current.get(state.facts.flow_id):
            return None
        return EndedRun(run_record(state), steps)

    @property
    def step_types(self) -> frozenset[str]:
        """Types of steps that this process can run, as they are written."""
        return self._worklist.step_types

    @property
    def known_types(self) -> frozenset[str]:
        """Types of the steps of the flows here and of the handlers, as they are written."""
        return self._worklist.used_types | self._handlers.types

    def look_soon(self) -> None:
        """Have this process look for work at once."""
        self._timers.look()

    def _look_at(self, at: datetime) -> None:
        self._timers.look_at(at)

    def _may_start(self, step_type: str, facts: RunFacts) -> bool:
        return step_type in self._handlers and not self.limits.apply_to(step_type, facts)
