"""Running a failed step again by hand."""

from __future__ import annotations

from floworch.core.dag.keys import child_key, enclosing_scopes, own_key, scope_of, split_scope
from floworch.core.dag.lookup import scope_plan
from floworch.core.machine.blocks import continue_by_hand, reopen_branch
from floworch.core.machine.commands import RetryStep
from floworch.core.machine.draft import Draft
from floworch.core.machine.planning import continue_from, enter, follow, outcome_of
from floworch.core.machine.state import SkipKind, StepState
from floworch.core.machine.steps import make_ready, skip
from floworch.core.machine.waits import start_wait
from floworch.core.model.status import RunStatus, StepStatus
from floworch.errors import InvalidTransition, StepNotFound

__all__ = ["retry_step"]


_DECIDED_BY_OTHERS = (SkipKind.PREREQUISITES_UNMET, SkipKind.WHEN_FALSE)
"""Skips that follow from how earlier steps ended, and so are decided anew when one of those runs again."""


def retry_step(draft: Draft, command: RetryStep) -> None:
    """Make the failed step ready again, and every step that was skipped because of it wait again.

    Attempts are kept. A run that had ended runs again, with the deadline of the command;
    so do the loops around the step.
    Raises StepNotFound, or InvalidTransition for a step that has not failed.
    """
    key = command.step_key
    state = _failed_step(draft, key)
    was_stopped = _reopen_run(draft, command)
    draft.fact("step.retried", key)
    waiting = _reopen_around(draft, key)
    resumed: list[str] = []
    if was_stopped:
        waiting += _reset_stopped(draft, scope_of(key), resumed)
    draft.set_open(scope_of(key), draft.open_steps(scope_of(key)) + 1)
    final: list[str] = []
    if state.attempt == 0:
        draft.remove(key)
        waiting.append(key)
    elif state.is_block:
        final += follow(draft, continue_by_hand(draft, key))
    else:
        fresh = state._replace(failures=0, lost=0, waiting_since=None, skip=None, reason=None)
        _run_again(draft, key, fresh, resumed)
    _plan_again(draft, waiting, final, resumed)


def _failed_step(draft: Draft, key: str) -> StepState:
    state = draft.step(key)
    if state is None:
        raise StepNotFound(f"run {draft.facts.run_id} has no step {key!r} that has started")
    if state.status is not StepStatus.FAILED:
        raise InvalidTransition(f"only failed steps can be retried, and {key!r} is {state.status}")
    return state


def _reopen_run(draft: Draft, command: RetryStep) -> bool:
    """Whether the run had been stopped."""
    transition = draft.transition
    if transition.status is RunStatus.RUNNING:
        if transition.stop is not None:
            raise InvalidTransition(f"the run {draft.facts.run_id} is being stopped; retry when it has ended")
        return False
    was_stopped = transition.stop is not None
    transition.status = RunStatus.RUNNING
    transition.stop = None
    transition.ended_at = None
    transition.deadline = command.deadline
    draft.fact("run.reopened")
    return was_stopped


def _reopen_around(draft: Draft, key: str) -> list[str]:
    """Take the ended iterations and loops around ``key`` out of their final state.

    Returns the steps that wait again: those that had been skipped because of ``key`` or of a loop around it.
    """
    scope = scope_of(key)
    waiting: list[str] = []
    if scope and scope not in draft.state.open_steps:
        loop_key, _ = split_scope(scope)
        loop = draft.step(loop_key)
        assert loop is not None
        if loop.is_final:
            waiting += _reopen_around(draft, loop_key)
            draft.set_open(scope_of(loop_key), draft.open_steps(scope_of(loop_key)) + 1)
        reopen_branch(draft, scope, outcome_of(draft, scope))
    return waiting + _reset_dependents(draft, key)


def _reset_dependents(draft: Draft, key: str) -> list[str]:
    """Delete what was skipped because of ``key``; returns it, and what waits with ``key`` counted as final."""
    scope = scope_of(key)
    plan = scope_plan(draft.plan, scope)
    reset: list[str] = []
    queue = [own_key(key)]
    while queue:
        for name in plan.steps[queue.pop()].dependents:
            dependent_key = child_key(scope, name)
            state = draft.step(dependent_key)
            if state is None:
                reset.append(dependent_key)
            elif state.skip in _DECIDED_BY_OTHERS:
                _reset(draft, dependent_key)
                reset.append(dependent_key)
                queue.append(name)
    return reset


def _run_again(draft: Draft, key: str, state: StepState, resumed: list[str]) -> None:
    """Give the step another attempt. One that waits begins to wait once the steps after it are counted: what it waits
    for may be there."""
    plan = draft.plan_of(key)
    if plan.wait is None:
        make_ready(draft, key, plan, state)
        return
    draft.put(key, state._replace(status=StepStatus.PENDING, ended_at=None), step_type=plan.type)
    resumed.append(key)


def _reset_stopped(draft: Draft, inner_scope: str, resumed: list[str]) -> list[str]:
    """Steps that only the stop kept from running start where they were; those never tried are planned again."""
    waiting: list[str] = []
    for scope in enclosing_scopes(inner_scope):
        for name in scope_plan(draft.plan, scope).steps:
            key = child_key(scope, name)
            state = draft.step(key)
            if state is None or state.skip is not SkipKind.RUN_STOPPED:
                continue
            if state.is_block:
                raise InvalidTransition(f"the loop {key!r} was stopped half-way; run the flow again instead")
            waiting += _reset_dependents(draft, key)
            if state.attempt == 0:
                _reset(draft, key)
                waiting.append(key)
            else:
                draft.set_open(scope, draft.open_steps(scope) + 1)
                _run_again(draft, key, state._replace(skip=None, reason=None), resumed)
    return waiting


def _reset(draft: Draft, key: str) -> None:
    scope = scope_of(key)
    draft.remove(key)
    draft.set_open(scope, draft.open_steps(scope) + 1)


def _plan_again(draft: Draft, waiting: list[str], final: list[str], resumed: list[str]) -> None:
    """Decide on all of them before any becomes final: a dependency must not be counted twice.

    ``final`` are steps that are final already, and not yet followed; ``resumed`` begin to wait once more."""
    blocked: list[tuple[str, str]] = []
    satisfied: list[str] = []
    for key in dict.fromkeys(waiting):
        blocker, unmet = _dependencies(draft, key)
        draft.set_unmet(key, unmet)
        if blocker is not None:
            blocked.append((key, blocker))
        elif unmet == 0:
            satisfied.append(key)
    for key, reason in blocked:
        final += skip(draft, key, draft.plan_of(key), SkipKind.PREREQUISITES_UNMET, reason)
    for key in satisfied:
        final += enter(draft, key, draft.plan_of(key))
    for key in resumed:
        plan = draft.plan_of(key)
        assert plan.wait is not None
        final += start_wait(draft, key, plan, plan.wait)
    continue_from(draft, final)


def _dependencies(draft: Draft, key: str) -> tuple[str | None, int]:
    """Why the step is blocked for good, if it is, and how many of its dependencies are not final."""
    plan = draft.plan_of(key)
    unmet = 0
    for name, accepted in plan.run_after.items():
        state = draft.step(child_key(scope_of(key), name))
        if state is None or not state.is_final:
            unmet += 1
        elif state.status not in accepted:
            return f"{name!r} ended {state.status}", unmet
    return None, unmet
