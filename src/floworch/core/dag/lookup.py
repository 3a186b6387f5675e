"""Finding the plan of a run-time key or scope."""

from __future__ import annotations

from collections.abc import Container, Iterator

from floworch.core.dag.keys import child_key, own_key, scope_of
from floworch.core.dag.plan import BlockPlan, FlowPlan, GroupPlan, ScopePlan, StepPlan

__all__ = ["all_steps", "find_step", "manifest_place", "runs_after_any", "scope_plan", "steps_behind"]


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
    except (KeyError, ValueError):  # the latter for what is not even formed like a key
        return None


def all_steps(scope: ScopePlan) -> Iterator[StepPlan]:
    """The steps of the scope and of every branch of the blocks in it, in manifest order."""
    for step in scope.steps.values():
        yield step
        for branch in () if step.block is None else _branches(step.block):
            yield from all_steps(branch)


def runs_after_any(plan: FlowPlan, step_key: str, keys: Container[str]) -> bool:
    """Whether the step runs, directly or not, after one of these of its scope."""
    scope = scope_of(step_key)
    steps = scope_plan(plan, scope).steps
    queue = [*steps[own_key(step_key)].run_after]
    seen = set(queue)
    while queue:
        name = queue.pop()
        if child_key(scope, name) in keys:
            return True
        new = steps[name].run_after.keys() - seen
        seen |= new
        queue += new
    return False


def steps_behind(plan: FlowPlan, step_key: str) -> list[str]:
    """Keys of the steps of its scope that run, directly or not, after the step."""
    scope = scope_of(step_key)
    steps = scope_plan(plan, scope).steps
    found = dict.fromkeys(steps[own_key(step_key)].dependents)
    queue = [*found]
    while queue:
        new = [name for name in steps[queue.pop()].dependents if name not in found]
        found.update(dict.fromkeys(new))
        queue += new
    return [child_key(scope, name) for name in found]


def manifest_place(plan: FlowPlan, step_key: str) -> tuple[int, ...]:
    """Sorts run-time keys in the order of the manifest, and the iterations of a loop by their indexes."""
    scope = plan.root
    place: list[int] = []
    parts = step_key.split(".")
    for key, branch in zip(parts[::2], [*parts[1::2], ""], strict=True):
        place.append(list(scope.steps).index(key))
        if branch:
            block = _block_of(scope.steps[key])
            place.append(list(block.branches).index(branch) if isinstance(block, GroupPlan) else int(branch))
            scope = block.branch(branch)
    return tuple(place)


def _branches(block: BlockPlan) -> Iterator[ScopePlan]:
    if isinstance(block, GroupPlan):
        yield from block.branches.values()
    else:
        yield block.body


def _block_of(step: StepPlan) -> BlockPlan:
    if step.block is None:
        raise KeyError(step.key)
    return step.block
