"""Finding the plan of a run-time key or scope."""

from __future__ import annotations

from floworch.core.dag.keys import own_key, scope_of
from floworch.core.dag.plan import BlockPlan, FlowPlan, ScopePlan, StepPlan

__all__ = ["find_step", "scope_plan"]


def scope_plan(plan: FlowPlan, scope: str) -> ScopePlan:
    """Plan of a run-time scope such as ``""`` or ``years.0.months.3``. Raises ``KeyError`` when there is none."""
    found = plan.root
    if scope:
        parts = scope.split(".")
        for key, branch in zip(parts[::2], parts[1::2], strict=True):
            found = _block_of(found.steps[key]).branch(branch)
    return found


def find_step(plan: FlowPlan, step_key: str) -> StepPlan | None:
    """Plan of a run-time step key; None when the manifest has no such step."""
    if "." not in step_key:
        return plan.root.steps.get(step_key)
    try:
        return scope_plan(plan, scope_of(step_key)).steps.get(own_key(step_key))
    except KeyError:
        return None


def _block_of(step: StepPlan) -> BlockPlan:
    if step.block is None:
        raise KeyError(step.key)
    return step.block
