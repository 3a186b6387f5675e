"""Scopes: steps, what undoes them, and what follows from how they end.

    steps ──▶ compensate, one after the other ──▶ catch ──▶ finally ──▶ the scope ends
      │        when they have failed or the        when they
      │        run is being stopped                have failed
      └── otherwise ─────────────────────────────────────▶ finally

What comes next follows from the rows and from :class:`GroupProgress`, and so it does after a retry by hand.
"""

from __future__ import annotations

from floworch.core.dag.keys import CATCH, COMPENSATE, FINALLY, STEPS, branch_scope, child_key, scope_of, split_scope
from floworch.core.dag.lookup import scope_plan
from floworch.core.dag.outcome import unhandled_failures
from floworch.core.dag.plan import GroupPlan, StepPlan
from floworch.core.machine.blocks.undo import compensations_of, undoer_of
from floworch.core.machine.blocks.work import (
    Begin,
    Start,
    Work,
    fail_block,
    reopen_block,
    skip_block,
    skip_stopped,
    succeed,
)
from floworch.core.machine.draft import Draft
from floworch.core.machine.progress import GroupProgress
from floworch.core.machine.state import StepState
from floworch.core.model.payload import Json
from floworch.core.model.status import StepStatus

__all__ = ["end_compensation", "end_group_branch", "reopen_group", "start_group"]


def start_group(draft: Draft, key: str, plan: StepPlan, trace: Json) -> list[Work]:
    """Begin the steps of the scope."""
    earlier = draft.step(key)
    attempt = (earlier.attempt if earlier else 0) + 1
    state = StepState(
        StepStatus.RUNNING, attempt=attempt, ready_at=draft.now, started_at=draft.now, progress=GroupProgress()
    )
    draft.put(key, state, step_type=plan.type)
    draft.fact("step.started", key, attempt=attempt, branch=STEPS, when=trace)
    return [Begin(branch_scope(key, STEPS))]


def end_group_branch(draft: Draft, scope: str, group: GroupPlan, outcome: StepStatus) -> list[Work]:
    """Go on after all steps of a branch have ended; what the steps came to is decided once."""
    key, branch = split_scope(scope)
    if branch == STEPS and _progress(draft, key).body is None:
        _note_body(draft, key, group, outcome)
    elif branch == CATCH:
        draft.update_progress(key, caught=outcome is StepStatus.SUCCEEDED)
    elif branch == FINALLY:
        draft.update_progress(key, finally_failed=outcome is StepStatus.FAILED)
    return _go_on(draft, key, group)


def end_compensation(draft: Draft, scope: str) -> list[Work]:
    """Go on after the compensations in ``scope`` that were under way have ended. They may be those of a scope that had
    ended well, and that the one around it undoes."""
    key = undoer_of(draft, scope)
    progress = _progress(draft, key)
    ended = [compensation for compensation in progress.undoing if scope_of(compensation) == scope]
    failed = [compensation for compensation in ended if _state(draft, compensation).status is StepStatus.FAILED]
    draft.update_progress(
        key,
        undoing=tuple(compensation for compensation in progress.undoing if compensation not in ended),
        not_undone=(*progress.not_undone, *failed),
    )
    group = draft.plan_of(key).block
    assert isinstance(group, GroupPlan)
    return _go_on(draft, key, group)


def reopen_group(draft: Draft, key: str, step_key: str) -> None:
    """Let the scope run again for the sake of a step that is retried by hand. What has begun since the step has failed
    is not done again."""
    branch, progress = split_scope(scope_of(step_key))[1], _progress(draft, key)
    if branch == COMPENSATE:
        left = tuple(compensation for compensation in progress.not_undone if compensation != step_key)
        draft.update_progress(key, undoing=(*progress.undoing, step_key), not_undone=left)
    elif branch == STEPS and progress.phase == STEPS:
        draft.update_progress(key, body=None, first_failure=None)
    reopen_block(draft, key)


def _note_body(draft: Draft, key: str, group: GroupPlan, outcome: StepStatus) -> None:
    is_stopped = draft.stops(key)
    changes: dict[str, object] = {"body": "Stopped" if is_stopped else str(outcome)}
    if outcome is StepStatus.FAILED:
        changes["first_failure"] = _first_failure(draft, branch_scope(key, STEPS))
    if is_stopped or outcome is StepStatus.FAILED:
        changes["to_undo"] = tuple(compensations_of(draft, key, group))
    draft.update_progress(key, **changes)


def _first_failure(draft: Draft, scope: str) -> str:
    """The unhandled failure of the scope that came first. Of a scope inside that has failed, its own one."""
    plan = scope_plan(draft.plan, scope)
    names = unhandled_failures(plan, lambda name: _state(draft, child_key(scope, name)).status)
    failed = [child_key(scope, name) for name in names]
    first = min(failed, key=lambda key: _state(draft, key).ended_at or draft.now)
    inner = _state(draft, first).progress
    if isinstance(inner, GroupProgress) and inner.first_failure and not inner.not_undone:
        return inner.first_failure
    return first


def _go_on(draft: Draft, key: str, group: GroupPlan) -> list[Work]:
    progress = _progress(draft, key)
    if progress.undoing:
        return []
    if progress.to_undo:
        return _undo_next(draft, key, progress)
    if _wants_catch(draft, key, group, progress):
        return _enter(draft, key, CATCH)
    if FINALLY in group.branches and _is_over(draft, key, CATCH) and not draft.knows(branch_scope(key, FINALLY)):
        return _enter(draft, key, FINALLY)
    if not all(_is_over(draft, key, branch) for branch in (STEPS, CATCH, FINALLY)):
        return []
    return _end(draft, key, draft.plan_of(key), progress)


def _wants_catch(draft: Draft, key: str, group: GroupPlan, progress: GroupProgress) -> bool:
    has_begun = any(draft.knows(branch_scope(key, branch)) for branch in (CATCH, FINALLY))
    return CATCH in group.branches and progress.body == "Failed" and not draft.stops(key) and not has_begun


def _is_over(draft: Draft, key: str, branch: str) -> bool:
    """Whether no step of the branch is under way, also if it was not begun."""
    scope = branch_scope(key, branch)
    return not draft.knows(scope) or draft.open_steps(scope) == 0


def _undo_next(draft: Draft, key: str, progress: GroupProgress) -> list[Work]:
    compensation, *rest = progress.to_undo
    if progress.phase != COMPENSATE:
        _note_phase(draft, key, COMPENSATE, steps=list(progress.to_undo))
    draft.update_progress(key, undoing=(compensation,), to_undo=tuple(rest))
    draft.set_open(scope_of(compensation), 1)
    return [Start(compensation)]


def _enter(draft: Draft, key: str, branch: str) -> list[Work]:
    _note_phase(draft, key, branch)
    return [Begin(branch_scope(key, branch))]


def _note_phase(draft: Draft, key: str, branch: str, **more: Json) -> None:
    state = draft.update_progress(key, phase=branch)
    draft.fact("step.continued", key, attempt=state.attempt, branch=branch, **more)


def _end(draft: Draft, key: str, plan: StepPlan, progress: GroupProgress) -> list[Work]:
    if error := _error(draft, key, progress):
        return fail_block(draft, key, plan, *error)
    match progress.body:
        case "Stopped":
            return skip_stopped(draft, key, plan)
        case "Skipped":
            return skip_block(draft, key, plan, None, "nothing of the scope has run to its end")
        case _:
            return succeed(draft, key, plan)


def _error(draft: Draft, key: str, progress: GroupProgress) -> tuple[str, str] | None:
    """Type and message."""
    if progress.not_undone:
        told = "; ".join(_told(draft, compensation) for compensation in progress.not_undone)
        return "CompensationFailed", f"not everything is undone: {told}"
    if progress.first_failure and progress.body == "Failed" and not progress.caught:
        return "ScopeFailed", _told(draft, progress.first_failure)
    if progress.finally_failed:
        return "ScopeFailed", _told(draft, _first_failure(draft, branch_scope(key, FINALLY)))
    return None


def _told(draft: Draft, key: str) -> str:
    return f"step {key!r} failed: {_state(draft, key).reason}"


def _state(draft: Draft, key: str) -> StepState:
    state = draft.step(key)
    assert state is not None
    return state


def _progress(draft: Draft, key: str) -> GroupProgress:
    progress = _state(draft, key).progress
    assert isinstance(progress, GroupProgress)
    return progress
