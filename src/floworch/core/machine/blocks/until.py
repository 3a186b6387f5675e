"""Loops that go on until a condition holds: one iteration after the other, each one in a scope of its own."""

from __future__ import annotations

from datetime import timedelta

from floworch.core.dag.keys import child_key, iteration_scope, split_iteration
from floworch.core.dag.plan import StepPlan, UntilPlan
from floworch.core.machine.blocks.work import (
    Begin,
    Work,
    fail_block,
    first_failed,
    reopen_block,
    skip_stopped,
    succeed,
)
from floworch.core.machine.draft import Draft
from floworch.core.machine.progress import UntilProgress
from floworch.core.machine.state import StepState, WaitKind
from floworch.core.model.payload import Json
from floworch.core.model.status import StepStatus
from floworch.errors import ExpressionError, InvalidTransition

__all__ = ["begin_iteration", "continue_by_hand", "end_iteration", "reopen_iteration", "start_until"]


def start_until(draft: Draft, key: str, plan: StepPlan, trace: Json) -> list[Work]:
    """Begin the first iteration."""
    earlier = draft.step(key)
    attempt = (earlier.attempt if earlier else 0) + 1
    state = StepState(
        StepStatus.RUNNING,
        attempt=attempt,
        ready_at=draft.now,
        started_at=draft.now,
        progress=UntilProgress(started=1),
    )
    draft.put(key, state, step_type=plan.type)
    draft.fact("step.started", key, attempt=attempt, when=trace)
    return [Begin(iteration_scope(key, 0))]


def end_iteration(draft: Draft, scope: str, until: UntilPlan, outcome: StepStatus) -> list[Work]:
    """Ask the condition, and end the loop, go on with it, or wait until it goes on."""
    key, _ = split_iteration(scope)
    plan = draft.plan_of(key)
    work = _failed(draft, scope, plan) if outcome is StepStatus.FAILED else _succeeded(draft, scope, plan, until)
    draft.settle(scope)
    return work


def begin_iteration(draft: Draft, key: str, **data: Json) -> list[Work]:
    """Begin the next iteration; ``data`` is for the history."""
    progress = _progress(draft, key)
    state = draft.update_progress(key, started=progress.started + 1)
    running = state._replace(status=StepStatus.RUNNING, wait=None, due_at=None, ended_at=None, reason=None)
    draft.put(key, running, step_type=draft.plan_of(key).type)
    draft.fact("step.continued", key, attempt=state.attempt, iteration=progress.started, **data)
    return [Begin(iteration_scope(key, progress.started))]


def continue_by_hand(draft: Draft, key: str) -> list[Work]:
    """Go on with a loop that has come to its limit: as many iterations again."""
    state = draft.update_progress(key, counted_from=_progress(draft, key).started)
    draft.put(key, state._replace(ready_at=draft.now), step_type=draft.plan_of(key).type)
    return begin_iteration(draft, key)


def reopen_iteration(draft: Draft, scope: str) -> None:
    """Undo the end of the latest iteration, and of the loop. The caller opens a step of the iteration.

    Raises InvalidTransition for an earlier one: what the later ones have done rests on how it ended.
    """
    key, index = split_iteration(scope)
    if index + 1 < _progress(draft, key).started:
        latest = iteration_scope(key, _progress(draft, key).started - 1)
        raise InvalidTransition(f"{key!r} has gone on since {scope!r}; only steps of {latest!r} can be retried")
    draft.revive(scope)
    draft.update_progress(key, first_failure=None)
    reopen_block(draft, key)


def _failed(draft: Draft, scope: str, plan: StepPlan) -> list[Work]:
    key, index = split_iteration(scope)
    failed = first_failed(draft, scope)
    draft.update_progress(key, first_failure=failed)
    return fail_block(draft, key, plan, "IterationFailed", f"iteration {index} failed, first {failed!r}")


def _succeeded(draft: Draft, scope: str, plan: StepPlan, until: UntilPlan) -> list[Work]:
    key, _ = split_iteration(scope)
    if draft.stops(key):
        return skip_stopped(draft, key, plan)
    environment = draft.environment(child_key(scope, plan.key))  # it sees what a step of the iteration sees
    environment.require(until.condition.references)
    try:
        decision = until.condition.evaluate(environment)
    except ExpressionError as error:
        return fail_block(draft, key, plan, "ExpressionError", str(error))
    if decision.result:
        return succeed(draft, key, plan, condition=decision.trace)
    progress = _progress(draft, key)
    if progress.started - progress.counted_from >= until.max_iterations:
        message = f"the condition {until.condition.source!r} is false after {progress.started} iterations"
        return fail_block(draft, key, plan, "UntilExhausted", f"{message}: {decision.trace['resolved']}")
    if until.delay_seconds > 0:
        return _wait(draft, key, plan, until, decision.trace)
    return begin_iteration(draft, key, condition=decision.trace)


def _wait(draft: Draft, key: str, plan: StepPlan, until: UntilPlan, trace: Json) -> list[Work]:
    state = draft.step(key)
    assert state is not None
    due_at = draft.now + timedelta(seconds=until.delay_seconds)
    draft.put(
        key,
        state._replace(status=StepStatus.PENDING, wait=WaitKind.ITERATION, due_at=due_at),
        step_type=plan.type,
    )
    draft.arm(due_at)
    draft.fact("step.pending", key, attempt=state.attempt, until=due_at.isoformat(), condition=trace)
    return []


def _progress(draft: Draft, key: str) -> UntilProgress:
    state = draft.step(key)
    assert state is not None
    assert isinstance(state.progress, UntilProgress)
    return state.progress
