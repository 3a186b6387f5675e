"""What happens to a step that was parked until a time, once that has come."""

from __future__ import annotations

from floworch.core.machine.blocks import wake_block
from floworch.core.machine.children import stop_children, waits_for_child
from floworch.core.machine.draft import Draft
from floworch.core.machine.planning import follow
from floworch.core.machine.state import StepState
from floworch.core.machine.steps import make_ready
from floworch.core.machine.waits import wake_wait

__all__ = ["wake"]


def wake(draft: Draft, key: str, state: StepState) -> list[str]:
    """Go on with a pending step; returns the keys of the steps that are final now."""
    if waits_for_child(state):
        stop_children(draft, [key])
        return []
    if state.is_block:
        return follow(draft, wake_block(draft, key))
    plan = draft.plan_of(key)
    if plan.wait is not None:
        return wake_wait(draft, key, plan, plan.wait, state)
    make_ready(draft, key, plan, state)
    return []
