"""One attempt of one step: its inputs, the call of its handler, and what that means for the run."""

from __future__ import annotations

import asyncio
from collections import ChainMap
from collections.abc import Callable, Coroutine, Mapping
from datetime import timedelta
from functools import partial
from typing import Any, Protocol, TypeVar

from floworch.core.dag.keys import is_shielded
from floworch.core.dag.lookup import find_step
from floworch.core.dag.plan import StepPlan
from floworch.core.engine.attempt_environment import AttemptEnvironment, Variables, evaluate, shown
from floworch.core.engine.execution import Executor
from floworch.core.engine.polling import BadPollSettings, Poll
from floworch.core.engine.report import Report
from floworch.core.engine.runs import CachedRun
from floworch.core.expressions import Reference, Source
from floworch.core.handlers.cancellation import CancelSignal
from floworch.core.handlers.context import StepContext
from floworch.core.handlers.failures import plain_failure
from floworch.core.handlers.invocation import Invocation
from floworch.core.handlers.lookup import Handler
from floworch.core.handlers.results import Deferred, Failed, Skipped, StartsChild, StepOutcome, Succeeded
from floworch.core.handlers.secrets import NO_SECRETS, Secrets
from floworch.core.handlers.transactions import AttemptTransaction
from floworch.core.machine.commands import Command, StepDeferred, StepFailed, StepSkipped, StepSucceeded
from floworch.core.machine.environment import PayloadsNeeded
from floworch.core.machine.progress import Hurried
from floworch.core.machine.reduce import Fenced
from floworch.core.machine.state import StepState
from floworch.core.model.payload import Json, Payload, PayloadKind, PayloadRef
from floworch.core.model.records import StepError
from floworch.core.model.status import StepStatus
from floworch.core.policy.retry import next_delay
from floworch.core.ports.runtime import StartedStep
from floworch.core.ports.transactions import StoreTransaction
from floworch.errors import ExpressionError, InvalidPayload, StorageError, StorageUnavailable

__all__ = ["Attempt", "Stage"]

T = TypeVar("T")

_LEFT_OPEN = (
    "The handler ended while its ctx.transaction() block was still open, in a task or thread that it did not wait for. "
    "Nothing of the transaction was kept."
)
_UNDONE = "What the handler wrote in its transaction could not be committed with the step, and is undone."
_FREE_RETRIES = 5
_FIRST_FREE_RETRY = timedelta(seconds=0.1)
_LONGEST_WAIT = timedelta(days=3660)
_NOTHING: Mapping[PayloadRef, Payload | None] = {}
_TRIGGER = frozenset({Reference(Source.TRIGGER_BODY), Reference(Source.TRIGGER_HEADERS)})
_RUNNING = StepStatus.RUNNING
_BODY, _HEADERS = PayloadRef(PayloadKind.BODY), PayloadRef(PayloadKind.HEADERS)
_BAD_INPUTS = (ExpressionError, InvalidPayload, BadPollSettings)


class Stage(Protocol):
    """Where an attempt is made."""

    step: StartedStep
    lease_seconds: float
    """Set by the attempt, as its step has it."""

    def attempted(self, came: Report | Exception | asyncio.CancelledError) -> None:
        """Called once: with the report, whose transaction is for others to end, or with why there is none.

        That is CancelledError after :meth:`Attempt.stop`, StorageError when the store cannot be read, and Fenced when
        the lease was lost before the handler began.
        """
        ...


class Attempt:
    """One attempt of one step, and everything that is looked up for it."""

    __slots__ = (
        *("_executor", "_given", "_handler", "_has_begun", "_has_ended", "_invocation", "_is_interrupted"),
        *("_loaded", "_plan", "_poll", "_run", "_secrets", "_shown", "_stage", "_state", "_step", "_task"),
        *("_signal", "_transaction", "_variables"),
    )

    _run: CachedRun
    _plan: StepPlan
    _handler: Handler
    _state: StepState | None

    def __init__(self, executor: Executor, stage: Stage) -> None:
        self._executor = executor
        self._stage = stage
        self._step = stage.step
        self._signal: CancelSignal | None = None
        self._given: Payload | None = None
        self._shown: Json = None
        """The inputs without secrets, where there are some."""
        self._secrets = NO_SECRETS
        self._variables: Variables | None = None
        self._loaded: Mapping[PayloadRef, Payload | None] = _NOTHING
        self._poll: Poll | None = None
        self._transaction: AttemptTransaction | None = None
        """None where the handler takes no context: it cannot ask for one."""
        self._invocation: Invocation | None = None
        """The call of the handler, while it is under way."""
        self._task: asyncio.Task[None] | None = None
        """What has to be waited for before the call or after it, where there is such a thing."""
        self._has_begun = False
        self._is_interrupted = False
        self._has_ended = False

    def begin(self) -> None:
        """Call the handler, at once if all that its inputs read is at hand."""
        run = self._executor.runs.get(self._step.run_id)
        try:
            if run is None or not _is_known(self._step, run):
                self._go_on(self._load_run())
            else:
                self._begin_with(run)
        except Exception as error:  # noqa: BLE001 - it is for whoever waits for the attempt
            self._end(error)

    def stop(self) -> None:
        """The worker stops: give the handler its time to end, and tell CancelledError."""
        if self._invocation is not None:
            self._invocation.stop("the worker stops or the run was stopped")
        elif self._task is not None and not self._has_ended:
            self._task.cancel()

    # -- before the call

    async def _load_run(self) -> None:
        load = partial(self._executor.runs.load, [self._step.run_id])
        found = await self._executor.patiently(load)
        self._begin_with(_require_known(self._step, found.get(self._step.run_id)))

    def _begin_with(self, run: CachedRun) -> None:
        plan = find_step(run.state.plan, self._step.step_key)
        assert plan is not None
        self._run, self._plan = run, plan
        self._state = run.state.steps.get(self._step.step_key)
        handler = self._handler = self._executor.handlers.get(plan.type)
        if handler.takes_context:
            self._transaction = AttemptTransaction(
                self._step.step_key, self._executor.begin, asyncio.get_running_loop()
            )
        self._stage.lease_seconds = plan.lease_seconds or self._executor.settings.lease_seconds
        self._has_begun = True
        try:
            self._prepare_and_call()
        except PayloadsNeeded as needed:
            self._go_on(self._load_and_call(needed))

    async def _load_and_call(self, needed: PayloadsNeeded) -> None:
        while True:
            await self._load(needed)
            try:
                self._prepare_and_call()
            except PayloadsNeeded as more:
                needed = more
            else:
                return

    async def _load(self, needed: PayloadsNeeded) -> None:
        load = partial(self._executor.runs.payloads, self._step.run_id, needed.refs)
        self._loaded = {**self._loaded, **await self._executor.patiently(load)}

    def _prepare_and_call(self) -> None:
        """Raises PayloadsNeeded, and Fenced when the attempt was lost while something was loaded."""
        try:
            inputs = self._inputs()
            self._given = self._executor.given(self._plan, self._shown if self._secrets else inputs)
        except _BAD_INPUTS as error:
            self._report(Failed(StepError(type(error).__name__, str(error), retryable=False)))
            return
        if self._run.state.stop is not None and not is_shielded(self._step.step_key):
            self.cancelled.set("the run is being stopped")
        if self._signal is not None and self._signal.is_set():
            self._report(self._cancelled_outcome())
            return
        executor, plan, handler = self._executor, self._plan, self._handler
        self._invocation = Invocation(
            *(executor.boundary, handler, self),
            timeout=plan.timeout_seconds
            or handler.timeout_seconds
            or plan.default_timeout_seconds
            or executor.settings.default_timeout_seconds,
            secrets=self._secrets,
        )
        self._invocation.begin(inputs, plan.inputs.source)

    def _inputs(self) -> Json:
        template, poll = self._plan.inputs, self._plan.poll
        if poll is not None and self._state is not None:
            if self._poll is None:
                self._variables = Variables()
                executor = self._executor
                self._poll = Poll(poll, self._state, self._variables, executor.clock, executor.chance)
            return self._resolve(template.references | poll.references | _TRIGGER)
        if self._handler.takes_context:
            return self._resolve(template.references | _TRIGGER)
        return template.evaluate(None) if template.is_literal else self._resolve(template.references)

    def _resolve(self, references: frozenset[Reference]) -> Json:
        """The inputs; refused when the attempt was lost while they were loaded, and with it what they read."""
        variables = self._variables = self._variables or Variables()
        environment = self._environment()
        environment.require(references)
        _require_known(self._step, self._run)
        inputs = evaluate(self._plan.inputs.resolve, environment, variables)
        if variables.read:
            self._secrets = Secrets(variables.read)
            self._shown = self._secrets.hide_in(shown(self._plan.inputs.source, environment))
        if self._poll is not None:
            self._poll.prepare(environment)
        return inputs

    def _environment(self) -> AttemptEnvironment:
        known: Any = ChainMap(dict(self._loaded), self._run.payloads) if self._loaded else self._run.payloads
        now, variables = self._executor.clock.now(), self._variables
        assert variables is not None
        return AttemptEnvironment(self._run.state, self._step.step_key, known, now, variables)

    # -- what the handler sees

    @property
    def cancelled(self) -> CancelSignal:
        """Made when somebody looks at it: most handlers do not."""
        if self._signal is None:
            self._signal = CancelSignal()
        return self._signal

    def context(self) -> StepContext:
        """For the invocation."""
        facts, plan = self._run.state.facts, self._plan
        return StepContext(
            run_id=facts.run_id,
            flow_id=facts.flow_id,
            flow_name=self._run.state.plan.flow_name,
            step_key=self._step.step_key,
            step_type=plan.type,
            attempt=self._step.attempt,
            trigger_key=facts.trigger_key,
            trigger_body=self._payload(_BODY),
            trigger_headers=self._payload(_HEADERS),
            first_started_at=self._state.waiting_since if self._state else None,
            now=self._executor.clock.now,
            outputs=self._output_of,
            services=self._executor.services,
            cancelled=self.cancelled,
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

    async def _read(self, references: frozenset[Reference], read: Callable[[AttemptEnvironment], T]) -> T:
        """Load what the references need, then read."""
        while True:
            environment = self._environment()
            try:
                environment.require(references)
            except PayloadsNeeded as needed:
                await self._load(needed)
            else:
                return read(environment)

    # -- being asked to stop

    def interrupt(self, reason: str) -> None:
        """Ask the handler to stop, and cancel it after the grace period. Before the run is known there is none."""
        if self._has_begun and not self.cancelled.is_set():
            self.cancelled.set(reason)
            grace_seconds = self._executor.settings.cancel_grace_seconds
            asyncio.get_running_loop().call_later(grace_seconds, self._cancel, reason)

    def _cancel(self, reason: str) -> None:
        if self._has_ended:
            return
        self._is_interrupted = True
        if self._invocation is not None:
            self._invocation.stop(reason, self._cancelled_outcome())
        elif self._task is not None:
            self._task.cancel()

    def _cancelled_outcome(self) -> Failed:
        return Failed(StepError("Cancelled", self.cancelled.reason or "cancelled", retryable=False))

    # -- after the call

    def called(self, outcome: StepOutcome | None) -> None:
        """By the invocation."""
        self._invocation = None
        try:
            if self._poll is not None or not (self._transaction is None or self._transaction.close()):
                self._go_on(self._conclude(outcome))
            elif outcome is None:
                self._end(asyncio.CancelledError())
            else:
                self._report(outcome)
        except Exception as error:  # noqa: BLE001 - it is for whoever waits for the attempt
            self._end(error)

    async def _conclude(self, outcome: StepOutcome | None) -> None:
        """Judge what a poll has found, and end the transaction of the handler."""
        transaction = self._transaction
        try:
            if self._poll is not None and outcome is not None:
                outcome = await self._poll.judge(outcome, self._read)
        except BaseException:
            if transaction is not None:
                await transaction.end(keep=False)
            raise
        if transaction is not None and transaction.is_open and not isinstance(outcome, Failed | None):
            outcome = plain_failure("TransactionLeftOpen", _LEFT_OPEN, retryable=False)
        kept = None
        if transaction is not None:
            kept = await transaction.end(keep=not isinstance(outcome, Failed | None))
        if outcome is None:
            self._end(asyncio.CancelledError())
        else:
            self._report(outcome, kept)

    def _report(self, outcome: StepOutcome, transaction: StoreTransaction | None = None) -> None:
        instead_of = None if transaction is None else self._transaction_failed
        self._end(Report(self._command(outcome), transaction, instead_of))

    def _end(self, came: Report | Exception | asyncio.CancelledError) -> None:
        if not self._has_ended:
            self._has_ended = True
            self._stage.attempted(came)

    def _go_on(self, work: Coroutine[Any, Any, None]) -> None:
        self._task = asyncio.create_task(work)
        self._task.add_done_callback(self._has_gone_on)

    def _has_gone_on(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            if self._is_interrupted:
                self._report(self._cancelled_outcome())
            else:
                self._end(asyncio.CancelledError())
        elif isinstance(error := task.exception(), Exception):
            self._end(error)

    # -- what it means for the run

    def _command(self, outcome: StepOutcome) -> Command:
        key, attempt, given = self._step.step_key, self._step.attempt, self._given
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
                now = self._executor.clock.now()
                return self._executor.child_starts.command(self._run.state, self._step, outcome, given, now)

    @property
    def _was_in_the_way(self) -> bool:
        return self._transaction is not None and self._transaction.was_in_the_way

    def _transaction_failed(self, error: StorageError) -> Command:
        """The handler has done its part, but its transaction cannot be committed."""
        failure = Failed(StepError("TransactionFailed", self._secrets.hide(f"{_UNDONE} {error}")))
        is_excused = isinstance(error, StorageUnavailable) or self._was_in_the_way
        retry_after = self._retry_after(failure, is_excused=is_excused)
        return StepFailed(self._step.step_key, self._step.attempt, failure.error, retry_after, self._given)

    def _retry_after(self, outcome: Failed, *, is_excused: bool) -> timedelta | None:
        """What the retry policy says; and when it gives up on what is no fault of the handler, a few more attempts."""
        executor = self._executor
        policy = self._plan.retry or self._handler.retry or self._plan.default_retry or executor.settings.default_retry
        failures = self._state.failures if self._state else 0
        chance = executor.chance.random()
        delay = next_delay(policy, failures + 1, outcome.error, outcome.exception_types, chance)
        if delay is None and is_excused and outcome.error.retryable and failures < _FREE_RETRIES:
            delay = _FIRST_FREE_RETRY * (1 << failures)
        if delay is None or outcome.retry_after is None:
            return delay
        return min(max(delay, outcome.retry_after), _LONGEST_WAIT)


def _is_known(step: StartedStep, run: CachedRun) -> bool:
    """Whether the state is recent enough to have this attempt: an older one knows less of what its inputs may read."""
    state = run.state.steps.get(step.step_key)
    return state is not None and state.status is _RUNNING and state.attempt == step.attempt


def _require_known(step: StartedStep, run: CachedRun | None) -> CachedRun:
    if run is None or not _is_known(step, run):
        raise Fenced(f"attempt {step.attempt} of step {step.step_key!r} was over before it began")
    return run
