"""Running failed steps again by hand: one of them, or all for which that makes sense."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from floworch.core.dag.keys import (
    COMPENSATE,
    FINALLY,
    STEPS,
    blocks_around,
    child_key,
    enclosing_scopes,
    is_shielded,
    own_key,
    scope_of,
    split_scope,
)
from floworch.core.dag.lookup import manifest_place, runs_after_any, scope_plan
from floworch.core.machine.blocks import Work, block_around, continue_by_hand, reopen_branch
from floworch.core.machine.commands import RetryFailed, RetryStep
from floworch.core.machine.draft import Draft, who
from floworch.core.machine.planning import follow
from floworch.core.machine.progress import GroupProgress
from floworch.core.machine.replanning import plan_again
from floworch.core.machine.state import SkipKind, StepState
from floworch.core.machine.steps import make_ready
from floworch.core.model.status import RunStatus, StepStatus
from floworch.errors import InvalidTransition, StepNotFound

__all__ = ["retry"]


_DECIDED_BY_OTHERS = (SkipKind.PREREQUISITES_UNMET, SkipKind.WHEN_FALSE)
"""Skips that follow from how earlier steps ended, and so are decided anew when one of those runs again."""


@dataclass(slots=True)
class _ToPlan:
    """What is decided once everything is taken back."""

    waiting: list[str] = field(default_factory=list)
    """Steps that wait for their dependencies again."""
    resumed: list[str] = field(default_factory=list)
    """Steps that begin to wait for signals once more."""
    work: list[Work] = field(default_factory=list)


def retry(draft: Draft, command: RetryStep | RetryFailed) -> None:
    """Make the failed steps ready again, and every step that was skipped because of them wait again.

    Attempts are kept. A run that had ended runs again, with the deadline of the command;
    so do the blocks around the steps. What cleans up after a stop does so in a run that goes on being stopped.
    Raises StepNotFound, or InvalidTransition for a step that has not failed, or whose failure is a thing of the past.
    """
    # Looked for once: all failed steps of a long loop may be asked about.
    stopped = [key for key, state in draft.known_steps.items() if state.skip is SkipKind.RUN_STOPPED]
    keys = [command.step_key] if isinstance(command, RetryStep) else _retriable(draft, command, stopped)
    left = _take_back(draft, keys, command, stopped)
    plan_again(draft, left.waiting, final=follow(draft, left.work), resumed=left.resumed)


def _retriable(draft: Draft, command: RetryFailed, stopped: Sequence[str]) -> list[str]:
    """Every failed step that can be retried now, in the order of the manifest.

    Not those that run after another one of them: how that ends now decides about them. Not the blocks around them.
    """
    known = draft.known_steps
    failed = [key for key, state in known.items() if state.status is StepStatus.FAILED]
    failed.sort(key=lambda key: manifest_place(draft.plan, key))
    accepted: list[str] = []
    refusals: list[str] = []
    for key in failed:
        try:
            _take_back(draft.apart(), [key], command, stopped)
        except InvalidTransition as refusal:
            refusals.append(str(refusal))
        else:
            accepted.append(key)
    if not accepted:
        why = "; ".join(refusals) or "no step has failed"
        raise InvalidTransition(f"nothing of the run {draft.facts.run_id} can be retried: {why}")
    around = {block for key in accepted for block in blocks_around(key)}
    again = around.union(accepted)
    return [key for key in accepted if key not in around and not _depends_on(draft, key, again)]


def _depends_on(draft: Draft, key: str, again: set[str]) -> bool:
    """Whether the step, or a block around it, runs after one of those."""
    return any(runs_after_any(draft.plan, each, again) for each in _bound_by_others(draft, key))


def _take_back(draft: Draft, keys: Sequence[str], command: RetryStep | RetryFailed, stopped: Sequence[str]) -> _ToPlan:
    """Undo the ends of the steps and what follows from them, before anything is decided anew: a join after two failed
    steps must not be skipped because of the second one while the first one is being taken back."""
    for key in keys:
        _require_failed(draft, key)
        _refuse_if_acted_upon(draft, key)
        _refuse_before_its_turn(draft, key)
    was_stopped = _reopen_run(draft, keys, command)
    if was_stopped:
        for key in keys:
            _refuse_beside_stopped_items(key, stopped)
    left = _ToPlan()
    for key in keys:
        draft.fact("step.retried", key, **who(command.by))
        _begin_again(draft, key, left, was_stopped=was_stopped and not is_shielded(key))
    return left


def _refuse_before_its_turn(draft: Draft, key: str) -> None:
    """No step runs while another one that it runs after is at work, perhaps because that was retried before."""
    for each in _bound_by_others(draft, key):
        scope = scope_of(each)
        for name in draft.plan_of(each).run_after:
            before = child_key(scope, name)
            earlier = draft.step(before)
            if earlier is None or not earlier.is_final:
                raise InvalidTransition(f"{each!r} runs after {before!r}, which has not ended; retry when it has")
            if earlier.skip is SkipKind.RUN_STOPPED:
                raise InvalidTransition(
                    f"{each!r} runs after {before!r}, which was stopped half-way; run the flow again instead"
                )


def _refuse_beside_stopped_items(key: str, stopped: Sequence[str]) -> None:
    """Items of the same loop would be left out for good: nothing begins an iteration anew that was put away."""
    if is_shielded(key):
        return
    iterations = [scope for scope in enclosing_scopes(scope_of(key)) if split_scope(scope)[1].isdigit()]
    for scope in iterations:
        loop_key, _ = split_scope(scope)
        for other in stopped:
            if other.startswith(f"{loop_key}.") and not other.startswith(f"{scope}."):
                raise InvalidTransition(
                    f"{other!r}, of another item of {loop_key!r}, was stopped half-way; fork from {key!r} instead"
                )


def _bound_by_others(draft: Draft, key: str) -> list[str]:
    """The step and the blocks around it, as far as they have begun after others. What cleans up goes its own way, and a
    step that has never begun simply waits again."""
    if is_shielded(key):
        return []
    state = draft.step(key)
    own = [] if state is not None and state.attempt == 0 else [key]
    return [*own, *blocks_around(key)]


def _begin_again(draft: Draft, key: str, left: _ToPlan, *, was_stopped: bool) -> None:
    left.waiting += _reopen_around(draft, key)
    if was_stopped:
        left.waiting += _reset_stopped(draft, scope_of(key), left.resumed)
    draft.set_open(scope_of(key), draft.open_steps(scope_of(key)) + 1)
    state = _require_failed(draft, key)
    if state.attempt == 0:
        draft.remove(key)
        left.waiting.append(key)
    elif state.is_block:
        left.work += continue_by_hand(draft, key)
    else:
        fresh = state._replace(failures=0, lost=0, waiting_since=None, skip=None, reason=None, progress=None)
        _run_again(draft, key, fresh, left.resumed)


def _require_failed(draft: Draft, key: str) -> StepState:
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


def _reopen_run(draft: Draft, keys: Sequence[str], command: RetryStep | RetryFailed) -> bool:
    """Whether the run had been stopped, and goes on as if it had not been."""
    transition = draft.transition
    was_stopped = any(draft.stops(key) for key in keys)
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
    if scope and (split_scope(scope)[1] == COMPENSATE or not _is_under_way(draft, scope)):
        block_key = block_around(draft, key)
        block = draft.step(block_key)
        assert block is not None
        if block.is_final:
            waiting += _reopen_around(draft, block_key)
            draft.set_open(scope_of(block_key), draft.open_steps(scope_of(block_key)) + 1)
        reopen_branch(draft, key)
    return waiting + (_reset_dependents(draft, key) if _counts(draft, scope) else [])


def _is_under_way(draft: Draft, scope: str) -> bool:
    return draft.knows(scope) and draft.open_steps(scope) > 0


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
