"""Why one step has not begun, goes on, or has ended as it has."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from floworch.core.dag.keys import child_key, enclosing_scopes, scope_of, split_scope
from floworch.core.dag.lookup import find_step
from floworch.core.dag.plan import FlowPlan, GroupPlan, LoopPlan
from floworch.core.explain import words
from floworch.core.explain.endings import how_it_ended
from floworch.core.explain.reasons import Explanation, Reason, ReasonCode
from floworch.core.explain.runs import in_order
from floworch.core.explain.situation import Situation
from floworch.core.explain.under_way import holders, inside, why_under_way
from floworch.core.machine.progress import LoopProgress, UntilProgress
from floworch.core.machine.state import StepState
from floworch.core.model.status import StepStatus

__all__ = ["explain_step", "has_step"]

_MOST_REASONS = 50


def explain_step(situation: Situation, key: str) -> Explanation:
    """Why the step is where it is. First its own reason, then those of the steps that it waits for, if it does.

    Raises PayloadsNeeded as ``explain_run``, and KeyError for a step that the manifest does not have.
    """
    situation.plan_of(key)
    state = situation.step(key)
    reasons = _reasons(situation, key, state)
    sentence = " ".join(reason.sentence for reason in reasons[: 2 if reasons[0].step_key == key else 1])
    return Explanation(
        about={"runId": str(situation.state.facts.run_id), "stepKey": key},
        status="Waiting" if state is None else str(state.status),
        sentence=sentence,
        reasons=reasons[:_MOST_REASONS],
        left_off=max(len(reasons) - _MOST_REASONS, 0),
    )


def has_step(plan: FlowPlan, key: str) -> bool:
    """Whether a run of the plan may ever have a step with that key."""
    scopes = [split_scope(scope) for scope in enclosing_scopes(scope_of(key)) if scope]
    blocks = [(find_step(plan, block_key), branch) for block_key, branch in scopes]
    loops = [branch for block, branch in blocks if block and not isinstance(block.block, GroupPlan)]
    return find_step(plan, key) is not None and all(map(str.isdecimal, loops))


def _reasons(situation: Situation, key: str, state: StepState | None) -> list[Reason]:
    if state is None:
        return _not_begun(situation, key)
    if state.is_final:
        return how_it_ended(situation, key)
    if state.is_block and state.status is StepStatus.RUNNING:
        return [inside(situation, key), *_why(situation, holders(situation, f"{key}."))]
    return [why_under_way(situation, key)]


def _why(situation: Situation, keys: Iterable[str]) -> list[Reason]:
    return in_order([why_under_way(situation, key) for key in keys])


# -- not begun


def _not_begun(situation: Situation, key: str) -> list[Reason]:
    """What keeps it from beginning: the outermost block around it that has not come to it, or else its dependencies."""
    for scope in reversed([scope for scope in enclosing_scopes(scope_of(key)) if scope]):
        block_key, branch = split_scope(scope)
        block = situation.step(block_key)
        if block is None:
            return [_of_block(key, block_key, "has not begun"), *_not_begun(situation, block_key)]
        if block.is_final:
            return [_never(key, block_key, block), *how_it_ended(situation, block_key)]
        if not _has_begun(situation, block, scope):
            return _waits_for_branch(situation, key, block_key, branch, block)
    return _waits_for_steps(situation, key)


def _has_begun(situation: Situation, block: StepState, scope: str) -> bool:
    branch = split_scope(scope)[1]
    if isinstance(block.progress, LoopProgress | UntilProgress):
        return int(branch) < block.progress.started
    return scope in situation.state.open_steps


def _of_block(key: str, block_key: str, what: str) -> Reason:
    sentence = f"Step {key!r} waits: {block_key!r}, which it is in, {what}."
    return Reason(ReasonCode.BLOCK, key, sentence, details={"block": block_key})


def _never(key: str, block_key: str, block: StepState) -> Reason:
    sentence = f"Step {key!r} was never begun: {block_key!r}, which it is in, has ended {block.status} without it."
    return Reason(ReasonCode.NEVER_BEGUN, key, sentence, block.ended_at, details={"block": block_key})


def _waits_for_branch(situation: Situation, key: str, block_key: str, branch: str, block: StepState) -> list[Reason]:
    progress = block.progress
    if isinstance(progress, LoopProgress | UntilProgress):
        return [_iteration(situation, key, block_key, int(branch), progress), *_inner(situation, block_key)]
    phase = getattr(progress, "phase", "steps")
    own = _of_block(key, block_key, f"is at its {phase!r} and has not come to its {branch!r}, if it ever will")
    return [own, *_inner(situation, block_key)]


def _inner(situation: Situation, block_key: str) -> list[Reason]:
    pauses = [block_key] if block_key in holders(situation, block_key) else []
    return _why(situation, [*pauses, *holders(situation, f"{block_key}.")])


def _iteration(
    situation: Situation, key: str, loop_key: str, index: int, progress: LoopProgress | UntilProgress
) -> Reason:
    plan = situation.plan_of(loop_key).block
    details: dict[str, Any] = {"block": loop_key, "iteration": index, "started": progress.started}
    far = f"{words.number(progress.started, 'iteration')} of {loop_key!r} have begun"
    if isinstance(progress, LoopProgress) and isinstance(plan, LoopPlan):
        details |= {"total": progress.total, "concurrencyLimit": plan.concurrency_limit}
        far = f"{progress.started} of {words.number(progress.total, 'iteration')} of {loop_key!r} have begun"
        if index >= progress.total:
            sentence = f"Step {key!r} will not begin: {loop_key!r} has {words.number(progress.total, 'iteration')}."
            return Reason(ReasonCode.ITERATION, key, sentence, details=details)
        far += f", at most {plan.concurrency_limit} at once"
    return Reason(ReasonCode.ITERATION, key, f"Step {key!r} waits for iteration {index}: {far}.", details=details)


def _waits_for_steps(situation: Situation, key: str) -> list[Reason]:
    open_keys = _open_dependencies(situation, key)
    if not open_keys:
        return [_of_block(key, scope_of(key), "has not come to it"), *_why(situation, _around(situation, key))]
    told = ", ".join(f"{name!r} ({_status(situation, name)})" for name in open_keys)
    details: dict[str, Any] = {"waitsFor": open_keys, "accepts": _accepted(situation, key)}
    own = Reason(ReasonCode.DEPENDENCY, key, f"Step {key!r} waits for {told}.", details=details)
    return [own, *_why(situation, _behind(situation, open_keys))]


def _around(situation: Situation, key: str) -> list[str]:
    block_key = split_scope(scope_of(key))[0]
    return holders(situation, f"{block_key}." if block_key else "")


def _accepted(situation: Situation, key: str) -> dict[str, list[str]]:
    plan = situation.plan_of(key)
    return {name: sorted(map(str, accepted)) for name, accepted in plan.run_after.items()}


def _status(situation: Situation, key: str) -> str:
    state = situation.step(key)
    return "Waiting" if state is None else str(state.status)


def _open_dependencies(situation: Situation, key: str) -> list[str]:
    names = [child_key(scope_of(key), name) for name in situation.plan_of(key).run_after]
    states = {name: situation.step(name) for name in names}
    return [name for name, state in states.items() if state is None or not state.is_final]


def _behind(situation: Situation, keys: list[str]) -> list[str]:
    """Of these steps and all that they wait for, those that are under way by themselves."""
    found: dict[str, None] = {}
    queue, seen = list(keys), set(keys)
    while queue:
        key = queue.pop()
        state = situation.step(key)
        if state is None:
            further = [name for name in _open_dependencies(situation, key) if name not in seen]
            seen.update(further)
            queue += further
        else:
            found.update(dict.fromkeys([name for name in holders(situation, key) if _is_in(name, key)]))
    return list(found)


def _is_in(name: str, key: str) -> bool:
    return name == key or name.startswith(f"{key}.")
