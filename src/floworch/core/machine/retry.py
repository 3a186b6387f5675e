"""Running a failed step again by hand."""

from __future__ import annotations

from floworch.core.dag.keys import (
    COMPENSATE,
    FINALLY,
    STEPS,
    child_key,
    enclosing_scopes,
    own_key,
    scope_of,
    split_scope,
)
from floworch.core.dag.lookup import scope_plan
from floworch.core.machine.blocks import block_around, continue_by_hand, reopen_branch
from floworch.core.machine.commands import RetryStep
from floworch.core.machine.draft import Draft, who
from floworch.core.machine.planning import continue_from, enter, follow
from floworch.core.machine.progress import GroupProgress
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
    so do the blocks around the step. What cleans up after a stop does so in a run that goes on being stopped.
    Raises StepNotFound, or InvalidTransition for a step that has not failed, or whose failure is a thing of the past.
    """
    key = command.step_key
    state = _failed_step(draft, key)
    _refuse_if_acted_upon(draft, key)
    was_stopped = _reopen_run(draft, command)
    draft.fact("step.retried", key, **who(command.by))
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
        fresh = state._replace(failures=0, lost=0, waiting_since=None, skip=None, reason=None, progress=None)
        _run_again(draft, key, fresh, resumed)
    _plan_again(draft, waiting, final, resumed)


def _failed_step(draft: Draft, key: str) -> StepState:
    state = draft.step(key)
    if state is None:
        raise StepNotFound(f"run {draft.facts.run_id} has no step {key!r} that has started")
    if state.status is not StepStatus.FAILED:
        raise InvalidTransition(f"only failed steps can be retried, and {key!r} is {state.status}")
    return state


def _refuse_if_acted_upon(draft: Draft, key: str) -> None:
    """Once a scope has begun to undo what its steps have done, or to clean up, they are not run again. What undoes and
    cleans up itself is: nothing but its own end follows from that."""
    scope = scope_of(key)
    while scope:
        block_key, branch = split_scope(scope)
        if branch in (COMPENSATE, FINALLY):
            return
        if branch == STEPS and not _is_body_open(draft, block_key):
            raise InvalidTransition(
                f"the scope {block_key!r} has gone on since {key!r} failed; run the flow again instead"
            )
        scope = scope_of(block_key)


def _is_body_open(draft: Draft, key: str) -> bool:
    """Whether nothing has been done yet because of how the steps of the scope have ended."""
    scope = draft.step(key)
    progress = scope.progress if scope is not None else None
    return isinstance(progress, GroupProgress) and progress.phase == STEPS


def _reopen_run(draft: Draft, command: RetryStep) -> bool:
    """Whether the run had been stopped, and goes on as if it had not been."""
    transition = draft.transition
    was_stopped = draft.stops(command.step_key)
    if transition.status is RunStatus.RUNNING:
        if was_stopped:
            raise InvalidTransition(f"the run {draft.facts.run_id} is being stopped; retry when it has ended")
        return False
    transition.status = RunStatus.RUNNING
    if was_stopped:
        transition.stop = None
    transition.ended_at = None
    transition.deadline = command.deadline
    draft.fact("run.reopened")
    return was_stopped


def _reopen_around(draft: Draft, key: str) -> list[str]:
    """Take the ended branches and blocks around ``key`` out of their final state.

    Returns the steps that wait again: those that had been skipped because of ``key`` or of a block around it.
    """
    scope = scope_of(key)
    waiting: list[str] = []
    if scope and (split_scope(scope)[1] == COMPENSATE or not draft.state.open_steps.get(scope)):
        block_key = block_around(draft, key)
        block = draft.step(block_key)
        assert block is not None
        if block.is_final:
            waiting += _reopen_around(draft, block_key)
            draft.set_open(scope_of(block_key), draft.open_steps(scope_of(block_key)) + 1)
        reopen_branch(draft, key)
    return waiting + (_reset_dependents(draft, key) if _counts(draft, scope) else [])


def _counts(draft: Draft, scope: str) -> bool:
    """Whether what the steps of the scope come to still matters: not once a scope has gone on from them."""
    block_key, branch = split_scope(scope)
    return branch != STEPS or _is_body_open(draft, block_key)


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
                raise InvalidTransition(f"{key!r} was stopped half-way; run the flow again instead")
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
