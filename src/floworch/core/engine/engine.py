"""The engine: the only place that reads, decides, commits and dispatches."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from random import Random, SystemRandom
from typing import Any
from uuid import UUID

from floworch.core.dag.keys import outermost_iteration
from floworch.core.dag.lookup import find_step
from floworch.core.dag.plan import ScopePlan
from floworch.core.engine.availability import Availability
from floworch.core.engine.child_starts import ChildStarts
from floworch.core.engine.children import Children
from floworch.core.engine.committer import Committer
from floworch.core.engine.endings import EndedRun, Endings
from floworch.core.engine.execution import Executor
from floworch.core.engine.journal import log_facts
from floworch.core.engine.leases import Lease, Leases
from floworch.core.engine.plans import Plans
from floworch.core.engine.records import run_record
from floworch.core.engine.reply import Reply
from floworch.core.engine.report import Report
from floworch.core.engine.requests import Claiming, Commanding, Started, Starting
from floworch.core.engine.retention import Retention
from floworch.core.engine.runs import Runs
from floworch.core.engine.schedules import Scheduler
from floworch.core.engine.settings import EngineSettings
from floworch.core.engine.signals import Signals
from floworch.core.engine.timers import Timers
from floworch.core.engine.waiters import Waiters
from floworch.core.engine.within import DirectCommits
from floworch.core.handlers.registry import Handlers
from floworch.core.handlers.services import ServiceResolver
from floworch.core.machine.commands import ClaimOffer, Command, RetryStep, StepReleased, StopRun
from floworch.core.machine.reduce import Fenced
from floworch.core.machine.state import RunFacts, RunState
from floworch.core.machine.transition import Transition
from floworch.core.model.flow import FlowDefinition
from floworch.core.model.ids import uuid7
from floworch.core.model.payload import Payload
from floworch.core.model.records import StepRecord
from floworch.core.model.signals import SignalResult
from floworch.core.model.status import StopKind
from floworch.core.ports.clock import Clock
from floworch.core.ports.runtime import Runtime, StartedStep
from floworch.core.ports.storage import ReadyStep, Storage
from floworch.core.ports.transactions import StoreTransaction
from floworch.errors import FloworchError, RunNotFound, StorageError, StorageUnavailable
from floworch.observability.logging import get_library_logger, tells_info

__all__ = ["Engine"]

_FETCHED_PER_SLOT = 4
_MOST_FETCHED = 500


class Engine:
    """Advances runs. Start it once; everything else may be called concurrently from its event loop.

    ``chance`` makes run ids and the jitter of retries; a seeded one makes them repeatable.
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
    ) -> None:
        self.settings = settings
        self.plans = Plans(store, list(flows), handlers.polling_types)
        self._log = get_library_logger("floworch.engine")
        self._tells_info = tells_info(self._log)
        self._store = store
        self._runtime = runtime
        handlers = handlers.knowing_flows(word for flow in flows for word in (flow.name, str(flow.id)))
        self._handlers = handlers
        self._clock = clock
        self._chance = chance or SystemRandom()
        self._runs = Runs(store, self.plans, settings.cached_runs)
        self._availability = Availability(clock)
        self._committer = Committer(
            store,
            self._runs,
            clock,
            settings,
            self._committed,
            self._leaves_work,
            self._availability,
            self._chance,
        )
        self._leases = Leases(store, clock, settings, self._availability)
        self._direct = DirectCommits(store, self._runs, clock, settings.worker_id, self._committed, self._leaves_work)
        self._signals = Signals(store, self._runs, clock, self._chance, settings.worker_id, self.submit)
        starts = ChildStarts(self.plans, settings, self._chance)
        self._executor = Executor(self._runs, handlers, services, clock, settings, self._chance, store.begin, starts)
        self._children = Children(store, self._runs, self.submit, settings, self._chance)
        self._timers = Timers(
            store,
            clock,
            settings,
            self.submit,
            self._look_for_work,
            self._leases.is_held,
            self._children.tell_parent_of,
            self._availability,
            self._chance,
        )
        self._endings = Endings()
        self._waiters = Waiters(
            store, clock, lambda run_id: self._runs.get(run_id) is not None, settings.storage_patience_seconds
        )
        self._retention = Retention(store, clock, settings, self._chance)
        self.scheduler = Scheduler(
            *(store, flows, self.plans, self._runs, clock, settings, self._availability, self._chance),
            *(self._committed, self.stop_run),
        )
        self._offer = ClaimOffer(
            owner=settings.worker_id, limit=1, lease_seconds=settings.lease_seconds, accepts=handlers.__contains__
        )
        self._step_types = _step_types(self.plans, handlers)
        self._storage_patience = timedelta(seconds=settings.storage_patience_seconds)
        self._works = False
        self._is_stopping = False
        self._has_backlog = False

    # -- life

    async def start(self, *, work: bool = True) -> None:
        """``work=False`` starts an engine that triggers and asks, but runs no steps and no timers."""
        await self.scheduler.register(work=work)
        is_woken = work and await self._store.listen(self.settings.worker_id, self._called)
        self._committer.start()
        self._works = work
        if work:
            await self._runtime.start(self)
            self._leases.start()
            self._timers.start(is_woken=is_woken)
            self._retention.start()
        self.scheduler.start()

    async def stop(self) -> None:
        """Drain: running handlers may finish, then their leases are handed back. What is not done is in the store."""
        self._is_stopping = True
        await self.scheduler.stop()
        if self._works:
            await self._timers.stop()
            await self._runtime.stop(drain_seconds=self.settings.drain_seconds)
            await self._leases.stop()
        await self._retention.stop()
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
        connection: object | None = None,
    ) -> Started:
        """Start a run. Returns when the run is durable; with ``connection``, that is when its transaction commits."""
        plan = self.plans.current_of(flow_id)
        self.scheduler.require_enabled(flow_id)
        now = self._clock.now()
        facts = RunFacts(
            run_id=uuid7(now, self._chance.getrandbits(80)),
            flow_id=flow_id,
            manifest_hash=plan.manifest_hash,
            trigger_key=trigger_key,
            started_at=now,
            source_run_id=source_run_id,
            idempotency_key=idempotency_key,
            priority=priority,
            scheduled_at=scheduled_at,
        )
        deadline = self._deadline(now, time_limit, plan.timeout_seconds)
        if connection is not None:
            return await self._direct.start(connection, Starting(facts, plan, deadline, body, headers, None, Reply()))
        has_slot = self._works and self._runtime.reserve()
        offer = self._offer if has_slot else None
        reply = Reply[Started](self._use_reserved if has_slot else None)
        self._committer.put(Starting(facts, plan, deadline, body, headers, offer, reply))
        return await reply.get()  # the caller may go away: a run that starts all the same is run

    def _use_reserved(self, started: Started | None) -> None:
        """Run the step that was started with the run."""
        transition = None if started is None else started.transition
        if started is not None and transition is not None and transition.claimed:
            self._runtime.run_reserved(_started(started.run_id, transition))
        else:
            self._runtime.run_reserved(None)

    async def submit(self, run_id: UUID, command: Command) -> Transition:
        """Tell a run what has happened. Raises Fenced, InvalidTransition, RunNotFound, StorageError."""
        reply = self._request(run_id, command).reply
        try:
            return await reply.get()
        except asyncio.CancelledError:
            reply.withdraw()
            raise

    async def stop_run(self, run_id: UUID, reason: str | None) -> Transition:
        return await self.submit(run_id, StopRun(StopKind.CANCELLED, reason))

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

    async def retry_step(self, run_id: UUID, step_key: str) -> Transition:
        """Run a failed step again; a run with a time limit gets the whole of it anew."""
        while True:
            command = await self._retry(run_id, step_key)
            try:
                return await self.submit(run_id, command)
            except Fenced:
                self._log.debug("retry_repeated", run_id=str(run_id), step_key=step_key)

    async def wait(self, run_id: UUID, timeout_seconds: float | None = None) -> EndedRun:
        """The run once it has ended. Raises RunNotFound, WaitTimeout."""
        return await self._waiters.wait(run_id, timeout_seconds)

    async def delete_runs(self, ended_before: datetime, deleted: Callable[[int], None] | None = None) -> int:
        """See :meth:`Retention.sweep <floworch.core.engine.retention.Retention.sweep>`."""
        return await self._retention.sweep(ended_before, deleted)

    # -- what runtimes call

    async def claim(self, tasks: Sequence[ReadyStep]) -> list[StartedStep]:
        requests = [Claiming(task, self._offer, self._lease_seconds(task), Reply()) for task in tasks]
        for request in requests:
            self._committer.put(request)
        return [_taken(request.task) for request in requests if await self._is_won(request)]

    async def _is_won(self, claim: Claiming) -> bool:
        """A claim that failed is lost: its step will be found again."""
        error = await claim.reply.error()
        if error is None:
            return await claim.reply.get()
        if not isinstance(error, StorageUnavailable):
            step = _taken(claim.task)
            self._log.warning("claim_failed", run_id=str(step.run_id), step_key=step.step_key, error=str(error))
        return False

    def has_room(self) -> None:
        # While the store is away claims fail at once, and looking again at once would go round in circles.
        if self._has_backlog and self._availability.is_up:
            self._timers.look()

    async def run(self, step: StartedStep) -> None:
        current: StartedStep | None = step
        while current is not None:
            current = await self._run_one(current)

    async def _run_one(self, step: StartedStep) -> StartedStep | None:
        """Run one attempt and report it; returns the step that was started in its place."""
        lease = self._leases.hold(step)
        try:
            report = await self._execute(lease)
            if report.transaction is None:
                transition = await self._report(step, report.command)
            else:
                transition = await self._complete(step, report, report.transaction)
        except Fenced as refusal:
            self._log.warning("completion_fenced", reason=str(refusal), **_names(step))
            return None
        except FloworchError as error:
            self._log.error("attempt_lost", error=str(error), **_names(step))
            return None
        finally:
            self._leases.let_go(lease)
            self._committer.forget_claim(step)
        return _started(step.run_id, transition) if transition.claimed else None

    async def _execute(self, lease: Lease) -> Report:
        """Run one attempt. When the worker stops, or cannot read its inputs, another one may have the step at once."""
        try:
            return await self._executor.run(lease)
        except asyncio.CancelledError:
            await self._hand_back(lease.step)
            raise
        except StorageError:
            await self._hand_back(lease.step, self._patience())
            raise

    async def _complete(self, step: StartedStep, report: Report, transaction: StoreTransaction) -> Transition:
        """Commit the result in the handler's transaction."""
        offer = None if self._is_stopping else self._offer
        committing = asyncio.ensure_future(self._direct.commit(transaction, step.run_id, report.command, offer))
        try:
            return await asyncio.shield(committing)
        except asyncio.CancelledError:
            await self._end_with(step, committing)
            raise
        except StorageError as error:
            self._log.warning("transaction_failed", error=str(error), **_names(step))
            return await self._report(step, report.instead_of(error))

    async def _end_with(self, step: StartedStep, committing: asyncio.Future[Transition]) -> None:
        """The worker stops: wait for the commit, and hand back what it has started or could not complete."""
        try:
            transition = await committing
        except (FloworchError, Fenced):
            await self._hand_back(step)
        else:
            if transition.claimed:
                await self._hand_back(_started(step.run_id, transition))

    async def _report(self, step: StartedStep, command: Command) -> Transition:
        """Have the result committed, also when the worker is stopped meanwhile; then nothing follows in its place."""
        offer = None if self._is_stopping else self._offer
        request = self._request(step.run_id, command, offer, self._patience())
        try:
            return await request.reply.get()
        except asyncio.CancelledError:
            request.offer = request.patient_until = None
            transition = await request.reply.get()
            if transition.claimed:
                claimed = _started(step.run_id, transition)
                await self._hand_back(claimed)
                self._committer.forget_claim(claimed)
            raise

    async def _hand_back(self, step: StartedStep, patient_until: datetime | None = None) -> None:
        """Let another worker have the step at once instead of when the lease is over."""
        released = StepReleased(step.step_key, step.attempt)
        request = self._request(step.run_id, released, None, patient_until)
        try:
            await request.reply.get()
        except (FloworchError, Fenced) as error:
            self._log.warning("release_failed", error=str(error), **_names(step))

    # -- inside

    async def _retry(self, run_id: UUID, step_key: str) -> RetryStep:
        """The command, with the steps of ended iterations around the step as they were at one revision of the run."""
        record = await self._store.get_run(run_id)
        if record is None:
            raise RunNotFound(f"there is no run {run_id}")
        deadline = None
        if record.deadline is not None:
            deadline = self._clock.now() + (record.deadline - record.started_at)
        iteration = outermost_iteration(step_key)
        if iteration is None:
            return RetryStep(step_key, deadline)
        restored = await self._store.load_iteration_steps(run_id, f"{iteration}.")
        after = await self._store.get_run(run_id)
        if after is None or after.revision != record.revision:
            return await self._retry(run_id, step_key)
        return RetryStep(step_key, deadline, restored, record.revision)

    def _request(
        self,
        run_id: UUID,
        command: Command,
        offer: ClaimOffer | None = None,
        patient_until: datetime | None = None,
    ) -> Commanding:
        request = Commanding(run_id, command, offer, Reply(), patient_until)
        self._committer.put(request)
        return request

    def _committed(self, state: RunState, transition: Transition) -> None:
        """After every commit of this engine: hand out the work, arm the clock, tell who waits."""
        facts = state.facts
        log_facts(self._log, state, transition, everything=self._tells_info)
        if self._works:
            if transition.ready:
                self._runtime.dispatch([task for key in transition.ready if (task := self._task(state, key))])
            if transition.interrupted and transition.stop is not None:
                reason = transition.stop.reason or f"the run is {transition.stop.kind}"
                self._leases.interrupt(facts.run_id, transition.interrupted, reason)
            for due_at in (transition.next_due, transition.deadline):
                if due_at is not None:
                    self._timers.arm(due_at)
        self._children.committed(state, transition)
        self._endings.note(state, transition)
        if transition.ended:
            self.scheduler.run_ended(facts)
            steps = self._endings.take(state)
            if self._waiters.expects(facts.run_id):
                self._waiters.ended(facts.run_id, self._ended(state, steps))

    def _ended(self, state: RunState, steps: Mapping[str, StepRecord] | None) -> EndedRun | None:
        """The run as the store has it now; None for a run of an older manifest, whose version label is only there."""
        if state.plan is not self.plans.current.get(state.facts.flow_id):
            return None
        return EndedRun(run_record(state), steps)

    def _leaves_work(self, transitions: Iterable[Transition]) -> bool:
        """Whether these transitions make more steps ready than this process can take now."""
        types = [transition.steps[key].type for transition in transitions for key in transition.ready]
        if not types:
            return False
        can_take = self._runtime.free_slots() if self._works else 0
        return len(types) > can_take or not all(map(self._handlers.__contains__, types))

    def _task(self, state: RunState, step_key: str) -> ReadyStep | None:
        step, plan = state.steps.get(step_key), find_step(state.plan, step_key)
        if step is None or plan is None or plan.type not in self._handlers:
            return None
        facts = state.facts
        return ReadyStep(facts.run_id, step_key, step.attempt, plan.type, facts.flow_id, facts.priority)

    async def _look_for_work(self) -> bool:
        """Fetch ready steps of whatever process into free slots; whether there were any.

        More than there are slots, because others may be quicker: what they take is passed over when it is claimed.
        """
        free = self._runtime.free_slots()
        self._has_backlog = free == 0
        if free == 0 or not self._step_types:
            return free == 0
        wanted = min(free * _FETCHED_PER_SLOT, _MOST_FETCHED)
        found = await self._store.ready(wanted, self._step_types, frozenset(self.plans.current))
        self._has_backlog = len(found) == wanted
        self._runtime.dispatch(found)
        return bool(found)

    def _called(self) -> None:
        """Another process has left work."""
        self._has_backlog = True
        self._timers.look()

    def _lease_seconds(self, task: ReadyStep) -> float:
        run = self._runs.get(task.run_id)
        plan = run.state.plan if run else self.plans.current.get(task.flow_id)
        step = find_step(plan, task.step_key) if plan else None
        return (step.lease_seconds if step else None) or self.settings.lease_seconds

    def _patience(self) -> datetime:
        return self._clock.now() + self._storage_patience

    @staticmethod
    def _deadline(now: datetime, asked: timedelta | None, of_flow: float | None) -> datetime | None:
        limit = asked or (timedelta(seconds=of_flow) if of_flow else None)
        return now + limit if limit else None


def _names(step: StartedStep) -> dict[str, Any]:
    return {"run_id": str(step.run_id), "step_key": step.step_key, "attempt": step.attempt}


def _taken(task: ReadyStep) -> StartedStep:
    """What a claim of the step makes of it."""
    return StartedStep(task.run_id, task.step_key, task.attempt + 1)


def _started(run_id: UUID, transition: Transition) -> StartedStep:
    key = transition.claimed[0]
    return StartedStep(run_id, key, transition.steps[key].state.attempt)


def _step_types(plans: Plans, handlers: Handlers) -> frozenset[str]:
    """Step types that this process can run, in every spelling that its flows use."""
    used = {word for plan in plans.current.values() for word in _types_in(plan.root)}
    return frozenset(word for word in used | handlers.types if word in handlers)


def _types_in(scope: ScopePlan) -> Iterator[str]:
    for step in scope.steps.values():
        yield step.type
        if step.block is not None:
            for inner in step.block.scopes:
                yield from _types_in(inner)
