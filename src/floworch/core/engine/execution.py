"""Running one attempt: resolve its inputs, call its handler, and say what that means for the run."""

from __future__ import annotations

import asyncio
from collections import ChainMap
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from random import Random
from typing import Any, TypeVar

from floworch.core.dag.keys import is_shielded
from floworch.core.dag.lookup import find_step
from floworch.core.dag.plan import StepPlan
from floworch.core.engine.attempt_environment import AttemptEnvironment, Variables, evaluate, shown
from floworch.core.engine.availability import Backoff
from floworch.core.engine.child_starts import ChildStarts
from floworch.core.engine.leases import Lease
from floworch.core.engine.polling import BadPollSettings, Poll
from floworch.core.engine.report import Report
from floworch.core.engine.runs import CachedRun, Runs
from floworch.core.engine.settings import EngineSettings
from floworch.core.expressions import Reference, Source
from floworch.core.handlers.cancellation import CancelSignal
from floworch.core.handlers.context import StepContext
from floworch.core.handlers.failures import plain_failure
from floworch.core.handlers.invoke import invoke
from floworch.core.handlers.lookup import Handlers
from floworch.core.handlers.processes import HandlerProcesses
from floworch.core.handlers.results import Deferred, Failed, Skipped, StartsChild, StepOutcome, Succeeded
from floworch.core.handlers.secrets import NO_SECRETS, Secrets
from floworch.core.handlers.services import ServiceResolver
from floworch.core.handlers.threads import HandlerThreads
from floworch.core.handlers.transactions import AttemptTransaction
from floworch.core.machine.commands import Command, StepDeferred, StepFailed, StepSkipped, StepSucceeded
from floworch.core.machine.environment import PayloadsNeeded
from floworch.core.machine.progress import Hurried
from floworch.core.machine.reduce import Fenced
from floworch.core.model.payload import Json, Payload, PayloadKind, PayloadRef
from floworch.core.model.records import StepError
from floworch.core.model.status import StepStatus
from floworch.core.policy.retry import next_delay
from floworch.core.ports.clock import Clock
from floworch.core.ports.runtime import StartedStep
from floworch.core.ports.transactions import StoreTransaction
from floworch.errors import ExpressionError, InvalidPayload, StorageError, StorageUnavailable

__all__ = ["Executor"]

T = TypeVar("T")

_LEFT_OPEN = (
    "The handler ended while its ctx.transaction() block was still open, in a task or thread that it did not wait for. "
    "Nothing of the transaction was kept."
)
_UNDONE = "What the handler wrote in its transaction could not be committed with the step, and is undone."
_FREE_RETRIES = 5
_FIRST_FREE_RETRY = timedelta(seconds=0.1)
_LONGEST_WAIT = timedelta(days=3660)
_TRIGGER = frozenset({Reference(Source.TRIGGER_BODY), Reference(Source.TRIGGER_HEADERS)})
_BODY, _HEADERS = PayloadRef(PayloadKind.BODY), PayloadRef(PayloadKind.HEADERS)


class Executor:
    """Owns what handlers run on: threads, processes, services."""

    def __init__(
        self,
        runs: Runs,
        handlers: Handlers,
        services: ServiceResolver,
        clock: Clock,
        settings: EngineSettings,
        chance: Random,
        begin: Callable[[], Awaitable[StoreTransaction]],
        child_starts: ChildStarts,
    ) -> None:
        self._runs = runs
        self._begin = begin
        self._child_starts = child_starts
        self._handlers = handlers
        self._services = services
        self._clock = clock
        self._settings = settings
        self._chance = chance
        self._threads = HandlerThreads(settings.handler_threads)
        self._processes = HandlerProcesses(settings.handler_processes)
        self._literals: dict[StepPlan, Payload] = {}

    def close(self) -> None:
        self._threads.close()
        self._processes.close()

    async def run(self, lease: Lease) -> Report:
        """Carry out the attempt that the lease is for. A transaction in the report has to be ended by the caller.

        Raises ``CancelledError`` when the worker stops, StorageError when payloads cannot be read, and Fenced when the
        lease was lost before the handler began.
        """
        step = lease.step
        run = self._runs.get(step.run_id)
        if run is None or not _is_known(step, run):
            run = (await self.patiently(partial(self._runs.load, [step.run_id]))).get(step.run_id)
            run = _require_known(step, run)
        return await _Attempt(self, run, lease).carry_out()

    def given(self, plan: StepPlan, inputs: Json) -> Payload:
        """The inputs as they are kept; those without expressions are encoded once. Raises InvalidPayload."""
        known = self._literals.get(plan)
        if known is None:
            known = Payload.of(inputs, max_bytes=self._settings.max_payload_bytes)
            if plan.inputs.is_literal:
                self._literals[plan] = known
        return known

    async def patiently(self, read: Callable[[], Awaitable[T]]) -> T:
        """What the store answers, once it does: an outage is no fault of the step, and its lease is held meanwhile."""
        give_up_at = self._clock.now() + timedelta(seconds=self._settings.storage_patience_seconds)
        backoff = Backoff(self._chance)
        while True:
            try:
                return await read()
            except StorageUnavailable:
                if self._clock.now() >= give_up_at:
                    raise
            await self._clock.wait(asyncio.Event(), backoff.next_seconds())


def _is_known(step: StartedStep, run: CachedRun) -> bool:
    """Whether the state is recent enough to have this attempt: an older one knows less of what its inputs may read."""
    state = run.state.steps.get(step.step_key)
    return state is not None and state.status is StepStatus.RUNNING and state.attempt == step.attempt


def _require_known(step: StartedStep, run: CachedRun | None) -> CachedRun:
    if run is None or not _is_known(step, run):
        raise Fenced(f"attempt {step.attempt} of step {step.step_key!r} was over before it began")
    return run


class _Attempt:
    """One attempt of one step, and everything that is looked up for it."""

    def __init__(self, executor: Executor, run: CachedRun, lease: Lease) -> None:
        step = lease.step
        plan = find_step(run.state.plan, step.step_key)
        assert plan is not None
        self._executor = executor
        self._settings = executor._settings
        self._run = run
        self._lease = lease
        self._step = step
        self._plan = plan
        self._handler = executor._handlers.get(plan.type)
        self._state = run.state.steps.get(step.step_key)
        self._loaded: dict[PayloadRef, Payload | None] = {}
        self._variables = Variables()
        self._secrets = NO_SECRETS
        self._shown: Json = None
        """The inputs without secrets, where there are some."""
        self._poll: Poll | None = None
        self._transaction: AttemptTransaction | None = None
        """None where the handler takes no context: it cannot ask for one."""
        if self._handler.takes_context:
            self._transaction = AttemptTransaction(step.step_key, executor._begin, asyncio.get_running_loop())
        self._cancelled = CancelSignal()
        self._task = asyncio.current_task()
        self._is_interrupted = False
        self._has_ended = False

    async def carry_out(self) -> Report:
        """Can be interrupted from now on: loading what the inputs read may take a while."""
        self._lease.seconds = self._plan.lease_seconds or self._settings.lease_seconds
        self._lease.interrupt = self._interrupt
        try:
            return await self._resolve_and_call()
        except asyncio.CancelledError:
            if not self._is_interrupted or self._task is None or self._task.uncancel() > 0:
                raise
            return self._report(self._cancelled_outcome(), None, None)
        finally:
            self._has_ended = True
            self._lease.interrupt = None

    async def _resolve_and_call(self) -> Report:
        given: Payload | None = None
        try:
            inputs = await self._inputs()
            given = self._executor.given(self._plan, self._shown if self._secrets else inputs)
        except (ExpressionError, InvalidPayload, BadPollSettings) as error:
            return self._report(Failed(StepError(type(error).__name__, str(error), retryable=False)), given, None)
        if self._transaction is None:
            return self._report(await self._call(inputs), given, None)
        return await self._call_in(self._transaction, inputs, given)

    async def _call_in(self, transaction: AttemptTransaction, inputs: Json, given: Payload) -> Report:
        try:
            outcome = await self._call(inputs)
        except BaseException:
            await transaction.end(keep=False)
            raise
        if transaction.is_open and not isinstance(outcome, Failed):
            outcome = plain_failure("TransactionLeftOpen", _LEFT_OPEN, retryable=False)
        kept = await transaction.end(keep=not isinstance(outcome, Failed))
        return self._report(outcome, given, kept)

    async def _inputs(self) -> Json:
        template, poll = self._plan.inputs, self._plan.poll
        if poll is not None and self._state is not None:
            executor = self._executor
            self._poll = Poll(poll, self._state, self._variables, executor._clock, executor._chance)
            return await self._read(template.references | poll.references | _TRIGGER, self._resolve)
        if self._handler.takes_context:
            return await self._read(template.references | _TRIGGER, self._resolve)
        return template.evaluate(None) if template.is_literal else await self._read(template.references, self._resolve)

    def _resolve(self, environment: AttemptEnvironment) -> Json:
        """The inputs; refused when the attempt was lost while they were loaded, and with it what they read."""
        _require_known(self._step, self._run)
        inputs = evaluate(self._plan.inputs.resolve, environment, self._variables)
        if self._variables.read:
            self._secrets = Secrets(self._variables.read)
            self._shown = self._secrets.hide_in(shown(self._plan.inputs.source, environment))
        if self._poll is not None:
            self._poll.prepare(environment)
        return inputs

    async def _read(self, references: frozenset[Reference], read: Callable[[AttemptEnvironment], T]) -> T:
        """Load what the references need, then read."""
        now = self._executor._clock.now()
        while True:
            known: Any = ChainMap(self._loaded, self._run.payloads) if self._loaded else self._run.payloads
            environment = AttemptEnvironment(self._run.state, self._step.step_key, known, now, self._variables)
            try:
                environment.require(references)
            except PayloadsNeeded as needed:
                load = partial(self._executor._runs.payloads, self._step.run_id, needed.refs)
                self._loaded.update(await self._executor.patiently(load))
            else:
                return read(environment)

    async def _call(self, inputs: Json) -> StepOutcome:
        if self._run.state.stop is not None and not is_shielded(self._step.step_key):
            self._cancelled.set("the run is being stopped")
        if self._cancelled.is_set():
            return self._cancelled_outcome()
        executor = self._executor
        outcome = await invoke(
            self._handler,
            self._context(),
            inputs,
            timeout=self._plan.timeout_seconds
            or self._handler.timeout_seconds
            or self._plan.default_timeout_seconds
            or self._settings.default_timeout_seconds,
            threads=executor._threads,
            processes=executor._processes,
            cancel_grace=self._settings.cancel_grace_seconds,
            max_output_bytes=self._settings.max_payload_bytes,
            written=self._plan.inputs.source,
            secrets=self._secrets,
        )
        return outcome if self._poll is None else await self._poll.judge(outcome, self._read)

    def _cancelled_outcome(self) -> Failed:
        return Failed(StepError("Cancelled", self._cancelled.reason or "cancelled", retryable=False))

    def _interrupt(self, reason: str) -> None:
        """Ask the handler to stop, and cancel it after the grace period."""
        if not self._cancelled.is_set():
            self._cancelled.set(reason)
            asyncio.get_running_loop().call_later(self._settings.cancel_grace_seconds, self._cancel)

    def _cancel(self) -> None:
        if self._task is not None and not self._has_ended:
            self._is_interrupted = True
            self._task.cancel()

    def _context(self) -> StepContext:
        facts = self._run.state.facts
        reads_trigger = self._handler.takes_context
        return StepContext(
            run_id=facts.run_id,
            flow_id=facts.flow_id,
            flow_name=self._run.state.plan.flow_name,
            step_key=self._step.step_key,
            step_type=self._plan.type,
            attempt=self._step.attempt,
            trigger_key=facts.trigger_key,
            trigger_body=self._payload(_BODY) if reads_trigger else None,
            trigger_headers=self._payload(_HEADERS) if reads_trigger else None,
            first_started_at=self._state.waiting_since if self._state else None,
            now=self._executor._clock.now,
            outputs=self._output_of,
            services=self._executor._services,
            cancelled=self._cancelled,
            transaction=self._transaction,
            poll_number=1 if self._poll is None else self._poll.number,
            hurried=self._state is not None and isinstance(self._state.progress, Hurried),
            secrets=self._secrets,
        )

    def _payload(self, ref: PayloadRef) -> Payload | None:
        return self._loaded.get(ref) or self._run.payloads.get(ref)

    async def _output_of(self, key: str) -> Json:
        return await self._read(
            frozenset({Reference(Source.STEP_OUTPUT, key)}), lambda environment: environment.step_output(key)
        )

    def _report(self, outcome: StepOutcome, given: Payload | None, transaction: StoreTransaction | None) -> Report:
        return Report(self._command(outcome, given), transaction, partial(self._transaction_failed, given))

    def _command(self, outcome: StepOutcome, given: Payload | None) -> Command:
        key, attempt = self._step.step_key, self._step.attempt
        match outcome:
            case Succeeded():
                return StepSucceeded(key, attempt, outcome.output, given)
            case Failed():
                retry_after = self._retry_after(outcome, is_excused=self._was_in_the_way)
                return StepFailed(key, attempt, outcome.error, retry_after, given)
            case Deferred():
                return StepDeferred(key, attempt, outcome.after, outcome.output, given)
            case Skipped():
                return StepSkipped(key, attempt, outcome.reason, given)
            case StartsChild():
                now = self._executor._clock.now()
                return self._executor._child_starts.command(self._run.state, self._step, outcome, given, now)

    @property
    def _was_in_the_way(self) -> bool:
        return self._transaction is not None and self._transaction.was_in_the_way

    def _transaction_failed(self, given: Payload | None, error: StorageError) -> Command:
        """The handler has done its part, but its transaction cannot be committed."""
        failure = Failed(StepError("TransactionFailed", self._secrets.hide(f"{_UNDONE} {error}")))
        is_excused = isinstance(error, StorageUnavailable) or self._was_in_the_way
        retry_after = self._retry_after(failure, is_excused=is_excused)
        return StepFailed(self._step.step_key, self._step.attempt, failure.error, retry_after, given)

    def _retry_after(self, outcome: Failed, *, is_excused: bool) -> timedelta | None:
        """What the retry policy says; and when it gives up on what is no fault of the handler, a few more attempts."""
        policy = self._plan.retry or self._handler.retry or self._plan.default_retry or self._settings.default_retry
        failures = self._state.failures if self._state else 0
        chance = self._executor._chance.random()
        delay = next_delay(policy, failures + 1, outcome.error, outcome.exception_types, chance)
        if delay is None and is_excused and outcome.error.retryable and failures < _FREE_RETRIES:
            delay = _FIRST_FREE_RETRY * (1 << failures)
        if delay is None or outcome.retry_after is None:
            return delay
        return min(max(delay, outcome.retry_after), _LONGEST_WAIT)
