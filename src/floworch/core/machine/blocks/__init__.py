"""Steps that are made of steps. A block is a ``Running`` step without a lease, whose progress the planner keeps.

Blocks do not enter scopes themselves: they tell the planner which ones to begin.
"""

from __future__ import annotations

from typing import assert_never

from floworch.core.dag.keys import split_scope
from floworch.core.dag.plan import BlockPlan, GroupPlan, LoopPlan, StepPlan, UntilPlan
from floworch.core.machine.blocks.for_each import end_iteration, start_loop
from floworch.core.machine.blocks.work import Begin, Work
from floworch.core.machine.draft import Draft
from floworch.core.model.payload import Json
from floworch.core.model.status import StepStatus

__all__ = ["Begin", "Work", "end_branch", "start_block"]


def start_block(draft: Draft, key: str, plan: StepPlan, block: BlockPlan, trace: Json) -> list[Work]:
    """Begin a block whose dependencies and conditions are satisfied."""
    match block:
        case LoopPlan():
            return start_loop(draft, key, plan, block, trace)
        case UntilPlan():
            raise NotImplementedError
        case GroupPlan():
            raise NotImplementedError
        case _:
            assert_never(block)


def end_branch(draft: Draft, scope: str, outcome: StepStatus) -> list[Work]:
    """Go on with the block after every step of one of its branches has become final."""
    block = draft.plan_of(split_scope(scope)[0]).block
    match block:
        case LoopPlan():
            return end_iteration(draft, scope, block, outcome)
        case UntilPlan():
            raise NotImplementedError
        case GroupPlan():
            raise NotImplementedError
        case _:
            raise AssertionError(f"the scope {scope!r} belongs to no block")
