"""Whether steps that have begun under one plan can go on under another one.

What may differ is everything that is only read when a step begins: inputs, conditions, retries, limits. What may not is
the *shape*: which steps there are, their types, and what they run after.
"""

from __future__ import annotations

from collections.abc import Iterator

from floworch.core.dag.keys import branch_scope, child_key
from floworch.core.dag.plan import BlockPlan, GroupPlan, ScopePlan, StepPlan

__all__ = ["block_faults", "scope_faults", "step_faults"]


def step_faults(key: str, old: StepPlan, new: StepPlan | None) -> Iterator[str]:
    """Why a step that has begun as ``old`` could not go on as ``new``, but for the steps inside it."""
    if new is None:
        yield f"{key!r} has begun, and the other version has no such step"
        return
    if new.type != old.type:
        yield f"{key!r} has begun as {old.type}, and is {new.type} in the other version"
    if new.run_after != old.run_after:
        yield f"{key!r} has begun, and runs after other steps, or other outcomes of them, in the other version"


def block_faults(key: str, old: BlockPlan, new: BlockPlan) -> Iterator[str]:
    """Why a block whose steps have begun could not go on as ``new``, which is of the same kind."""
    olds, news = _branches(key, old), _branches(key, new)
    for inside in dict.fromkeys((*olds, *news)):
        if inside in olds and inside in news:
            yield from scope_faults(inside, olds[inside], news[inside])
        else:
            yield f"{inside!r} is in one of the two versions only, and the block has begun"


def scope_faults(around: str, old: ScopePlan, new: ScopePlan) -> Iterator[str]:
    """Why steps that have begun could not be those of ``new``. ``around`` is their scope, for the messages."""
    for name, step in old.steps.items():
        key, other = child_key(around, name), new.steps.get(name)
        yield from step_faults(key, step, other)
        if step.block is not None and other is not None and other.block is not None and other.type == step.type:
            yield from block_faults(key, step.block, other.block)
    for name in new.steps:
        if name not in old.steps:
            yield f"{child_key(around, name)!r} is new, and the steps beside it have begun, or ended, without it"


def _branches(key: str, block: BlockPlan) -> dict[str, ScopePlan]:
    if isinstance(block, GroupPlan):
        return {branch_scope(key, name): branch for name, branch in block.branches.items()}
    return {key: block.body}
