"""The run state machine: (state, command, now) → transition. Pure: no I/O, no clock, no randomness.

``start_run`` and ``reduce`` read the state and never change it; ``apply`` carries a committed transition over to
the cached state. Both raise :class:`~floworch.core.machine.environment.PayloadsNeeded` when a decision reads
payloads that were not given, :class:`Fenced` for a report of an attempt that is no longer current, and
:class:`~floworch.errors.InvalidTransition` for a request that makes no sense now.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import assert_never

from floworch.core.dag.plan import FlowPlan
from floworch.core.machine.blocks import stop_waiting
from floworch.core.machine.children import end_child, start_child, stop_children, waits_for_child
from floworch.core.machine.commands import (
    ChildEnded,
    ClaimOffer,
    ClaimStep,
    Command,
    CompleteStep,
    FailStep,
    LeaseExpired,
    MigrateRun,
    OfRun,
    OfStep,
    ParentGone,
    ResumeRun,
    RetryFailed,
    RetryStep,
    RunStepNow,
    SignalReceived,
    SkipStep,
    StartChild,
    StepDeferred,
    StepFailed,
    StepReleased,
    StepSkipped,
    StepSucceeded,
    StopRun,
    SuspendRun,
    TimerFired,
)
from floworch.core.machine.draft import Draft, who
from floworch.core.machine.environment import Payloads
from floworch.core.machine.mailbox import Letter
from floworch.core.machine.migration import migrate_run
from floworch.core.machine.overrides import override
from floworch.core.machine.planning import continue_from, enter_scope, follow
from floworch.core.machine.polls import after_poll, poll_facts, with_clock
from floworch.core.machine.retry import retry
from floworch.core.machine.starting import tell_start
from floworch.core.machine.state import RunFacts, RunState, SkipKind, StepState, StopRequest, WaitKind
from floworch.core.machine.steps import make_ready, skip
from floworch.core.machine.suspension import lift_suspension, resume_run, suspend_run
from floworch.core.machine.transition import Transition
from floworch.core.machine.waits.signals import deliver, receive
from floworch.core.machine.waking import wake
from floworch.core.model.payload import Json, Payload, PayloadKind, PayloadRef
from floworch.core.model.records import StepError
from floworch.core.model.status import StepStatus, StopKind
from floworch.errors import InvalidTransition, SignalNotExpected

__all__ = ["Fenced", "SignalKnown", "reduce", "start_run"]

_RUNNING, _SUCCEEDED, _OUTPUT = StepStatus.RUNNING, StepStatus.SUCCEEDED, PayloadKind.OUTPUT


class Fenced(Exception):
    """The command speaks of an attempt (or of a wait) that is over; it changes nothing."""


class SignalKnown(Fenced):
    """The run has had the signal before, or another one with the same deduplication id."""

    def __init__(self, letter: Letter) -> None:
        self.letter = letter
        super().__init__(f"the signal {letter.name!r} came before")


def start_run(
    facts: RunFacts,
    plan: FlowPlan,
    deadline: datetime | None,
    now: datetime,
    payloads: Payloads,
    offer: ClaimOffer | None = None,
    told: Mapping[str, Json] | None = None,
) -> tuple[RunState, Transition]:
    """A new run: its empty state and the transition that starts it. The state has to be applied the transition.

    ``told`` is for the history: how the run came to be."""
    state = RunState(facts=facts, plan=plan, deadline=deadline)
    draft = Draft(state, now, payloads, offer)
    tell_start(draft, told)
    continue_from(draft, enter_scope(draft, ""))
    return state, draft.transition


def reduce(
    state: RunState, command: Command, now: datetime, payloads: Payloads, offer: ClaimOffer | None = None
) -> Transition:
    """What the command makes of the run. The same arguments always give an equal answer."""
    if isinstance(command, OfStep):  # first, because every step of every run comes here
        if state.status.is_final:
            raise Fenced(f"the run has ended {state.status}")
        draft = Draft(state, now, payloads, offer)
        _of_step(draft, command)
        return draft.transition
    if isinstance(command, RetryStep | RetryFailed):
        if command.restored_at not in (None, state.revision):
            raise Fenced(f"the run has moved on since revision {command.restored_at}")
        draft = Draft(state, now, payloads, offer, command.restored)
        retry(draft, command)
        return draft.transition
    if isinstance(command, MigrateRun):
        return migrate_run(state, command, now, payloads, offer)
    draft = Draft(state, now, payloads, offer)
    _of_run(draft, command)
    return draft.transition


def _of_step(draft: Draft, command: OfStep) -> None:
    match command:
        case StepSucceeded():
            _succeed(draft, command)
        case StepFailed():
            _fail(draft, command)
        case StepDeferred():
            _defer(draft, command)
        case StepSkipped():
            _skip(draft, command)
        case StepReleased():
            _release(draft, command)
        case LeaseExpired():
            _lose(draft, command)
        case TimerFired():
            _wake(draft, command)
        case ClaimStep():
            _claim(draft, command)
        case StartChild():
            state = _running(draft, command.step_key, command.attempt)
            continue_from(draft, start_child(draft, command, state))
        case _:
            assert_never(command)


def _of_run(draft: Draft, command: OfRun) -> None:
    match command:
        case StopRun():
            _stop(draft, command)
        case SuspendRun():
            suspend_run(draft, command)
        case ResumeRun():
            resume_run(draft, command)
        case ChildEnded():
            continue_from(draft, end_child(draft, command))
        case ParentGone():
            draft.rarities.heard_of.append(draft.facts.run_id)
        case SignalReceived():
            _signal(draft, command)
        case CompleteStep() | FailStep() | SkipStep() | RunStepNow():
            continue_from(draft, override(draft, command))
        case _:
            assert_never(command)


def _succeed(draft: Draft, command: StepSucceeded) -> None:
    state = _running(draft, command.step_key, command.attempt)
    draft.finish(
        command.step_key,
        state.ended(_SUCCEEDED, draft.now),
        step_type=draft.plan_of(command.step_key).type,
        inputs=command.input,
        output=command.output,
    )
    draft.add_payload(PayloadRef(_OUTPUT, command.step_key), command.output)
    draft.fact("step.completed", command.step_key, attempt=command.attempt)
    continue_from(draft, [command.step_key])


def _fail(draft: Draft, command: StepFailed) -> None:
    state = _running(draft, command.step_key, command.attempt)
    state = with_clock(state._replace(failures=state.failures + 1), draft.plan_of(command.step_key))
    if command.retry_after is None or draft.stops(command.step_key):
        _fail_for_good(draft, command, state)
        return
    due_at = draft.now + command.retry_after
    _park(draft, command, state, WaitKind.RETRY, due_at, reason=command.error.message)
    draft.fact(
        "step.attempt_failed",
        command.step_key,
        attempt=command.attempt,
        error=command.error.to_json(),
        retry_at=due_at.isoformat(),
    )


def _fail_for_good(draft: Draft, command: StepFailed, state: StepState) -> None:
    draft.finish(
        command.step_key,
        state.ended(StepStatus.FAILED, draft.now, command.error.message),
        step_type=draft.plan_of(command.step_key).type,
        inputs=command.input,
        error=command.error,
    )
    draft.add_payload(PayloadRef(PayloadKind.ERROR, command.step_key), Payload.of(command.error.to_json()))
    draft.fact("step.failed", command.step_key, attempt=command.attempt, error=command.error.to_json())
    continue_from(draft, [command.step_key])


def _defer(draft: Draft, command: StepDeferred) -> None:
    state = _running(draft, command.step_key, command.attempt)
    if draft.stops(command.step_key):
        _skip_as_stopped(draft, command.step_key)
        return
    due_at = draft.now + max(command.after, timedelta(0))
    state = state._replace(waiting_since=state.waiting_since or state.started_at)
    polls = draft.plan_of(command.step_key).poll is not None
    state = after_poll(state) if polls else state._replace(progress=None)
    _park(draft, command, state, WaitKind.DEFERRED, due_at, reason=None)
    until = due_at.isoformat()
    draft.fact("step.pending", command.step_key, attempt=command.attempt, until=until, **poll_facts(state))


def _park(
    draft: Draft,
    command: StepFailed | StepDeferred,
    state: StepState,
    wait: WaitKind,
    due_at: datetime,
    reason: str | None,
) -> None:
    parked = state._replace(
        status=StepStatus.PENDING, wait=wait, due_at=due_at, owner=None, ended_at=draft.now, reason=reason
    )
    draft.put(
        command.step_key,
        parked,
        step_type=draft.plan_of(command.step_key).type,
        inputs=command.input,
        output=command.output if isinstance(command, StepDeferred) else None,
        error=command.error if isinstance(command, StepFailed) else None,
    )
    draft.arm(due_at)


def _skip(draft: Draft, command: StepSkipped) -> None:
    _running(draft, command.step_key, command.attempt)
    plan = draft.plan_of(command.step_key)
    continue_from(draft, skip(draft, command.step_key, plan, SkipKind.HANDLER, command.reason))


def _release(draft: Draft, command: StepReleased) -> None:
    state = _running(draft, command.step_key, command.attempt)
    draft.fact("step.released", command.step_key, attempt=command.attempt, worker=state.owner)
    _again(draft, command.step_key, state)


def _lose(draft: Draft, command: LeaseExpired) -> None:
    state = _running(draft, command.step_key, command.attempt)
    state = state._replace(lost=state.lost + 1)
    draft.fact("step.lost", command.step_key, attempt=command.attempt, worker=state.owner)
    if state.lost < command.max_lost:
        _again(draft, command.step_key, state)
        return
    message = f"{state.lost} attempts were lost: their workers died or stopped sending heartbeats (last {state.owner})"
    failure = StepFailed(command.step_key, command.attempt, StepError("WorkerLost", message, retryable=False))
    _fail_for_good(draft, failure, state)


def _again(draft: Draft, step_key: str, state: StepState) -> None:
    """The attempt came to nothing through no fault of the step: let the next worker have it."""
    if draft.stops(step_key):
        _skip_as_stopped(draft, step_key)
    else:
        plan = draft.plan_of(step_key)
        make_ready(draft, step_key, plan, with_clock(state, plan))


def _wake(draft: Draft, command: TimerFired) -> None:
    state = draft.step(command.step_key)
    if (
        state is None
        or state.status is not StepStatus.PENDING
        or state.attempt != command.attempt
        or state.due_at is None
        or state.due_at > draft.now
    ):
        raise Fenced(f"step {command.step_key!r} does not wait for this timer")
    continue_from(draft, wake(draft, command.step_key, state))


def _signal(draft: Draft, command: SignalReceived) -> None:
    mailbox = draft.state.mailbox
    known = None if mailbox is None else mailbox.find(command.id, command.deduplication_id)
    if known is not None:
        raise SignalKnown(known)
    if draft.state.status.is_final:
        raise SignalNotExpected(f"the run {draft.facts.run_id} has already ended {draft.state.status}")
    continue_from(draft, receive(draft, command))


def _claim(draft: Draft, command: ClaimStep) -> None:
    state = draft.step(command.step_key)
    key = command.step_key
    if state is None or state.status is not StepStatus.READY or state.attempt != command.attempt or draft.stops(key):
        raise Fenced(f"step {key!r} is not ready for attempt {command.attempt + 1}")
    make_ready(draft, key, draft.plan_of(key), state)
    if key not in draft.transition.claimed:
        raise Fenced(f"step {key!r} may not be started without asking for limits")


def _stop(draft: Draft, command: StopRun) -> None:
    if draft.state.status.is_final:
        raise InvalidTransition(f"the run {draft.facts.run_id} has already ended {draft.state.status}")
    if draft.transition.stop is not None:
        raise InvalidTransition(f"the run {draft.facts.run_id} is already being stopped ({draft.transition.stop.kind})")
    if command.kind is StopKind.TIMED_OUT and (draft.state.deadline is None or draft.state.deadline > draft.now):
        raise Fenced("the deadline has moved")
    draft.transition.stop = StopRequest(command.kind, command.reason, draft.now)
    draft.fact("run.stop_requested", kind=str(command.kind), reason=command.reason, **who(command.by))
    final: list[str] = []
    waiting: list[str] = []
    for key, state in draft.state.steps.items():
        if not draft.stops(key):
            continue
        if waits_for_child(state):
            waiting.append(key)
        elif state.status in (StepStatus.READY, StepStatus.PENDING):
            final += _stopped(draft, key)
        elif state.status is StepStatus.RUNNING and not state.is_block:
            draft.rarities.interrupted.append(key)
    stop_children(draft, waiting)
    lift_suspension(draft)
    continue_from(draft, [*final, *deliver(draft)])


def _skip_as_stopped(draft: Draft, step_key: str) -> None:
    continue_from(draft, _stopped(draft, step_key))


def _stopped(draft: Draft, step_key: str) -> list[str]:
    state = draft.step(step_key)
    if state is not None and state.is_block:
        return follow(draft, stop_waiting(draft, step_key))
    stop = draft.transition.stop
    assert stop is not None
    reason = "the run was cancelled" if stop.kind is StopKind.CANCELLED else "the run passed its deadline"
    return skip(draft, step_key, draft.plan_of(step_key), SkipKind.RUN_STOPPED, reason)


def _running(draft: Draft, step_key: str, attempt: int) -> StepState:
    """The step's state, if that attempt is the one that runs now."""
    state = draft.step(step_key)
    if state is None or state.status is not _RUNNING or state.attempt != attempt or state.is_block:
        now = "not started" if state is None else f"{state.status}, attempt {state.attempt}"
        raise Fenced(f"attempt {attempt} of step {step_key!r} is over (now {now})")
    return state
