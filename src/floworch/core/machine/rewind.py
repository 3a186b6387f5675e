"""The steps of a run as if one of them had not begun yet: what a forked run starts with."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from floworch.core.dag.keys import (
    COMPENSATE,
    STEPS,
    blocks_around,
    child_key,
    enclosing_scopes,
    iteration_scope,
    scope_of,
    split_scope,
)
from floworch.core.dag.lookup import find_step, scope_plan, steps_behind
from floworch.core.dag.outcome import scope_outcome
from floworch.core.dag.plan import FlowPlan
from floworch.core.machine.progress import GroupProgress, LoopProgress, Progress, UntilProgress
from floworch.core.machine.state import SkipKind, StepState
from floworch.core.model.status import StepStatus
from floworch.errors import InvalidTransition, StepNotFound

__all__ = ["Rewound", "rewind"]

_Steps = Mapping[str, StepState]


class Rewound(NamedTuple):
    steps: dict[str, StepState]
    """Run-time key → state of the steps that are kept: final ones, and the blocks around the step, which run again."""
    settled: list[str]
    """Scopes of ended iterations among them, whose steps the planner does not load."""
    open: list[str]
    """Scopes with steps that are not kept, and so to be planned anew."""


def rewind(plan: FlowPlan, steps: _Steps, from_step: str, stopped_at: datetime | None = None) -> Rewound:
    """Take back ``from_step``, what comes after it and after the blocks around it, and all that is not final.

    ``steps`` are those of the run, with the ones of ended iterations. What was skipped by a stop of the run, or has
    failed since that was asked for, counts as not final, and so does a block with something inside that is not.
    Raises StepNotFound, or InvalidTransition where what came later has changed what the step would rest on.
    """
    _require_rewindable(plan, steps, from_step)
    around = blocks_around(from_step)
    dropped = _dropped(plan, steps, from_step, around, stopped_at)
    kept = {key: state for key, state in steps.items() if dropped.isdisjoint((key, *blocks_around(key)))}
    open_scopes = [*enclosing_scopes(scope_of(from_step)), *_other_iterations(plan, kept, from_step)]
    for key in around:
        kept[key] = _reopened(plan, kept, key)
    scopes = dict.fromkeys(map(scope_of, kept))
    return Rewound(kept, [scope for scope in scopes if _is_settled(plan, kept, scope, open_scopes)], open_scopes)


def _require_rewindable(plan: FlowPlan, steps: _Steps, from_step: str) -> None:
    if find_step(plan, from_step) is None:
        raise StepNotFound(f"the flow {plan.flow_name!r} has no step {from_step!r}")
    for scope in enclosing_scopes(scope_of(from_step)):
        if scope:
            _require_open(steps, scope)


def _require_open(steps: _Steps, scope: str) -> None:
    """The scope has begun, and nothing but the end of its block has followed from how it ended."""
    key, branch = split_scope(scope)
    state = steps.get(key)
    match state.progress if state is not None else None:
        case LoopProgress(started=started) if branch.isdigit() and int(branch) < started:
            return
        case UntilProgress(started=started) if branch == str(started - 1):
            return
        case UntilProgress(started=started) if branch.isdigit() and int(branch) < started:
            latest = iteration_scope(key, started - 1)
            where = f"fork from {key!r}, or from a step of {latest!r}"
            raise InvalidTransition(f"{key!r} has gone on since {scope!r}; {where}")
        case GroupProgress(phase=phase) if branch == STEPS:
            if phase != STEPS:
                raise InvalidTransition(f"{key!r} has gone on since its steps ended; fork from {key!r} instead")
        case GroupProgress():
            raise InvalidTransition(f"{scope!r} follows from how the steps ended; fork from {key!r} instead")
        case _:
            raise InvalidTransition(f"{scope!r} has not begun in that run; fork from {key!r} instead")


def _dropped(
    plan: FlowPlan, steps: _Steps, from_step: str, around: Collection[str], stopped_at: datetime | None
) -> set[str]:
    """Keys of the steps that are not kept, without those inside of them."""
    dropped = {from_step}
    past = tuple(f"{scope}." for scope in _past_iterations(steps, around))
    for key, state in steps.items():
        if not _has_come_to_its_end(state, stopped_at) and not key.startswith(past):
            dropped.update(level for level in (key, *blocks_around(key)) if level not in around)
    for key in (*dropped, *around):
        dropped.update(steps_behind(plan, key))
    return dropped.difference(around)


def _past_iterations(steps: _Steps, around: Collection[str]) -> Iterator[str]:
    """Those from which the loops around the step have gone on: they stay, also if a stop had interrupted them once."""
    for key in around:
        progress = steps[key].progress
        if isinstance(progress, UntilProgress):
            yield from (iteration_scope(key, index) for index in range(progress.started - 1))


def _has_come_to_its_end(state: StepState, stopped_at: datetime | None) -> bool:
    """Whether the step has ended, and not because the run was stopped."""
    if isinstance(state.progress, GroupProgress) and state.progress.body == "Stopped":
        return False
    is_interrupted = stopped_at is not None and state.ended_at is not None and state.ended_at >= stopped_at
    if state.status is StepStatus.FAILED and is_interrupted:  # handlers that are asked to stop fail
        return False
    return state.is_final and state.skip is not SkipKind.RUN_STOPPED


def _other_iterations(plan: FlowPlan, kept: _Steps, from_step: str) -> Iterator[str]:
    """Scopes of iterations beside the step that have begun and not ended."""
    own = set(enclosing_scopes(scope_of(from_step)))
    for key in blocks_around(from_step):
        loop = kept[key].loop
        for index in range(loop.started if loop is not None else 0):
            scope = iteration_scope(key, index)
            if scope not in own and not _has_ended(plan, kept, scope):
                yield scope


def _has_ended(plan: FlowPlan, kept: _Steps, scope: str) -> bool:
    states = (kept.get(child_key(scope, name)) for name in scope_plan(plan, scope).steps)
    return all(state is not None and state.is_final for state in states)


def _reopened(plan: FlowPlan, kept: _Steps, key: str) -> StepState:
    """The block, running again, with the progress that it has without what was dropped inside."""
    progress = kept[key].progress
    rewound: Progress | None = progress
    match progress:
        case LoopProgress():
            rewound = _counted(plan, kept, key, progress)
        case UntilProgress(started, counted_from):
            rewound = UntilProgress(started, counted_from)
        case _:
            rewound = GroupProgress()
    return kept[key]._replace(
        status=StepStatus.RUNNING, skip=None, reason=None, ended_at=None, due_at=None, wait=None, progress=rewound
    )


def _counted(plan: FlowPlan, kept: _Steps, key: str, progress: LoopProgress) -> LoopProgress:
    """How the iterations have ended that are kept."""
    scopes = [iteration_scope(key, index) for index in range(progress.started)]
    ended = [_outcome(plan, kept, scope) for scope in scopes if _has_ended(plan, kept, scope)]
    first = progress.first_failure
    is_kept = first is not None and first in kept and kept[first].status is StepStatus.FAILED
    return LoopProgress(
        progress.total,
        progress.started,
        succeeded=ended.count(StepStatus.SUCCEEDED),
        failed=ended.count(StepStatus.FAILED),
        skipped=ended.count(StepStatus.SKIPPED),
        first_failure=first if is_kept else None,
    )


def _outcome(plan: FlowPlan, kept: _Steps, scope: str) -> StepStatus:
    return scope_outcome(
        scope_plan(plan, scope),
        lambda name: kept[child_key(scope, name)].status,
        lambda name: kept[child_key(scope, name)].skip is SkipKind.PREREQUISITES_UNMET,
    )


def _is_settled(plan: FlowPlan, kept: _Steps, scope: str, open_scopes: Collection[str]) -> bool:
    """Whether the iteration that the scope is, or is part of, has ended. Failed compensations stay in sight."""
    branches = (each for each in enclosing_scopes(scope) if split_scope(each)[1].isdigit())
    iteration = next(branches, None)
    if iteration is None or iteration in open_scopes:
        return False
    if split_scope(scope)[1] != COMPENSATE:
        return True
    states = (kept.get(child_key(scope, name)) for name in scope_plan(plan, scope).steps)
    return not any(state is not None and state.status is StepStatus.FAILED for state in states)
