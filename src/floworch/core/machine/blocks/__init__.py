"""Steps that are made of steps. A block is a ``Running`` step without a lease, whose progress the planner keeps.

Blocks do not enter scopes themselves: they tell the planner which ones to begin.
"""

from __future__ import annotations

from typing import assert_never

from floworch.core.dag.keys import COMPENSATE, scope_of, split_scope
from floworch.core.dag.plan import BlockPlan, GroupPlan, LoopPlan, StepPlan, UntilPlan
from floworch.core.machine.blocks import for_each, group, until
from floworch.core.machine.blocks.group import end_compensation
from floworch.core.machine.blocks.undo import undoer_of
from floworch.core.machine.blocks.work import Begin, Start, Work, skip_stopped
from floworch.core.machine.draft import Draft
from floworch.core.machine.outcomes import outcome_of
from floworch.core.machine.progress import GroupProgress, LoopProgress, UntilProgress
from floworch.core.model.payload import Json
from floworch.core.model.status import StepStatus
from floworch.errors import InvalidTransition

__all__ = [
    "Begin",
    "Start",
    "Work",
    "block_around",
    "continue_by_hand",
    "end_branch",
    "end_compensation",
    "reopen_branch",
    "start_block",
    "stop_waiting",
    "wake_block",
]


def start_block(draft: Draft, key: str, plan: StepPlan, block: BlockPlan, trace: Json) -> list[Work]:
    """Begin a block whose dependencies and conditions are satisfied."""
    match block:
        case LoopPlan():
            return for_each.start_loop(draft, key, plan, block, trace)
        case UntilPlan():
            return until.start_until(draft, key, plan, trace)
        case GroupPlan():
            return group.start_group(draft, key, plan, trace)
        case _:
            assert_never(block)


def end_branch(draft: Draft, scope: str, outcome: StepStatus) -> list[Work]:
    """Go on with the block after every step of one of its branches has become final."""
    block = draft.plan_of(split_scope(scope)[0]).block
    match block:
        case LoopPlan():
            return for_each.end_iteration(draft, scope, block, outcome)
        case UntilPlan():
            return until.end_iteration(draft, scope, block, outcome)
        case GroupPlan():
            return group.end_group_branch(draft, scope, block, outcome)
        case _:
            raise AssertionError(f"the scope {scope!r} belongs to no block")


def block_around(draft: Draft, step_key: str) -> str:
    """Key of the block that goes on when the step has ended."""
    block_key, branch = split_scope(scope_of(step_key))
    return undoer_of(draft, scope_of(step_key)) if branch == COMPENSATE else block_key


def reopen_branch(draft: Draft, step_key: str) -> None:
    """Undo the end of the branch that the step is in, and of its block. The caller opens the step.

    Raises InvalidTransition where what came later rests on that end."""
    scope = scope_of(step_key)
    block = draft.plan_of(split_scope(scope)[0]).block
    match block:
        case LoopPlan():
            for_each.reopen_iteration(draft, scope, outcome_of(draft, scope))
        case UntilPlan():
            until.reopen_iteration(draft, scope)
        case GroupPlan():
            group.reopen_group(draft, block_around(draft, step_key), step_key)
        case _:
            raise AssertionError(f"the scope {scope!r} belongs to no block")


def wake_block(draft: Draft, key: str) -> list[Work]:
    """Go on with a block whose time has come."""
    return until.begin_iteration(draft, key)


def stop_waiting(draft: Draft, key: str) -> list[Work]:
    """End a block that waits for its time, because the run is being stopped."""
    return skip_stopped(draft, key, draft.plan_of(key))


def continue_by_hand(draft: Draft, key: str) -> list[Work]:
    """Go on with a block that has failed although no step inside it can be retried.

    Raises InvalidTransition where the steps inside are to be retried instead."""
    state = draft.step(key)
    match state.progress if state is not None else None:
        case LoopProgress(first_failure=first) | UntilProgress(first_failure=str(first)):
            raise InvalidTransition(f"{key!r} is a loop: retry the failed steps inside it instead, first {first!r}")
        case UntilProgress():
            return until.continue_by_hand(draft, key)
        case GroupProgress(not_undone=(first, *_)):
            raise InvalidTransition(f"{key!r} is a scope: retry the compensations that have failed, first {first!r}")
        case GroupProgress():
            raise InvalidTransition(f"{key!r} is a scope: retry the failed steps inside it instead")
        case _:
            raise AssertionError(f"{key!r} is no block that has failed")
