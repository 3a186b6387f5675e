"""Why a step that has begun has not ended."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from floworch.core.dag.keys import is_shielded
from floworch.core.explain import words
from floworch.core.explain.limits import why_limited
from floworch.core.explain.reasons import Reason, ReasonCode
from floworch.core.explain.signals import why_no_signal
from floworch.core.explain.situation import Situation
from floworch.core.machine.progress import ChildWait, LoopProgress, PollProgress, UntilProgress
from floworch.core.machine.state import StepState, WaitKind
from floworch.core.model.child_types import RUN_FLOW, shown_type
from floworch.core.model.status import StepStatus

__all__ = ["holders", "inside", "why_under_way"]


def holders(situation: Situation, prefix: str = "") -> list[str]:
    """Keys below the prefix of all steps that are under way by themselves: no blocks whose steps are."""
    return [key for key, state in situation.state.steps.items() if key.startswith(prefix) and _holds(state)]


def _holds(state: StepState) -> bool:
    return not state.is_final and not (state.is_block and state.status is StepStatus.RUNNING)


def why_under_way(situation: Situation, key: str) -> Reason:
    """What the step waits for, which is ready, running or pending, and no block that runs."""
    state = situation.step(key)
    assert state is not None
    match state.status:
        case StepStatus.READY:
            return _ready(situation, key, state)
        case StepStatus.RUNNING:
            return _running(situation, key, state)
        case StepStatus.PENDING:
            return _pending(situation, key, state)
        case _:
            raise AssertionError(f"{key!r} is {state.status}")


def inside(situation: Situation, key: str) -> Reason:
    """How far a block is that runs."""
    state = situation.step(key)
    assert state is not None
    far, details = _how_far(state)
    sentence = f"Step {key!r} runs{words.since(state.started_at, situation.now)}{far}, and waits for steps inside it."
    return Reason(ReasonCode.INSIDE, key, sentence, since=state.started_at, details=details)


def _how_far(state: StepState) -> tuple[str, dict[str, Any]]:
    progress = state.progress
    if isinstance(progress, LoopProgress):
        counts = {"total": progress.total, "started": progress.started, "done": progress.done}
        return f": {progress.done} of {words.number(progress.total, 'iteration')} have ended", counts
    if isinstance(progress, UntilProgress):
        return f": iteration {progress.started - 1} is under way", {"started": progress.started}
    phase = getattr(progress, "phase", None)
    return f", and is at its {phase!r}", {"branch": phase}


# -- ready


def _ready(situation: Situation, key: str, state: StepState) -> Reason:
    plan = situation.plan_of(key)
    ready = f"Step {key!r} is ready{words.since(state.ready_at, situation.now)}"
    details: dict[str, Any] = {"type": shown_type(plan.type), "attempts": state.attempt}
    if not situation.is_flow_known:
        name = situation.plan.flow_name
        sentence = f"{ready}, but the flow {name!r} is not registered in this process; a process that has it takes it."
        return Reason(ReasonCode.UNKNOWN_FLOW, key, sentence, state.ready_at, None, details)
    if not situation.accepts(plan.type):
        sentence = f"{ready}, but this process has no handler for {_what(plan.type)}; one that has takes it."
        return Reason(ReasonCode.NO_HANDLER, key, sentence, state.ready_at, None, details)
    if situation.limits.get(key):
        return why_limited(key, state.ready_at, situation.now, situation.limits[key])
    waits = situation.now - (state.ready_at or situation.now)
    if waits > situation.patience and not situation.is_anybody_at_work:
        sentence = f"{ready}, and no process runs any step: no worker seems to be alive."
        return Reason(ReasonCode.NO_WORKER, key, sentence, state.ready_at, None, details)
    is_busy = waits > situation.patience
    sentence = f"{ready}: the workers are busy with other steps." if is_busy else f"{ready}, and a worker will take it."
    return Reason(ReasonCode.WORKER, key, sentence, state.ready_at, None, details)


def _what(step_type: str) -> str:
    if shown_type(step_type) == step_type:
        return f"steps of type {step_type!r}"
    return f"the flow {step_type.removeprefix(f'{RUN_FLOW}:')!r}, which it starts"


# -- running


def _running(situation: Situation, key: str, state: StepState) -> Reason:
    record, plan, now = situation.record_of(key), situation.plan_of(key), situation.now
    lease_until = None if record is None else record.lease_until
    lease_seconds = plan.lease_seconds or situation.lease_seconds
    heard_at = None if lease_until is None else lease_until - timedelta(seconds=lease_seconds)
    details: dict[str, Any] = {
        "type": shown_type(plan.type),
        "worker": state.owner,
        "attempt": state.attempt,
        "leaseUntil": _iso(lease_until),
        "heardOfAt": _iso(heard_at),
        "timeoutSeconds": plan.timeout_seconds,
    }
    which = f"attempt {state.attempt} of step {key!r}"
    if lease_until is not None and lease_until <= now:
        sentence = (
            f"The worker {state.owner!r} runs {which} and has sent no sign of life: its lease ran out at "
            f"{words.ago(lease_until, now)}. A process that works will let another worker have the step."
        )
        return Reason(ReasonCode.LEASE_EXPIRED, key, sentence, state.started_at, None, details)
    asked = " and has been asked to stop" if situation.state.stop is not None and not is_shielded(key) else ""
    lease = "" if lease_until is None else f"; its lease is good until {words.ahead(lease_until, now)}"
    sentence = f"The worker {state.owner!r} runs {which}{words.since(state.started_at, now)}{asked}{lease}."
    return Reason(ReasonCode.HANDLER, key, sentence, state.started_at, None, details)


# -- pending


def _pending(situation: Situation, key: str, state: StepState) -> Reason:
    match state.wait:
        case WaitKind.RETRY:
            return _retry(situation, key, state)
        case WaitKind.DEFERRED:
            return _deferred(situation, key, state)
        case WaitKind.ITERATION:
            return _pause(situation, key, state)
        case WaitKind.SIGNAL:
            return why_no_signal(situation, key, state)
        case WaitKind.CHILD:
            return _child(situation, key, state)
        case _:
            return _parked(situation, key, state)


def _retry(situation: Situation, key: str, state: StepState) -> Reason:
    record = situation.record_of(key)
    error = None if record is None or record.error is None else record.error
    why = f"{error['type']}: {error['message']}" if error else state.reason
    sentence = words.closed(
        f"Step {key!r} waits to be tried again{_until(situation, state)}: attempt {state.attempt} failed: {why}"
    )
    details: dict[str, Any] = {"attempt": state.attempt, "failures": state.failures, "error": why}
    return Reason(ReasonCode.RETRY, key, sentence, state.ended_at, state.due_at, details)


def _deferred(situation: Situation, key: str, state: StepState) -> Reason:
    since = state.waiting_since or state.ended_at
    if isinstance(state.progress, PollProgress):
        polls = words.number(state.progress.polls, "poll")
        sentence = (
            f"Step {key!r} waits for its next poll{_until(situation, state)}: {polls}"
            f"{words.since(since, situation.now)} did not find what it waits for."
        )
        return Reason(ReasonCode.POLL, key, sentence, since, state.due_at, {"polls": state.progress.polls})
    sentence = f"Step {key!r} has put itself off{_until(situation, state)}{words.since(since, situation.now)}."
    return Reason(ReasonCode.DEFERRED, key, sentence, since, state.due_at, {"attempt": state.attempt})


def _pause(situation: Situation, key: str, state: StepState) -> Reason:
    started = state.progress.started if isinstance(state.progress, UntilProgress) else 0
    sentence = f"Step {key!r} pauses{_until(situation, state)} before its iteration {started}."
    return Reason(ReasonCode.PAUSE, key, sentence, None, state.due_at, {"started": started})


def _child(situation: Situation, key: str, state: StepState) -> Reason:
    assert isinstance(state.progress, ChildWait)
    run_id, flow = state.progress.run_id, state.progress.flow_name
    child = situation.children.get(run_id)
    stopping = ", which has been asked to stop," if situation.state.stop is not None else ""
    since = words.since(state.started_at, situation.now)
    why = "." if child is None else f". {child.sentence}"
    sentence = f"Step {key!r} waits for the run {run_id} of flow {flow!r}{stopping}{since}{why}"
    details = {"runId": run_id, "flow": flow, "explanation": None if child is None else child.to_json()}
    return Reason(ReasonCode.CHILD, key, sentence, state.started_at, None, details)


def _parked(situation: Situation, key: str, state: StepState) -> Reason:
    suspension = situation.state.suspension
    if state.wait is WaitKind.SUSPENDED and suspension is not None:
        sentence = f"Step {key!r} waits for the run to be resumed{words.since(suspension.at, situation.now)}."
        return Reason(ReasonCode.SUSPENDED, key, sentence, suspension.at)
    return Reason(ReasonCode.WAIT, key, f"Step {key!r} waits{_until(situation, state)}.", None, state.due_at)


def _until(situation: Situation, state: StepState) -> str:
    """`` until ...``, and that nobody has noticed, where that is so."""
    overdue = ", which no process has acted on yet" if state.due_at and state.due_at <= situation.now else ""
    return words.until(state.due_at, situation.now) + overdue


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
