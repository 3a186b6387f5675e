"""Loops over the items of a list."""

from __future__ import annotations

from floworch.core.dag.keys import child_key, iteration_scope, split_iteration
from floworch.core.dag.plan import LoopPlan, StepPlan
from floworch.core.machine.blocks.work import (
    Begin,
    Work,
    fail_block,
    first_failed,
    note_state,
    reopen_block,
    skip_block,
    skip_stopped,
    succeed,
)
from floworch.core.machine.draft import Draft
from floworch.core.machine.progress import LoopProgress
from floworch.core.machine.state import StepState
from floworch.core.machine.steps import fail
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
    draft.fact("step.started", key, attempt=attempt, iterations=len(items), when=trace)
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
    progress = _progress(draft, key)
    may_begin = not draft.stops(key) and not (progress.failed and loop.on_item_failure == "stopNew")
    while may_begin and progress.started < progress.total and progress.in_flight < loop.concurrency_limit:
        work.append(Begin(iteration_scope(key, progress.started)))
        draft.update_progress(key, started=progress.started + 1)
        progress = _progress(draft, key)
    if progress.in_flight == 0 and (progress.done == progress.total or not may_begin):
        work += _end_loop(draft, key, plan, loop, progress)
    return work


def end_iteration(draft: Draft, scope: str, loop: LoopPlan, outcome: StepStatus) -> list[Work]:
    """Count an iteration that has ended, and go on with the loop."""
    loop_key, _ = split_iteration(scope)
    progress = _progress(draft, loop_key)
    changes: dict[str, object] = {_COUNTER[outcome]: getattr(progress, _COUNTER[outcome]) + 1}
    if outcome is StepStatus.FAILED and progress.first_failure is None:
        changes["first_failure"] = first_failed(draft, scope)
    draft.update_progress(loop_key, **changes)
    if loop.on_item_failure == "continue":
        for key in loop.body.steps:
            note_state(draft, child_key(scope, key))
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
    draft.update_progress(loop_key, **changes)
    reopen_block(draft, loop_key)


def _end_loop(draft: Draft, key: str, plan: StepPlan, loop: LoopPlan, progress: LoopProgress) -> list[Work]:
    if draft.stops(key) and progress.done < progress.total:
        return skip_stopped(draft, key, plan)
    if progress.failed and loop.on_item_failure != "continue":
        return fail_block(draft, key, plan, "IterationFailed", _failures(progress))
    if progress.total and progress.skipped == progress.total:
        return skip_block(draft, key, plan, None, "every iteration was skipped")
    counts = {"failed": progress.failed, "first_failure": progress.first_failure} if progress.failed else {}
    return succeed(draft, key, plan, **counts)


def _failures(progress: LoopProgress) -> str:
    told = f"{progress.failed} of {progress.total} iterations failed, first {progress.first_failure!r}"
    never_begun = progress.total - progress.started
    return f"{told}; {never_begun} were never begun" if never_begun else told


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
