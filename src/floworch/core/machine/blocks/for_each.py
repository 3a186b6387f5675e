"""Loops over the items of a list."""

from __future__ import annotations

from floworch.core.dag.keys import iteration_scope, split_iteration
from floworch.core.dag.plan import LoopPlan, StepPlan
from floworch.core.machine.blocks.work import Begin, Work, first_failed
from floworch.core.machine.draft import Draft
from floworch.core.machine.progress import LoopProgress
from floworch.core.machine.state import SkipKind, StepState
from floworch.core.machine.steps import fail, stop_reason, when_facts
from floworch.core.model.payload import Json, Payload, PayloadKind, PayloadRef
from floworch.core.model.records import StepError
from floworch.core.model.status import StepStatus
from floworch.errors import ExpressionError, InvalidPayload

__all__ = ["end_iteration", "reopen_iteration", "start_loop"]

_COUNTER = {StepStatus.SUCCEEDED: "succeeded", StepStatus.FAILED: "failed", StepStatus.SKIPPED: "skipped"}


def start_loop(draft: Draft, key: str, plan: StepPlan, loop: LoopPlan, trace: Json) -> list[Work]:
    """Take the snapshot of the items and begin the first iterations."""
    earlier = draft.step(key)
    attempt = (earlier.attempt if earlier else 0) + 1
    try:
        items = _items(draft, key, plan, loop)
        snapshot = Payload.of(items)
    except (ExpressionError, InvalidPayload, _NotAList) as error:
        error_type = type(error).__name__.lstrip("_")
        return [*fail(draft, key, plan, StepError(error_type, str(error), retryable=False), trace)]
    state = StepState(
        StepStatus.RUNNING,
        attempt=attempt,
        ready_at=draft.now,
        started_at=draft.now,
        progress=LoopProgress(total=len(items)),
    )
    draft.put(key, state, step_type=plan.type)
    draft.rarities.loop_items[key] = snapshot
    draft.add_payload(PayloadRef(PayloadKind.ITEMS, key), snapshot)
    draft.fact("step.started", key, attempt=attempt, iterations=len(items), **when_facts(trace))
    return _go_on(draft, key, plan, loop)


class _NotAList(Exception):
    pass


def _items(draft: Draft, key: str, plan: StepPlan, loop: LoopPlan) -> list[Json]:
    source = loop.source
    environment = draft.environment(key)
    environment.require(source.references)
    items = source.resolve(environment)
    if items is None:
        return []
    if not isinstance(items, list):
        raise _NotAList(f"forEach of {plan.key!r} must be a list, but {source.source!r} is {_json_type(items)}")
    return items


def _go_on(draft: Draft, key: str, plan: StepPlan, loop: LoopPlan) -> list[Work]:
    """Begin iterations up to the limit, or end the loop."""
    work: list[Work] = []
    while True:
        progress = _progress(draft, key)
        if draft.stops(key) or progress.started == progress.total or progress.in_flight >= loop.concurrency_limit:
            break
        draft.update_progress(key, started=progress.started + 1)
        work.append(Begin(iteration_scope(key, progress.started)))
    if progress.in_flight == 0 and (draft.stops(key) or progress.done == progress.total):
        work += _end_loop(draft, key, plan, progress)
    return work


def end_iteration(draft: Draft, scope: str, loop: LoopPlan, outcome: StepStatus) -> list[Work]:
    """Count an iteration that has ended, and go on with the loop."""
    loop_key, _ = split_iteration(scope)
    progress = _progress(draft, loop_key)
    changes: dict[str, object] = {_COUNTER[outcome]: getattr(progress, _COUNTER[outcome]) + 1}
    if outcome is StepStatus.FAILED and progress.first_failure is None:
        changes["first_failure"] = first_failed(draft, scope)
    draft.update_progress(loop_key, **changes)
    draft.settle(scope)
    return _go_on(draft, loop_key, draft.plan_of(loop_key), loop)


def reopen_iteration(draft: Draft, scope: str, outcome: StepStatus) -> None:
    """Undo the end of an iteration, and of its loop: both run again. ``outcome`` is how the iteration ended.

    The caller opens a step of the iteration."""
    loop_key, _ = split_iteration(scope)
    draft.revive(scope)
    counter = _COUNTER[outcome]
    progress = _progress(draft, loop_key)
    changes: dict[str, object] = {counter: getattr(progress, counter) - 1}
    if progress.failed <= 1:
        changes["first_failure"] = None
    state = draft.update_progress(loop_key, **changes)
    if state.is_final:
        running = state._replace(status=StepStatus.RUNNING, skip=None, reason=None, ended_at=None)
        draft.put(loop_key, running, step_type=draft.plan_of(loop_key).type)
        draft.fact("step.reopened", loop_key, attempt=state.attempt)


def _end_loop(draft: Draft, key: str, plan: StepPlan, progress: LoopProgress) -> list[str]:
    if draft.stops(key) and progress.done < progress.total:
        return _finish(draft, key, plan, StepStatus.SKIPPED, skip_kind=SkipKind.RUN_STOPPED)
    if progress.failed:
        message = f"{progress.failed} of {progress.total} iterations failed, first {progress.first_failure!r}"
        return fail(draft, key, plan, StepError("IterationFailed", message, retryable=False))
    if progress.total and progress.skipped == progress.total:
        return _finish(draft, key, plan, StepStatus.SKIPPED, skip_kind=None)
    return _finish(draft, key, plan, StepStatus.SUCCEEDED)


def _finish(draft: Draft, key: str, plan: StepPlan, status: StepStatus, skip_kind: SkipKind | None = None) -> list[str]:
    state = draft.step(key)
    assert state is not None
    reason = None
    if status is StepStatus.SKIPPED:
        reason = stop_reason(draft) if skip_kind else "every iteration was skipped"
        draft.fact("step.skipped", key, attempt=state.attempt, kind=skip_kind and str(skip_kind), reason=reason)
    else:
        draft.fact("step.completed", key, attempt=state.attempt)
    ended = state._replace(status=status, skip=skip_kind, reason=reason, ended_at=draft.now)
    draft.finish(key, ended, step_type=plan.type)
    return [key]


def _progress(draft: Draft, loop_key: str) -> LoopProgress:
    state = draft.step(loop_key)
    assert state is not None
    assert state.loop is not None
    return state.loop


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
