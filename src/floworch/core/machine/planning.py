"""What follows when a step becomes final: dependents start or are skipped, loops go on, scopes and the run end.

All of it works off a list instead of recursing, and touches only what the change can reach.
"""

from __future__ import annotations

from floworch.core.dag.keys import child_key, iteration_scope, own_key, scope_of, split_scope
from floworch.core.dag.lookup import loop_plan, scope_plan
from floworch.core.dag.outcome import scope_outcome
from floworch.core.dag.plan import ScopePlan, StepPlan
from floworch.core.machine.draft import Draft
from floworch.core.machine.state import LoopProgress, SkipKind, StepState
from floworch.core.model.payload import Json, Payload, PayloadKind, PayloadRef
from floworch.core.model.records import StepError
from floworch.core.model.status import RunStatus, StepStatus, StopKind
from floworch.errors import ExpressionError, InvalidPayload

__all__ = ["continue_from", "enter", "enter_scope", "make_ready", "reopen_iteration", "skip"]

_RUN_STATUS = {
    StepStatus.SUCCEEDED: RunStatus.SUCCEEDED,
    StepStatus.FAILED: RunStatus.FAILED,
    StepStatus.SKIPPED: RunStatus.SKIPPED,
}
_STOP_STATUS = {StopKind.CANCELLED: RunStatus.CANCELLED, StopKind.TIMED_OUT: RunStatus.TIMED_OUT}
_COUNTER = {StepStatus.SUCCEEDED: "succeeded", StepStatus.FAILED: "failed", StepStatus.SKIPPED: "skipped"}


def continue_from(draft: Draft, final: list[str]) -> None:
    """Carry on after the steps ``final`` became final."""
    queue = list(final)
    # Not a set: the order of texts in a set differs between processes, and every process must decide the same.
    touched: dict[str, None] = {}
    while queue or touched:
        while queue:
            key = queue.pop()
            scope = scope_of(key)
            touched[scope] = None
            queue += _release_dependents(draft, scope, key)
        scope, _ = touched.popitem()
        if draft.open_steps(scope) == 0:
            queue += _end_scope(draft, scope)


def enter_scope(draft: Draft, scope: str, plan: ScopePlan) -> list[str]:
    """Begin a scope; returns the keys of entry steps that are final already."""
    draft.set_open(scope, len(plan.steps))
    return [key for step in plan.entries for key in enter(draft, child_key(scope, step.key), step)]


def enter(draft: Draft, key: str, plan: StepPlan) -> list[str]:
    """Start a step whose dependencies are all satisfied; returns its key if it is final already."""
    if draft.is_stopping:
        return skip(draft, key, plan, SkipKind.RUN_STOPPED, _stop_reason(draft))
    trace: list[Json] = []
    try:
        for condition in plan.conditions:
            environment = draft.environment(key)
            environment.require(condition.references)
            decision = condition.evaluate(environment)
            trace.append(decision.trace)
            if not decision.result:
                reason = f"the condition {condition.source!r} is false: {decision.trace['resolved']}"
                return skip(draft, key, plan, SkipKind.WHEN_FALSE, reason, trace)
    except ExpressionError as error:
        return _fail(draft, key, plan, StepError("ExpressionError", str(error), retryable=False), trace)
    if plan.loop is not None:
        return _start_loop(draft, key, plan, trace)
    make_ready(draft, key, plan, StepState(StepStatus.READY, ready_at=draft.now), trace)
    return []


def make_ready(draft: Draft, key: str, plan: StepPlan, state: StepState, trace: Json = None) -> None:
    """Let any worker take the step, or start it right away for the worker that offers to run it."""
    offer = draft.offer
    claimed = draft.transition.claimed
    if offer is not None and len(claimed) < offer.limit and offer.accepts(plan.type):
        started = state.claimed(offer.owner, draft.now)
        if state.status is not StepStatus.READY:
            started = started._replace(ready_at=draft.now, ended_at=None)
        draft.put(key, started, step_type=plan.type, lease_seconds=plan.lease_seconds or offer.lease_seconds)
        draft.fact("step.started", key, attempt=started.attempt, worker=offer.owner, **_when(trace))
        claimed.append(key)
        return
    ready = state._replace(
        status=StepStatus.READY,
        owner=None,
        ready_at=draft.now,
        started_at=None,
        ended_at=None,
        due_at=None,
        wait=None,
    )
    draft.put(key, ready, step_type=plan.type)
    draft.fact("step.ready", key, attempt=ready.attempt, **_when(trace))
    draft.transition.ready.append(key)


def skip(draft: Draft, key: str, plan: StepPlan, kind: SkipKind, reason: str, trace: Json = None) -> list[str]:
    """Record a step as skipped; returns its key, which is final now."""
    earlier = draft.step(key)
    state = StepState(
        StepStatus.SKIPPED,
        attempt=earlier.attempt if earlier else 0,
        started_at=earlier.started_at if earlier else None,
        skip=kind,
        reason=reason,
        ended_at=draft.now,
    )
    draft.finish(key, state, step_type=plan.type, trace=trace or None)
    draft.fact("step.skipped", key, attempt=state.attempt, kind=str(kind), reason=reason)
    return [key]


def _release_dependents(draft: Draft, scope: str, key: str) -> list[str]:
    """Start or skip the steps that waited for ``key``; returns those that are final already."""
    plan = scope_plan(draft.plan, scope)
    state = draft.step(key)
    assert state is not None
    own = own_key(key)
    final: list[str] = []
    for name in plan.steps[own].dependents:
        dependent_key = child_key(scope, name)
        if draft.step(dependent_key) is not None:
            continue
        dependent = plan.steps[name]
        if state.status not in dependent.run_after[own]:
            reason = f"{own!r} ended {state.status}"
            final += skip(draft, dependent_key, dependent, SkipKind.PREREQUISITES_UNMET, reason)
            continue
        left = draft.unmet(dependent_key, len(dependent.run_after)) - 1
        if left == 0:
            final += enter(draft, dependent_key, dependent)
        else:
            draft.set_unmet(dependent_key, left)
    return final


def _end_scope(draft: Draft, scope: str) -> list[str]:
    """End the run, or the iteration; returns the loop's key if the loop is final now."""
    outcome = _outcome(draft, scope)
    if scope:
        return _end_iteration(draft, scope, outcome)
    if draft.transition.stop is not None:
        draft.end_run(_STOP_STATUS[draft.transition.stop.kind])
    else:
        draft.end_run(_RUN_STATUS[outcome])
    return []


def _outcome(draft: Draft, scope: str) -> StepStatus:
    def state_of(key: str) -> StepState:
        state = draft.step(child_key(scope, key))
        assert state is not None
        return state

    return scope_outcome(
        scope_plan(draft.plan, scope),
        lambda key: state_of(key).status,
        lambda key: state_of(key).skip is SkipKind.PREREQUISITES_UNMET,
    )


def _start_loop(draft: Draft, key: str, plan: StepPlan, trace: Json) -> list[str]:
    earlier = draft.step(key)
    attempt = (earlier.attempt if earlier else 0) + 1
    try:
        items = _loop_items(draft, key, plan)
        snapshot = Payload.of(items)
    except (ExpressionError, InvalidPayload, _NotAList) as error:
        return _fail(draft, key, plan, StepError(type(error).__name__.lstrip("_"), str(error), retryable=False), trace)
    state = StepState(
        StepStatus.RUNNING,
        attempt=attempt,
        ready_at=draft.now,
        started_at=draft.now,
        loop=LoopProgress(total=len(items)),
    )
    draft.put(key, state, step_type=plan.type)
    draft.rarities.loop_items[key] = snapshot
    draft.add_payload(PayloadRef(PayloadKind.ITEMS, key), snapshot)
    draft.fact("step.started", key, attempt=attempt, iterations=len(items), **_when(trace))
    return _go_on_with_loop(draft, key, plan)


class _NotAList(Exception):
    pass


def _loop_items(draft: Draft, key: str, plan: StepPlan) -> list[Json]:
    source = loop_plan(plan).source
    environment = draft.environment(key)
    environment.require(source.references)
    items = source.resolve(environment)
    if items is None:
        return []
    if not isinstance(items, list):
        raise _NotAList(f"forEach of {plan.key!r} must be a list, but {source.source!r} is {_json_type(items)}")
    return items


def _go_on_with_loop(draft: Draft, key: str, plan: StepPlan) -> list[str]:
    """Begin iterations up to the limit, or end the loop; returns keys that are final already."""
    final: list[str] = []
    limit = loop_plan(plan).concurrency_limit
    while True:
        progress = _progress(draft, key)
        if draft.is_stopping or progress.started == progress.total or progress.in_flight >= limit:
            break
        draft.update_loop(key, started=progress.started + 1)
        scope = iteration_scope(key, progress.started)
        final += enter_scope(draft, scope, loop_plan(plan).body)
    if progress.in_flight == 0 and (draft.is_stopping or progress.done == progress.total):
        final += _end_loop(draft, key, plan, progress)
    return final


def _end_iteration(draft: Draft, scope: str, outcome: StepStatus) -> list[str]:
    loop_key, _ = split_scope(scope)
    progress = _progress(draft, loop_key)
    changes: dict[str, object] = {_COUNTER[outcome]: getattr(progress, _COUNTER[outcome]) + 1}
    if outcome is StepStatus.FAILED and progress.first_failure is None:
        changes["first_failure"] = _first_failed(draft, scope)
    draft.update_loop(loop_key, **changes)
    draft.settle(scope)
    return _go_on_with_loop(draft, loop_key, draft.plan_of(loop_key))


def reopen_iteration(draft: Draft, scope: str) -> None:
    """Undo the end of an iteration, and of its loop: both run again. The caller opens a step of the iteration."""
    loop_key, _ = split_scope(scope)
    draft.revive(scope)
    counter = _COUNTER[_outcome(draft, scope)]
    progress = _progress(draft, loop_key)
    changes: dict[str, object] = {counter: getattr(progress, counter) - 1}
    if progress.failed <= 1:
        changes["first_failure"] = None
    state = draft.update_loop(loop_key, **changes)
    if state.is_final:
        running = state._replace(status=StepStatus.RUNNING, skip=None, reason=None, ended_at=None)
        draft.put(loop_key, running, step_type=draft.plan_of(loop_key).type)
        draft.fact("step.reopened", loop_key, attempt=state.attempt)


def _first_failed(draft: Draft, scope: str) -> str:
    keys = (child_key(scope, key) for key in scope_plan(draft.plan, scope).steps)
    return next(key for key in keys if (state := draft.step(key)) and state.status is StepStatus.FAILED)


def _end_loop(draft: Draft, key: str, plan: StepPlan, progress: LoopProgress) -> list[str]:
    if draft.is_stopping and progress.done < progress.total:
        return _finish_loop(draft, key, plan, StepStatus.SKIPPED, skip_kind=SkipKind.RUN_STOPPED)
    if progress.failed:
        message = f"{progress.failed} of {progress.total} iterations failed, first {progress.first_failure!r}"
        return _fail(draft, key, plan, StepError("IterationFailed", message, retryable=False))
    if progress.total and progress.skipped == progress.total:
        return _finish_loop(draft, key, plan, StepStatus.SKIPPED, skip_kind=None)
    return _finish_loop(draft, key, plan, StepStatus.SUCCEEDED)


def _finish_loop(
    draft: Draft, key: str, plan: StepPlan, status: StepStatus, skip_kind: SkipKind | None = None
) -> list[str]:
    state = draft.step(key)
    assert state is not None
    reason = None
    if status is StepStatus.SKIPPED:
        reason = _stop_reason(draft) if skip_kind else "every iteration was skipped"
        draft.fact("step.skipped", key, attempt=state.attempt, kind=skip_kind and str(skip_kind), reason=reason)
    else:
        draft.fact("step.completed", key, attempt=state.attempt)
    ended = state._replace(status=status, skip=skip_kind, reason=reason, ended_at=draft.now)
    draft.finish(key, ended, step_type=plan.type)
    return [key]


def _fail(draft: Draft, key: str, plan: StepPlan, error: StepError, trace: Json = None) -> list[str]:
    """Record a step that the planner itself finds to have failed."""
    earlier = draft.step(key) or StepState(StepStatus.READY, ready_at=draft.now)
    state = earlier._replace(
        status=StepStatus.FAILED, reason=error.message, owner=None, due_at=None, ended_at=draft.now
    )
    draft.finish(key, state, step_type=plan.type, error=error, trace=trace or None)
    draft.add_payload(PayloadRef(PayloadKind.ERROR, key), Payload.of(error.to_json()))
    draft.fact("step.failed", key, attempt=state.attempt, error=error.to_json())
    return [key]


def _progress(draft: Draft, loop_key: str) -> LoopProgress:
    state = draft.step(loop_key)
    assert state is not None
    assert state.loop is not None
    return state.loop


def _stop_reason(draft: Draft) -> str:
    stop = draft.transition.stop
    assert stop is not None
    word = "cancelled" if stop.kind is StopKind.CANCELLED else "past its deadline"
    return f"the run is {word}" + (f": {stop.reason}" if stop.reason else "")


def _when(trace: Json) -> dict[str, Json]:
    """How the step's conditions were decided, for the history."""
    return {"when": trace} if trace else {}


def _json_type(value: Json) -> str:
    match value:
        case dict():
            return "an object"
        case str():
            return "a string"
        case bool():
            return "a boolean"
        case _:
            return "a number"
