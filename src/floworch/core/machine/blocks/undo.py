"""What a scope has to undo, in which order, and which scope it is that undoes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TypeAlias

from floworch.core.dag.keys import COMPENSATE, STEPS, branch_scope, child_key, scope_of, split_scope
from floworch.core.dag.plan import GroupPlan
from floworch.core.machine.draft import Draft
from floworch.core.machine.progress import GroupProgress
from floworch.core.model.status import StepStatus

__all__ = ["compensations_of", "undoer_of"]

_Done: TypeAlias = tuple[datetime, tuple[int, ...], str]
"""When the step ended, its place among the steps of the scopes around it, and its compensation."""


def compensations_of(draft: Draft, key: str, group: GroupPlan) -> list[str]:
    """Run-time keys of the compensations for what the steps of the scope have done: that of the step that ended last
    comes first, and of steps that ended at the same instant that of the one that runs after the other.

    A scope inside hands on what its own steps have done, unless it has undone that itself.
    """
    return [compensation for _, _, compensation in sorted(_done(draft, key, group, ()), reverse=True)]


def undoer_of(draft: Draft, scope: str) -> str:
    """Key of the scope that runs, or has run, the compensations in ``scope``: their own, or one around that."""
    key = split_scope(scope)[0]
    while not _undoes(draft, key, scope):
        key = split_scope(scope_of(key))[0]
    return key


def _done(draft: Draft, key: str, group: GroupPlan, place: tuple[int, ...]) -> Iterator[_Done]:
    undoing = group.branches.get(COMPENSATE)
    for number, name in enumerate(group.order):
        step_key = child_key(branch_scope(key, STEPS), name)
        state, inner = draft.step(step_key), group.body.steps[name].block
        if state is None:
            continue
        if isinstance(inner, GroupPlan):
            if isinstance(state.progress, GroupProgress) and not state.progress.undoes_itself:
                yield from _done(draft, step_key, inner, (*place, number))
        elif undoing and name in undoing.steps and state.status is StepStatus.SUCCEEDED:
            yield state.ended_at or draft.now, (*place, number), child_key(branch_scope(key, COMPENSATE), name)


def _undoes(draft: Draft, key: str, scope: str) -> bool:
    state = draft.step(key)
    assert state is not None
    progress = state.progress
    return isinstance(progress, GroupProgress) and any(
        scope_of(compensation) == scope for compensation in (*progress.undoing, *progress.not_undone)
    )
