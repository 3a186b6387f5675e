"""What follows when a step becomes final: dependents start or are skipped, loops go on, scopes and the run end.

All of it works off a list instead of recursing, and touches only what the change can reach.
"""

from __future__ import annotations

from floworch.core.dag.keys import COMPENSATE, child_key, own_key, scope_of, split_scope
from floworch.core.dag.lookup import scope_plan
from floworch.core.dag.plan import StepPlan
from floworch.core.machine.blocks import Begin, Start, Work, end_branch, end_compensation, start_block
from floworch.core.machine.draft import Draft
from floworch.core.machine.outcomes import outcome_of
from floworch.core.machine.state import SkipKind, StepState
from floworch.core.machine.steps import fail, make_ready, skip, stop_reason
from floworch.core.machine.waits import start_wait
from floworch.core.model.payload import Json
from floworch.core.model.records import StepError
from floworch.core.model.status import RunStatus, StepStatus, StopKind
from floworch.errors import ExpressionError

__all__ = ["continue_from", "enter", "enter_scope", "follow"]

_RUN_STATUS = {
    StepStatus.SUCCEEDED: RunStatus.SUCCEEDED,
    StepStatus.FAILED: RunStatus.FAILED,
    StepStatus.SKIPPED: RunStatus.SKIPPED,
}
_NEW = StepState(StepStatus.READY)
_STOP_STATUS = {StopKind.CANCELLED: RunStatus.CANCELLED, StopKind.TIMED_OUT: RunStatus.TIMED_OUT}


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


def enter_scope(draft: Draft, scope: str) -> list[str]:
    """Begin a scope; returns the keys of entry steps that are final already."""
    plan = scope_plan(draft.plan, scope)
    draft.set_open(scope, len(plan.steps))
    return [key for step in plan.entries for key in enter(draft, child_key(scope, step.key), step)]


def enter(draft: Draft, key: str, plan: StepPlan) -> list[str]:
    """Start a step whose dependencies are all satisfied; returns its key if it is final already."""
    if draft.stops(key):
        return skip(draft, key, plan, SkipKind.RUN_STOPPED, stop_reason(draft))
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
        return fail(draft, key, plan, StepError("ExpressionError", str(error), retryable=False), trace)
    if plan.block is not None:
        return follow(draft, start_block(draft, key, plan, plan.block, trace))
    if plan.wait is not None:
        return start_wait(draft, key, plan, plan.wait, trace)
    make_ready(draft, key, plan, _NEW, trace)
    return []


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


def follow(draft: Draft, work: list[Work]) -> list[str]:
    """Begin the scopes that a block asks for; returns the keys of the steps that are final now."""
    final: list[str] = []
    for item in work:
        if isinstance(item, Begin):
            final += enter_scope(draft, item.scope)
        elif isinstance(item, Start):
            final += enter(draft, item.step_key, draft.plan_of(item.step_key))
        else:
            final.append(item)
    return final


def _end_scope(draft: Draft, scope: str) -> list[str]:
    """End the run, or the branch of a block; returns the block's key if the block is final now."""
    if split_scope(scope)[1] == COMPENSATE:
        return follow(draft, end_compensation(draft, scope))
    outcome = outcome_of(draft, scope)
    if scope:
        return follow(draft, end_branch(draft, scope, outcome))
    if draft.transition.stop is not None and not draft.has_failed_compensations:
        draft.end_run(_STOP_STATUS[draft.transition.stop.kind])
    elif draft.transition.stop is not None:
        draft.end_run(RunStatus.FAILED)
    else:
        draft.end_run(_RUN_STATUS[outcome])
    return []
